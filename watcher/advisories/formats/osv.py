"""OSV: one vulnerability as a JSON object; the shape that most sources share.

Spec: OSV schema 1.7, https://ossf.github.io/osv-schema/
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from watcher.advisories.ecosystems import comparable_name, family, release_named
from watcher.advisories.formats.fields import moment_or_day
from watcher.advisories.record import SEVERITIES, WILL_NOT_FIX, Advisory, Affected, Interval, Malformed, Record, Vector
from watcher.advisories.versions.catalog import order_of
from watcher.advisories.versions.protocol import Key, VersionError
from watcher.model.first_use import known

# The largest real record, one of a kernel, has 2 MB; a megabyte of JSON takes about ten times that when it is read.
MAX_BYTES = 16 * 2**20
MAX_SUMMARY = 200
MAX_LINKS = 3

# Distributions whose records are errata: each lists the builds that mend it.
_ERRATA = frozenset({"AlmaLinux", "Rocky Linux", "Red Hat", "openSUSE", "SUSE"})
# Errata that mend bugs or bring something new; a few of them mend vulnerabilities too, which they then name.
_NO_SECURITY = re.compile(r"(?:AL|RL|RH)[BE]A-")
_STREAM = re.compile(r"(?:^|: )([A-Za-z0-9_.+-]{1,64}:[A-Za-z0-9_.-]{1,32}) ")
_WORDS = {
    "UNIMPORTANT": "NEGLIGIBLE",
    "NEGLIGIBLE": "NEGLIGIBLE",
    "LOW": "LOW",
    "MINOR": "LOW",
    "MEDIUM": "MEDIUM",
    "MODERATE": "MEDIUM",
    "HIGH": "HIGH",
    "IMPORTANT": "HIGH",
    "CRITICAL": "CRITICAL",
}
# Of events at the same version.
_PLACES = {"introduced": 1, "last_affected": 2}
_PREFERRED_LINKS = {"ADVISORY": 0, "WEB": 1, "REPORT": 2, "FIX": 3}
# Distributions' names for a vulnerability of another name.
_SAME_AS = re.compile(r"(?:DEBIAN|UBUNTU|ALPINE|CGA|BELL|ECHO|MINI|AZL)-((?:CVE|GHSA)-.+)")


class _Package(msgspec.Struct):
    ecosystem: str = ""
    name: str = ""


class _Range(msgspec.Struct):
    type: str = "ECOSYSTEM"
    events: list[dict[str, str]] = []


class _Severity(msgspec.Struct):
    type: str = ""
    score: str = ""


class _Affected(msgspec.Struct):
    package: _Package | None = None
    ranges: list[_Range] | None = None
    versions: list[str] | None = None
    severity: list[_Severity] | None = None
    ecosystem_specific: Any = None
    database_specific: Any = None


class _Reference(msgspec.Struct):
    url: str = ""
    type: str = "WEB"


class OsvRecord(msgspec.Struct):
    """What of a record is read."""

    id: str
    aliases: list[str] | None = None
    upstream: list[str] | None = None
    related: list[str] | None = None
    summary: str | None = None
    details: str | None = None
    published: str | None = None
    modified: str | None = None
    withdrawn: str | None = None
    severity: list[_Severity] | None = None
    affected: list[_Affected] | None = None
    references: list[_Reference] | None = None
    database_specific: Any = None


_DECODER = msgspec.json.Decoder(known(OsvRecord))


def read(content: bytes, *, name: str) -> Iterator[Record]:
    """One record, or one a line. `name` says where it is from."""
    if content[:1] == b"{" and b"\n{" not in content:
        yield _one(content, name)
        return
    for number, line in enumerate(content.splitlines(), start=1):
        if line.strip():
            yield _one(line, f"{name}:{number}")


def advisory_of(raw: OsvRecord) -> Advisory:
    """Raises ValueError for a record that says nothing that could be used."""
    if not raw.id or len(raw.id) > 200:
        raise ValueError("no id")
    aliases = list(raw.aliases or ())
    covers = [each for each in (raw.upstream or ()) if each not in aliases]
    if same := _SAME_AS.fullmatch(raw.id):
        aliases.append(same[1])
    families = {family(each.package.ecosystem) for each in raw.affected or () if each.package is not None}
    if families & _ERRATA:
        covers += [each for each in raw.related or () if each.startswith("CVE-")]
    elif len(raw.upstream or ()) == 1 and raw.id.startswith(("DEBIAN-", "UBUNTU-", "ALPINE-")):
        aliases += raw.upstream or ()
    aliases = [each for each in dict.fromkeys(aliases) if each != raw.id]
    if _NO_SECURITY.match(raw.id) and not covers and not aliases:
        affected: tuple[Affected, ...] = ()
    else:
        affected = tuple(_affected(raw))
    return Advisory(
        id=raw.id,
        aliases=tuple(aliases),
        covers=tuple(each for each in dict.fromkeys(covers) if each not in aliases and each != raw.id),
        summary=_summary(raw),
        published=_moment(raw.published),
        modified=_moment(raw.modified),
        withdrawn=bool(raw.withdrawn),
        severity=_said_severity(raw, families),
        vectors=tuple(_vectors(raw)),
        affected=affected,
        links=_links(raw),
    )


def severity_word(text: object) -> str:
    """A severity in a source's own word, as one of SEVERITIES; empty for what is none."""
    return _WORDS.get(text.strip().upper(), "") if isinstance(text, str) else ""


def intervals_of(events: Sequence[Mapping[str, str]], ecosystem: str = "") -> Iterator[Interval]:
    """Each `introduced` up to what ends it. A `limit` ends what is open, as a fix does.

    Events mean the same in any order. Nearly everybody lists them in pairs, which are taken as they stand; others are put in
    the order of their versions first.

    Spec: OSV, "affected[].ranges[].events" and "Evaluation"
    """
    if len(events) == 2 and events[0].keys() == {"introduced"} and events[1].keys() == {"fixed"} and events[1]["fixed"] != "*":
        # As nearly all are: tens of thousands in the errata of one distribution.
        yield Interval(introduced=events[0]["introduced"], fixed=events[1]["fixed"])
        return
    introduced: str | None = None
    for event in events if _are_pairs(events) else _in_order(events, ecosystem):
        if introduced is None and "introduced" in event:
            introduced = event["introduced"]
        for kind in ("fixed", "last_affected", "limit"):
            if kind in event and event[kind] != "*" and introduced is not None:
                yield Interval(introduced=introduced, **{kind: event[kind]})
                introduced = None
    if introduced is not None:
        yield Interval(introduced=introduced)


def _are_pairs(events: Sequence[Mapping[str, str]]) -> bool:
    return all(("introduced" in event) is (place % 2 == 0) for place, event in enumerate(events))


def _in_order(events: Sequence[Mapping[str, str]], ecosystem: str) -> Sequence[Mapping[str, str]]:
    """By version. Where one ends and another begins at the same, the end comes first; what cannot be ordered stays as it is."""
    order = order_of(ecosystem)
    single = [{kind: version} for event in events for kind, version in event.items()]
    if order is None:
        return single

    def place(event: Mapping[str, str]) -> tuple[bool, Key, int]:
        ((kind, version),) = event.items()
        return (version == "*", () if version == "0" else order(version), _PLACES.get(kind, 0))

    try:
        return sorted(single, key=place)
    except VersionError:
        return single


def _one(content: bytes, where: str) -> Record:
    if len(content) > MAX_BYTES:
        return Malformed(where=where, reason=f"{len(content)} bytes, at most {MAX_BYTES} are read")
    try:
        return advisory_of(_DECODER.decode(content))
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        return Malformed(where=where, reason=f"{error!s:.200}")


def _affected(raw: OsvRecord) -> Iterator[Affected]:
    # Several entries for one package are one list of what is affected.
    merged: dict[tuple[str, str, bool], list[_Affected]] = {}
    for each in raw.affected or ():
        if each.package is None or not each.package.ecosystem or not each.package.name:
            continue
        ecosystem, subscription = release_named(each.package.ecosystem)
        merged.setdefault((ecosystem, comparable_name(ecosystem, each.package.name), subscription), []).append(each)
    for (ecosystem, package, subscription), entries in merged.items():
        ranges = [each for entry in entries for each in entry.ranges or () if each.type != "GIT"]
        found = [interval for each in ranges for interval in intervals_of(each.events, ecosystem)]
        intervals = tuple(dict.fromkeys(found)) if len(ranges) > 1 else tuple(found)
        versions = tuple(version for entry in entries for version in entry.versions or ())
        if not intervals and not versions:
            continue
        modular = any("module" in interval.fixed for interval in intervals)
        stream = _STREAM.search(raw.summary or "") if modular else None
        speaking = [each for each in entries if each.severity or each.ecosystem_specific or each.database_specific]
        yield Affected(
            ecosystem=ecosystem,
            package=package,
            intervals=intervals,
            versions=versions,
            severity=next(filter(None, map(_own_severity, speaking)), ""),
            status=WILL_NOT_FIX if any(map(_will_not_fix, speaking)) else "",
            module=stream[1] if stream else "",
            subscription=subscription,
        )


def _own_severity(entry: _Affected) -> str:
    """The distribution's word: Debian's urgency, Ubuntu's priority."""
    if isinstance(entry.ecosystem_specific, dict):
        specific = entry.ecosystem_specific
        if said := severity_word(specific.get("urgency")) or severity_word(specific.get("severity")):
            return said
    return next(filter(None, (severity_word(each.score) for each in entry.severity or ())), "")


def _will_not_fix(entry: _Affected) -> bool:
    for specific in (entry.ecosystem_specific, entry.database_specific):
        if isinstance(specific, dict) and str(specific.get("fix_state", specific.get("status", ""))).lower() in {
            "will not fix",
            "wontfix",
            "will-not-fix",
            "ignored",
        }:
            return True
    return False


def _said_severity(raw: OsvRecord, families: set[str]) -> str:
    specific = raw.database_specific if isinstance(raw.database_specific, dict) else {}
    if said := severity_word(specific.get("severity")):
        return said
    if said := next(filter(None, (severity_word(each.score) for each in raw.severity or ())), ""):
        return said
    return severity_word((raw.summary or "").partition(":")[0]) if families & _ERRATA else ""


def _vectors(raw: OsvRecord) -> Iterator[Vector]:
    source = raw.id.partition("-")[0].lower()
    entries = [*(raw.severity or ()), *(score for each in raw.affected or () for score in each.severity or ())]
    for text in dict.fromkeys(each.score for each in entries if each.type.startswith("CVSS_")):
        yield Vector(source=source, text=text[:200])


def _summary(raw: OsvRecord) -> str:
    text = (raw.summary or raw.details or "").strip()
    return " ".join(text[: 4 * MAX_SUMMARY].partition("\n")[0].split())[:MAX_SUMMARY]


def _links(raw: OsvRecord) -> tuple[str, ...]:
    wanted = [each for each in raw.references or () if each.url.startswith(("https://", "http://")) and len(each.url) < 500]
    wanted.sort(key=lambda each: _PREFERRED_LINKS.get(each.type, 9))
    return tuple(dict.fromkeys(each.url for each in wanted))[:MAX_LINKS]


def _moment(text: str | None) -> datetime | None:
    """A time or a day, which then begins in UTC; None for none, and for the year 1, which Go writes for none."""
    moment = moment_or_day(text or "")
    return moment if moment is not None and moment.year > 1 else None


assert set(_WORDS.values()) < set(SEVERITIES)
