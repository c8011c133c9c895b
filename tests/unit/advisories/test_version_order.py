"""The order of versions, ecosystem by ecosystem, by the rules that each of them publishes."""

from itertools import combinations
from pathlib import Path

import pytest

from watcher.advisories.versions.catalog import ORDERS, order_of
from watcher.advisories.versions.protocol import LIMIT_CHARACTERS, Order, VersionError

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "version-order.txt"
SAME_ORDER = {
    "Ubuntu:22.04": "Debian",
    "Debian:12": "Debian",
    "AlmaLinux:9": "Red Hat",
    "Rocky Linux:8": "Red Hat",
    "Alpine:v3.19": "Alpine",
    "Wolfi": "Alpine",
    "Chainguard": "Alpine",
}
# What is no version of the ecosystem.
REFUSED = {
    "Debian": ["", "a:1", ":1", "1:", "-1", "1.0-", "1 0", "1.0\n", "1.0é", "4294967296:1", "1\x00"],
    "Red Hat": ["", " "],
    "Alpine": ["", "a", ".1", "1.", "1..1", "1.2A", "1.0bc", "1_foo", "1-ruff", "1-r1-r2", "1.0-1", "1.0\n", "\u0661"],
    "PyPI": ["", "2004d", "0.1-bulbasaur", "1.0.x", "latest", "1.0 1", "\u0661.\u0660x"],
    "crates.io": ["", "a", "1.0.0-", "1.0.0-a..b", "1.2.3.4", "1.0.0_1", "-1.0.0", "1.0.0\n", "\u0661.0.0"],
    "npm": ["", "latest", "1.2.3.4", "*", "file:../x", "1.x"],
    "Go": ["", "(devel)", "master", "gopher", "go", "go1.x", "1.2.3.4", "devel go1.22-abcdef"],
    "Maven": [""],
    "RubyGems": ["", "a", ".1", "1_0", "1.0 1"],
    "NuGet": ["", "1.2.3.4.5", "1.0.0-", "1.0.0-a..b", "v1.0", "1.*"],
    "Packagist": ["", "1.", "1.0-", "dev-main", "v", "1.2.#", "main", "1 0", "1\n"],
}


def chains() -> list[tuple[str, str]]:
    """Each chain of the golden file, with its ecosystem."""
    found: list[tuple[str, str]] = []
    ecosystem = ""
    for line in GOLDEN.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            ecosystem = line.strip("[]")
        elif line.startswith(" "):
            found[-1] = (ecosystem, f"{found[-1][1]} {line.strip()}")
        elif line and not line.startswith("#"):
            found.append((ecosystem, line))
    return found


def order(ecosystem: str) -> Order:
    found = order_of(ecosystem)
    assert found is not None
    return found


@pytest.mark.parametrize(("ecosystem", "chain"), chains())
def test_each_version_of_a_chain_is_below_all_that_follow_it(ecosystem: str, chain: str) -> None:
    """So is what is written otherwise and means the same."""
    key = order(ecosystem)
    links = [link.split(" = ") for link in chain.split(" < ")]
    for link in links:
        for left, right in combinations(link, 2):
            assert key(left) == key(right), f"{left} = {right}"
    for lower, higher in combinations(links, 2):
        for left in lower:
            for right in higher:
                assert key(left) < key(right), f"{left} < {right}"
                assert not key(right) <= key(left), f"{left} < {right}"


@pytest.mark.parametrize(
    ("ecosystem", "version"), [(ecosystem, each) for ecosystem, versions in REFUSED.items() for each in versions]
)
def test_what_is_no_version_is_refused(ecosystem: str, version: str) -> None:
    """It is before nothing and after nothing."""
    with pytest.raises(VersionError):
        order(ecosystem)(version)


@pytest.mark.parametrize("ecosystem", ORDERS)
def test_a_version_of_any_length_is_answered_at_once(ecosystem: str) -> None:
    """Up to a limit it has a place; beyond it is refused before it is read."""
    longest = "1" * LIMIT_CHARACTERS
    assert order(ecosystem)(longest) > order(ecosystem)(longest[1:])
    for text in (longest + "1", "1." * 5000 + "1", "1-" * 5000, "~" * 10_000, "1a" * 5000, "1:" * 5000, "1.0-" + "a." * 5000):
        with pytest.raises(VersionError):
            order(ecosystem)(text)


def test_every_order_has_chains() -> None:
    """An order that nobody wrote down is not tested."""
    assert {order(ecosystem) for ecosystem, _ in chains()} == set(ORDERS.values())


def test_a_refusal_quotes_no_more_than_the_beginning() -> None:
    """What was written may be of any length, and goes to a log."""
    with pytest.raises(VersionError) as refused:
        order("Debian")("é" * 9000)
    assert len(str(refused.value)) < 200


def test_a_release_of_a_distribution_has_the_order_of_all_of_them() -> None:
    """Data are published a release at a time."""
    for ecosystem, same in SAME_ORDER.items():
        assert order(ecosystem) is order(same)


@pytest.mark.parametrize("ecosystem", ["", "Hackage", "debian", "Debianite", ":12"])
def test_no_order_is_guessed(ecosystem: str) -> None:
    """Versions of an ecosystem that we do not know cannot be compared."""
    assert order_of(ecosystem) is None
