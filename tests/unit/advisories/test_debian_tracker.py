"""Debian's security tracker: what each release has of each vulnerability."""

import json
from typing import Any

import pytest

from watcher.advisories.formats import debian_tracker
from watcher.advisories.formats.protocol import NotThisFormatError
from watcher.advisories.record import WILL_NOT_FIX, Advisory, Affected, Interval, Malformed, Record


def records(document: Any) -> list[Record]:
    return list(debian_tracker.read(json.dumps(document).encode(), name="tracker.json"))


def of_release(**said: str) -> Affected | None:
    """What is made of one package in bookworm."""
    found = records({"curl": {"CVE-2024-2398": {"releases": {"bookworm": said}}}})
    if not found:
        return None
    (advisory,) = found
    assert isinstance(advisory, Advisory)
    (affected,) = advisory.affected
    return affected


def test_a_vulnerability_is_one_record_over_packages_and_releases() -> None:
    """Codenames become the numbers that images call their release by."""
    resolved = {
        "status": "resolved",
        "fixed_version": "7.88.1-10+deb12u6",
        "urgency": "not yet assigned",
        "repositories": {"x": "1"},
    }
    releases = {"bookworm": resolved, "bullseye": {"status": "open"}, "sid": resolved}
    curl = {"CVE-2024-2398": {"description": "HTTP/2 push\nheaders", "debianbug": 1, "releases": releases}}
    other = {"CVE-2024-2398": {"releases": {"trixie": {"status": "open"}}}}
    assert records({"curl": curl, "other": other}) == [
        Advisory(
            id="DEBIAN-CVE-2024-2398",
            aliases=("CVE-2024-2398",),
            summary="HTTP/2 push headers",
            affected=(
                Affected(ecosystem="Debian:12", package="curl", intervals=(Interval(fixed="7.88.1-10+deb12u6"),)),
                Affected(ecosystem="Debian:11", package="curl", intervals=(Interval(),)),
                Affected(ecosystem="Debian:13", package="other", intervals=(Interval(),)),
            ),
        )
    ]


def test_a_fix_in_version_0_says_that_it_never_was_affected() -> None:
    """Debian marks so what a release never had."""
    assert of_release(status="resolved", fixed_version="0") is None


@pytest.mark.parametrize(
    ("urgency", "severity"),
    [
        ("unimportant", "NEGLIGIBLE"),
        ("low", "LOW"),
        ("low**", "LOW"),
        ("medium", "MEDIUM"),
        ("high", "HIGH"),
        ("not yet assigned", ""),
        ("end-of-life", ""),
    ],
)
def test_urgency_is_the_severity_of_the_package(urgency: str, severity: str) -> None:
    """As whoever reads Debian's pages would take it; where none was assigned, none is said."""
    affected = of_release(status="open", urgency=urgency)
    assert affected is not None
    assert affected.severity == severity


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"status": "open", "nodsa_reason": "ignored"}, WILL_NOT_FIX),
        ({"status": "open", "nodsa_reason": "postponed"}, ""),
        ({"status": "open", "nodsa_reason": ""}, ""),
        ({"status": "open", "urgency": "end-of-life"}, WILL_NOT_FIX),
        ({"status": "undetermined"}, ""),
        ({"status": "resolved", "fixed_version": "2", "nodsa_reason": "ignored"}, ""),
    ],
)
def test_what_debian_will_not_mend_is_said(said: dict[str, str], status: str) -> None:
    """Only where it is not mended: a reason that was written before the fix came means nothing."""
    affected = of_release(**said)
    assert affected is not None
    assert affected.status == status


def test_what_nobody_looked_at_is_affected() -> None:
    """`undetermined` is no clearance."""
    affected = of_release(status="undetermined")
    assert affected is not None
    assert affected.intervals == (Interval(),)


def test_a_damaged_entry_costs_no_other() -> None:
    """It is named by package and id; an id that is none, and a release without a number, by their text."""
    fine = {"releases": {"trixie": {"status": "open"}, "zurg": {"status": "open"}}}
    damaged, advisory, no_id, no_release = records(
        {"a": {"CVE-2024-0001": {"releases": {"trixie": {"status": "gone"}}}}, "b": {"CVE-2024-0002": fine, "two words": fine}}
    )
    assert isinstance(damaged, Malformed)
    assert damaged.where == "tracker.json a CVE-2024-0001"
    assert isinstance(advisory, Advisory)
    assert advisory.id == "DEBIAN-CVE-2024-0002"
    assert no_id == Malformed(where="tracker.json", reason="'two words' is no id")
    assert no_release == Malformed(where="tracker.json", reason="'zurg' is no release that has a number")


NESTED = b'{"a":' * 50_000
NESTED_ENTRY = b'{"a": {"CVE-2024-0001": ' + b"[" * 50_000


@pytest.mark.parametrize("other", [b"", b"{}", b"[]", b'{"a": 1}', b'{"packages": {"x": {}}}', NESTED, NESTED_ENTRY])
def test_another_document_is_not_the_tracker(other: bytes) -> None:
    """Without a package that has a vulnerability it could be any JSON."""
    with pytest.raises(NotThisFormatError):
        list(debian_tracker.read(other, name="other.json"))
