"""Whatever somebody calls a version."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.advisories.versions.catalog import ORDERS, order_of
from watcher.advisories.versions.protocol import Key, Order, VersionError

# One ecosystem for each order there is.
DISTINCT = sorted({order: ecosystem for ecosystem, order in ORDERS.items()}.values())
PIECES = st.sampled_from(
    [
        *"0123456789abmrvZ.-_+~^:=#!",
        *(
            "00",
            "10",
            "01",
            ".0",
            ".0.0",
            "-0",
            "a1",
            "rc",
            "RC1",
            "alpha",
            "beta",
            "dev",
            "post",
            "pre",
            "sp",
            "ga",
            "final",
            "SNAPSHOT",
        ),
        *(
            "_rc",
            "_p1",
            "-r0",
            "-r",
            "go1.",
            "go1.20rc",
            "x-dev",
            "dev-",
            "+incompatible",
            "20200101000000",
            "1.0",
            "v1.0.0",
            "é",
            "²",
            "\u0661",
        ),
    ]
)
WRITTEN = st.lists(PIECES, max_size=7).map("".join)
LIKE_VERSIONS = st.builds("".join, st.tuples(st.sampled_from(["0", "1", "1.0", "1.0.0", "v1.0.0", "1:1"]), WRITTEN))
TEXTS = LIKE_VERSIONS | WRITTEN | st.text(max_size=12)


def found(ecosystem: str) -> Order:
    order = order_of(ecosystem)
    assert order is not None
    return order


def keys(ecosystem: str, texts: list[str]) -> list[Key]:
    """The keys of those that are versions."""
    order, read = found(ecosystem), []
    for text in texts:
        try:
            read.append(order(text))
        except VersionError:
            continue
    return read


@pytest.mark.parametrize("ecosystem", DISTINCT)
@given(texts=st.lists(TEXTS, min_size=2, max_size=6))
def test_any_texts_have_one_order(ecosystem: str, texts: list[str]) -> None:
    """Any two compare, exactly one of below, equal and above holds, and sorted they are sorted whichever two are looked at."""
    ordered = sorted(keys(ecosystem, texts))
    for place, lower in enumerate(ordered):
        for higher in ordered[place + 1 :]:
            assert lower <= higher
            assert higher >= lower
            assert (lower < higher) + (lower == higher) + (lower > higher) == 1
            assert (hash(lower) == hash(higher)) or lower != higher


@pytest.mark.parametrize("ecosystem", DISTINCT)
@given(text=TEXTS)
def test_a_text_has_one_key(ecosystem: str, text: str) -> None:
    """Read twice it is the same, and what is refused once is refused again."""
    assert keys(ecosystem, [text]) == keys(ecosystem, [text])


@pytest.mark.parametrize("ecosystem", DISTINCT)
@given(numbers=st.lists(st.integers(0, 10**12), min_size=1, max_size=3), place=st.integers(0, 2), more=st.integers(1, 10**12))
def test_a_higher_number_is_a_later_version(ecosystem: str, numbers: list[int], place: int, more: int) -> None:
    """Wherever it stands in versions that are nothing but numbers."""
    higher = list(numbers)
    higher[place % len(numbers)] += more
    order = found(ecosystem)
    assert order(".".join(map(str, numbers))) < order(".".join(map(str, higher)))
