"""The tar walker against what Go's archive/tar was seen to make of thousands of archives, and against archives nobody has seen."""

from itertools import zip_longest

from hypothesis import given
from hypothesis import strategies as st

from tools.tar_oracle.archives import archive
from tools.tar_oracle.readings import by_go, by_us, difference, recorded


def test_recorded_archives_are_read_as_go_read_them() -> None:
    """No member is missing or another, in name, type, mode, owner, size, target or content, unless damage is said."""
    whole = damaged = 0
    for number, (raw, said) in enumerate(recorded()):
        go, ours = by_go(said), by_us(raw)
        assert not difference(go, ours), f"archive {number}"
        # What was read before the damage stands: the last member may be the one whose content is not all there.
        assert all(own[:7] == theirs[:7] for own, theirs in zip_longest(ours.members[:-1], go.members[: len(ours.members) - 1]))
        whole += not go.damage
        damaged += bool(ours.damage) and not go.damage
    assert number >= 2000
    assert whole > number / 3, "most archives are not simply broken"
    assert damaged < whole / 50, "but for a cut in the last padding, what Go reads whole is hardly ever called damaged"


@given(st.integers(0, 2**64), st.sampled_from([1, 100, 511, 512, 513, 5000]))
def test_how_an_archive_is_cut_changes_nothing(seed: int, step: int) -> None:
    """The same members, the same damage and the same problems, however it comes."""
    raw = archive(seed)
    assert by_us(raw, step) == by_us(raw)
