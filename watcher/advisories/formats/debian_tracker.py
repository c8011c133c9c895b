"""Debian's security tracker: every vulnerability of every source package, in each release that is looked after.

Spec: https://security-tracker.debian.org/tracker/data/json; "Severity levels" and "Issues not warranting a security advisory" of
https://security-team.debian.org/security_tracker.html
"""

from collections.abc import Iterator
from typing import Literal

import msgspec

from watcher.advisories.formats.fields import SHOWN, decoded, entry_of, is_cve, summary_of, vulnerability_id
from watcher.advisories.formats.protocol import NotThisFormatError
from watcher.advisories.record import WILL_NOT_FIX, Advisory, Affected, Interval, Malformed, Records

# What images call their release. `sid` never becomes one: an image of it does not say that it is.
RELEASES = {
    "squeeze": "6",
    "wheezy": "7",
    "jessie": "8",
    "stretch": "9",
    "buster": "10",
    "bullseye": "11",
    "bookworm": "12",
    "trixie": "13",
    "forky": "14",
    "duke": "15",
}
NO_RELEASES = frozenset({"sid", "experimental"})
# Written where a version would stand: no version that the release has had was affected.
NEVER_AFFECTED = "0"
# The urgency is of the package in Debian, not of the vulnerability in general. `not yet assigned` says nothing.
_SEVERITIES = {"unimportant": "NEGLIGIBLE", "low": "LOW", "medium": "MEDIUM", "high": "HIGH"}
_END_OF_LIFE = "end-of-life"
_RESOLVED = "resolved"
_IGNORED = "ignored"


class _Release(msgspec.Struct, frozen=True, gc=False):
    # `undetermined` awaits somebody who looks: until then nobody has said that it is not affected.
    status: Literal["open", "resolved", "undetermined"]
    fixed_version: str = ""
    urgency: str = ""
    nodsa_reason: str = ""


class _Entry(msgspec.Struct, frozen=True):
    releases: dict[str, _Release]
    description: str = ""


def read(content: bytes, *, name: str) -> Records:
    """One record per vulnerability, with every package and release; the ids are as OSV makes them.

    The file has 60 MB, so each entry is kept as its bytes until its record is made.
    """
    packages = decoded(content, dict[str, dict[str, msgspec.Raw]], name)
    entries: dict[str, list[tuple[str, msgspec.Raw]]] = {}
    for package, vulnerabilities in packages.items():
        for identifier, raw in vulnerabilities.items():
            entries.setdefault(identifier, []).append((package, raw))
    if not any(is_cve(identifier) or identifier.startswith("TEMP-") for identifier in entries):
        raise NotThisFormatError(f"{name}: no package with a vulnerability")
    unknown: set[str] = set()
    for identifier, mentions in entries.items():
        if not vulnerability_id(identifier):
            yield Malformed(where=name, reason=f"{identifier[:SHOWN]!r} is no id")
            continue
        affected: list[Affected] = []
        summary = ""
        for package, raw in mentions:
            entry = entry_of(raw, _Entry, f"{name} {package} {identifier}"[: 2 * SHOWN])
            if isinstance(entry, Malformed):
                yield entry
                continue
            summary = summary or summary_of(entry.description)
            unknown.update(entry.releases.keys() - RELEASES.keys() - NO_RELEASES)
            affected.extend(_affected(package, entry))
        if affected:
            yield Advisory(id=f"DEBIAN-{identifier}", aliases=(identifier,), summary=summary, affected=tuple(affected))
    for codename in sorted(unknown):
        yield Malformed(where=name, reason=f"{codename[:SHOWN]!r} is no release that has a number")


def _affected(package: str, entry: _Entry) -> Iterator[Affected]:
    for codename, release in entry.releases.items():
        if codename not in RELEASES:
            continue
        resolved = release.status == _RESOLVED
        if resolved and release.fixed_version == NEVER_AFFECTED:
            continue
        urgency = release.urgency.rstrip("*")
        given_up = not resolved and (urgency == _END_OF_LIFE or release.nodsa_reason == _IGNORED)
        yield Affected(
            ecosystem=f"Debian:{RELEASES[codename]}",
            package=package,
            intervals=(Interval(fixed=release.fixed_version if resolved else ""),),
            severity=_SEVERITIES.get(urgency, ""),
            status=WILL_NOT_FIX if given_up else "",
        )
