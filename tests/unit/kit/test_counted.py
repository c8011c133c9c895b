import pytest

from watcher.kit.counted import counted


@pytest.mark.parametrize(
    ("count", "plural", "said"),
    [(0, "", "0 rules"), (1, "", "1 rule"), (2, "", "2 rules"), (1, "x", "1 rule"), (0, "regulations", "0 regulations")],
)
def test_one_of_a_thing_is_not_many(count: int, plural: str, said: str) -> None:
    """And none is many."""
    assert counted(count, "rule", plural) == said
