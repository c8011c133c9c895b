"""OSV records become advisories."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.doubles.advisory_data import at, encoded, osv, until
from watcher.advisories.formats.osv import MAX_BYTES, intervals_of, read
from watcher.advisories.record import WILL_NOT_FIX, Advisory, Interval, Malformed, Vector


def one(record: dict[str, Any]) -> Advisory:
    (found,) = read(encoded(record), name="a.json")
    assert isinstance(found, Advisory), found
    return found


def test_a_record_is_read_whole() -> None:
    """Names, texts, times, severity and the versions of each package."""
    found = one(
        osv(
            "GHSA-1",
            at("PyPI", "Some_Package", *until("2.0"), versions=("1.0",)),
            aliases=["CVE-2026-1", "GHSA-1"],
            summary="It is bad.",
            published="2026-01-01T00:00:00Z",
            database_specific={"severity": "MODERATE"},
            severity=[{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
            references=[{"type": "FIX", "url": "https://fix"}, {"type": "ADVISORY", "url": "https://say"}, {"url": "ftp://no"}],
        )
    )
    assert found.aliases == ("CVE-2026-1",)
    assert found.summary == "It is bad."
    assert found.published == datetime(2026, 1, 1, tzinfo=UTC)
    assert found.severity == "MEDIUM"
    assert found.vectors == (Vector(source="ghsa", text="CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"),)
    assert found.links == ("https://say", "https://fix")
    (affected,) = found.affected
    assert (affected.ecosystem, affected.package, affected.versions) == ("PyPI", "some-package", ("1.0",))
    assert affected.intervals == (Interval(introduced="0", fixed="2.0"),)


@pytest.mark.parametrize(
    ("events", "intervals"),
    [
        ([{"introduced": "0"}], [Interval()]),
        (
            [{"introduced": "1"}, {"fixed": "2"}, {"introduced": "3"}],
            [Interval(introduced="1", fixed="2"), Interval(introduced="3")],
        ),
        ([{"introduced": "1"}, {"last_affected": "2"}], [Interval(introduced="1", last_affected="2")]),
        ([{"introduced": "1"}, {"limit": "2"}], [Interval(introduced="1", limit="2")]),
        ([{"introduced": "1"}, {"limit": "*"}], [Interval(introduced="1")]),
        # Where it is introduced once more before it was ever fixed, it was there all along.
        ([{"introduced": "1"}, {"introduced": "2"}, {"fixed": "3"}], [Interval(introduced="1", fixed="3")]),
        ([{"fixed": "3"}], []),
        (
            [{"fixed": "2"}, {"fixed": "1.5"}, {"introduced": "1.10"}, {"introduced": "0"}],
            [Interval(fixed="1.5"), Interval(introduced="1.10", fixed="2")],
        ),
        (
            [{"introduced": "0"}, {"introduced": "2"}, {"fixed": "1"}, {"fixed": "3"}],
            [Interval(fixed="1"), Interval(introduced="2", fixed="3")],
        ),
        # A range that ends with what the next begins with.
        (
            [{"introduced": "1"}, {"introduced": "2"}, {"fixed": "2"}, {"last_affected": "3"}],
            [Interval(introduced="1", fixed="2"), Interval(introduced="2", last_affected="3")],
        ),
        ([{"introduced": "0"}, {"introduced": "none"}, {"fixed": "1"}], [Interval(fixed="1")]),
    ],
)
def test_events_become_intervals(events: list[dict[str, str]], intervals: list[Interval]) -> None:
    """Each `introduced` up to what ends it, in whichever order they are listed; what cannot be ordered is taken as listed."""
    assert list(intervals_of(events, "crates.io")) == intervals


def test_a_distribution_says_its_own_severity() -> None:
    """Debian's urgency and Ubuntu's priority are of the package, whatever a vector says."""
    debian = one(osv("DEBIAN-CVE-2026-1", at("Debian:12", "curl", *until("7"), ecosystem_specific={"urgency": "unimportant"})))
    assert (debian.aliases, debian.affected[0].severity) == (("CVE-2026-1",), "NEGLIGIBLE")
    ubuntu = one(
        osv("UBUNTU-CVE-2026-1", at("Ubuntu:22.04:LTS", "curl", {"introduced": "0"}), severity=[{"type": "Ubuntu", "score": "low"}])
    )
    assert (ubuntu.aliases, ubuntu.severity, ubuntu.affected[0].ecosystem) == (("CVE-2026-1",), "LOW", "Ubuntu:22.04")


def test_a_fix_for_paying_users_is_told_apart() -> None:
    """Ubuntu Pro's packages are of the same release; nobody else can install them."""
    found = one(osv("U", at("Ubuntu:22.04:LTS", "vim", {"introduced": "0"}), at("Ubuntu:Pro:22.04:LTS", "vim", *until("8.2"))))
    assert [(each.ecosystem, each.subscription) for each in found.affected] == [("Ubuntu:22.04", False), ("Ubuntu:22.04", True)]


def test_an_erratum_covers_what_it_mends() -> None:
    """What AlmaLinux writes as related are vulnerabilities of their own; one word of its title is how bad it is, one its module."""
    found = one(
        osv(
            "ALSA-2026:1",
            at("AlmaLinux:8", "nodejs", *until("1:10.0-1.module_el8.3.0+1+a")),
            at("AlmaLinux:8", "nodejs", *until("1:10.0-1.module_el8.4.0+2+b")),
            summary="Important: nodejs:10 security update",
            related=["CVE-2026-1", "CVE-2026-2"],
        )
    )
    assert (found.severity, found.aliases, found.covers) == ("HIGH", (), ("CVE-2026-1", "CVE-2026-2"))
    (affected,) = found.affected
    assert affected.module == "nodejs:10"
    assert [each.fixed for each in affected.intervals] == ["1:10.0-1.module_el8.3.0+1+a", "1:10.0-1.module_el8.4.0+2+b"]


def test_an_erratum_that_mends_bugs_is_about_nothing_vulnerable() -> None:
    """But for those that name a vulnerability."""
    about = at("AlmaLinux:8", "bash", *until("5-1"))
    assert one(osv("ALBA-2026:1", about, summary="bash bug fix")).affected == ()
    assert one(osv("ALBA-2026:2", about, related=["CVE-2026-1"])).affected


def test_what_will_not_be_fixed_says_so() -> None:
    found = one(
        osv(
            "R",
            at("Red Hat:enterprise_linux:9::baseos", "tar", {"introduced": "0"}, ecosystem_specific={"fix_state": "Will not fix"}),
        )
    )
    assert (found.affected[0].ecosystem, found.affected[0].status) == ("Red Hat:9", WILL_NOT_FIX)


def test_commits_are_nothing_to_compare() -> None:
    """A range of commits says nothing of a package that is installed."""
    raw = osv("G", {"package": {"ecosystem": "Go", "name": "x"}, "ranges": [{"type": "GIT", "events": [{"introduced": "0"}]}]})
    assert one(raw).affected == ()


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b'{"id": 1}', b'{"id": ""}', b'{"id": "x", "affected": 1}', b"\xff", b"[" * 100_000]
)
def test_what_is_no_record_is_named(content: bytes) -> None:
    """It is skipped, and the others are read."""
    found = list(read(content + b"\n" + encoded(osv("GOOD-1")), name="lines.jsonl"))
    assert isinstance(found[0], Malformed)
    assert found[0].where == "lines.jsonl:1"
    assert isinstance(found[1], Advisory)


def test_a_record_over_size_is_named() -> None:
    (found,) = read(b'{"id": "' + b"x" * MAX_BYTES + b'"}', name="large")
    assert isinstance(found, Malformed)


KEYS = ("introduced", "fixed", "name", "urgency")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["introduced", "fixed", "name", "urgency"]), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = ("id", "aliases", "upstream", "related", "summary", "published", "withdrawn", "severity", "affected", "references")


@given(st.dictionaries(st.sampled_from([*FIELDS, "database_specific"]), JSON, max_size=8) | st.binary(max_size=64))
def test_any_content_is_a_record_or_named(content: dict[str, Any] | bytes) -> None:
    """Nothing that is written into a record ends an import."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    assert all(isinstance(found, Advisory | Malformed) for found in read(raw, name="any"))
