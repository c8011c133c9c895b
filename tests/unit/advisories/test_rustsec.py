"""RustSec: what is affected is what no requirement calls safe."""

import pytest

from watcher.advisories.formats import rustsec
from watcher.advisories.formats.protocol import NotThisFormatError
from watcher.advisories.formats.rustsec_requirements import MAX_REQUIREMENTS, RequirementError, affected_between
from watcher.advisories.record import Advisory, Affected, Interval, Malformed, Record, Vector

ADVISORY = b"""```toml
[advisory]
id = "RUSTSEC-2021-0001"
package = "mdbook"
date = "2021-01-04"
url = "https://groups.google.com/g/rustlang-security-announcements"
aliases = ["CVE-2020-26297"]
cvss = "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N"

[versions]
patched = [">= 0.4.5"]
unaffected = ["<= 0.1.3"]
```

# XSS in mdBook's  search page

The search page quoted nothing.
"""


def records(text: bytes) -> list[Record]:
    return list(rustsec.read(text, name="a.md"))


def test_an_advisory_is_read_whole() -> None:
    """Id, aliases, title, vector, day and versions of one file."""
    (advisory,) = records(ADVISORY)
    assert isinstance(advisory, Advisory)
    assert (advisory.id, advisory.aliases) == ("RUSTSEC-2021-0001", ("CVE-2020-26297",))
    assert advisory.summary == "XSS in mdBook's search page"
    assert advisory.vectors == (Vector(source="RustSec", text="CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N"),)
    assert advisory.published is not None
    assert advisory.published.isoformat() == "2021-01-04T00:00:00+00:00"
    assert advisory.affected == (
        Affected(ecosystem="crates.io", package="mdbook", intervals=(Interval(introduced="0.1.4-0", fixed="0.4.5"),)),
    )
    assert advisory.links[0] == "https://rustsec.org/advisories/RUSTSEC-2021-0001.html"


@pytest.mark.parametrize("kind", ["unmaintained", "unsound", "notice"])
def test_informational_advisories_are_no_vulnerabilities(kind: str) -> None:
    """That nobody looks after a crate any more is said of it by RustSec, and is no vulnerability in it."""
    assert records(ADVISORY.replace(b"date =", f'informational = "{kind}"\ndate ='.encode())) == []


def test_a_withdrawn_advisory_says_so() -> None:
    """A day of withdrawal marks the record; whoever reads it drops it."""
    (advisory,) = records(ADVISORY.replace(b"aliases", b'withdrawn = "2022-01-01"\naliases'))
    assert isinstance(advisory, Advisory)
    assert advisory.withdrawn


def test_the_fence_and_the_line_ends_may_be_others() -> None:
    """Old advisories stand between `+++`, and some were written on Windows."""
    old = ADVISORY.replace(b"```toml", b"+++").replace(b"```", b"+++")
    assert records(old) == records(ADVISORY) == records(b"\xef\xbb\xbf" + ADVISORY.replace(b"\n", b"\r\n"))


@pytest.mark.parametrize(
    ("safe", "affected"),
    [
        ([], [("0", "")]),
        ([">= 1.2.0"], [("0", "1.2.0")]),
        (["< 1.0.0", ">= 1.2.0"], [("1.0.0", "1.2.0")]),
        (["<= 3.5.0"], [("3.5.1-0", "")]),
        (["> 1.27.0"], [("0", "1.27.1")]),
        (["> 1.0.0-rc.1"], [("0", "1.0.0-rc.1.0")]),
        (["^0.6.2", ">= 0.7.6"], [("0", "0.6.2"), ("0.7.0-0", "0.7.6")]),
        (["0.13.10"], [("0", "0.13.10"), ("0.14.0-0", "")]),
        (["^ 0.0.3"], [("0", "0.0.3"), ("0.0.4-0", "")]),
        (["^1.2"], [("0", "1.2.0"), ("2.0.0-0", "")]),
        (["~1.2.3"], [("0", "1.2.3"), ("1.3.0-0", "")]),
        (["~1"], [("0", "1.0.0"), ("2.0.0-0", "")]),
        (["1.2.*"], [("0", "1.2.0"), ("1.3.0-0", "")]),
        (["=0.2.0", "=0.2.1"], [("0", "0.2.0"), ("0.2.1-0", "0.2.1"), ("0.2.2-0", "")]),
        ([">= 2.0.0-alpha.2", "< 2.0.0-alpha.1, >= 1.9"], [("0", "1.9.0"), ("2.0.0-alpha.1", "2.0.0-alpha.2")]),
        ([">= 2.0.0-alpha.10", "< 2.0.0-alpha.9"], [("2.0.0-alpha.9", "2.0.0-alpha.10")]),
        ([">= 2.0.0-beta", "< 2.0.0-1"], [("2.0.0-1", "2.0.0-beta")]),
        (["> 2.0.0, < 1.0.0", ">= 3.0.0"], [("0", "3.0.0")]),
        ([">= 1.0.0, < 2.0.0", ">= 1.5.0, < 3.0.0"], [("0", "1.0.0"), ("3.0.0", "")]),
        (["> 0"], [("0", "0.0.1")]),
        (["*"], []),
        ([">= 0"], [("0", "0.0.0")]),
    ],
)
def test_what_no_requirement_allows_is_affected(safe: list[str], affected: list[tuple[str, str]]) -> None:
    """The gaps between what is patched or unaffected, in order, each ending with the next version that is safe."""
    assert [(gap.introduced, gap.fixed) for gap in affected_between(safe)] == affected


@pytest.mark.parametrize("requirement", ["", "1.2.3.4", ">>1", "1.x-", "latest", ">= 1.0.0 < 2.0.0", "1." + "9" * 300])
def test_a_requirement_that_cargo_refuses_is_refused(requirement: str) -> None:
    """What cannot be read is never taken to allow, or to forbid, anything."""
    with pytest.raises(RequirementError):
        affected_between([requirement])


def test_a_wrong_requirement_costs_its_own_advisory() -> None:
    """The record is named, with what is wrong in it."""
    (malformed,) = records(ADVISORY.replace(b">= 0.4.5", b"soon"))
    assert malformed == Malformed(where="a.md RUSTSEC-2021-0001", reason="'soon' is no version requirement")


def test_there_is_an_end_to_requirements() -> None:
    """A list that nobody could have written by hand is refused."""
    with pytest.raises(RequirementError):
        affected_between(["=1.0.0"] * (MAX_REQUIREMENTS + 1))


@pytest.mark.parametrize(
    "wrong",
    [
        ADVISORY.replace(b'package = "mdbook"\n', b""),
        ADVISORY.replace(b'"mdbook"', b'"../mdbook"'),
        ADVISORY.replace(b'"RUSTSEC-2021-0001"', b'"one"'),
        ADVISORY.replace(b'["CVE-2020-26297"]', b'"CVE-2020-26297"'),
        ADVISORY.replace(b"[versions]", b"[other]").replace(b"[advisory]", b"versions = 3\n[advisory]"),
        ADVISORY.replace(b"[advisory]", b"[advisory"),
        ADVISORY.replace(b'["CVE-2020-26297"]', b"1" * 5000),
        ADVISORY.replace(b'["CVE-2020-26297"]', b"[" * 9000),
    ],
)
def test_an_advisory_that_is_damaged_is_named(wrong: bytes) -> None:
    """One record that says what is wrong, and no advisory."""
    (malformed,) = records(wrong)
    assert isinstance(malformed, Malformed)


@pytest.mark.parametrize(
    "other",
    [b"", b"# A text", b"```toml\n[advisory]\n", b"\xff\xfe", b"```toml\na = 1\n```\n", b"```toml\n" + b"a" * 40_000 + b"\n```\n"],
)
def test_another_text_is_not_rustsec(other: bytes) -> None:
    """A file without a table `advisory` before its text is somebody else's."""
    with pytest.raises(NotThisFormatError):
        records(other)
