"""What the data say of the packages of one image: matched, joined by alias, rated.

Its answer has the form of the collection `vulnerabilities` of the inspection document, docs/reference/policy.md.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from watcher.advisories.ecosystems import LANGUAGES, Lookup, family, lookup_of
from watcher.advisories.matcher import Hit, IncomparableError, Installed, affected
from watcher.advisories.ownership import owners
from watcher.advisories.reading import AdvisoryFile, Entry
from watcher.advisories.severity import Score, score_of, severity_of
from watcher.advisories.tables import Kept
from watcher.advisories.vex import statement_for
from watcher.kit.counted import counted
from watcher.model.inventory import Inventory, Package
from watcher.model.moments import iso
from watcher.model.verdict import MAX_SKIPPED, Subject

_CVE = re.compile(r"CVE-(\d{4})-(\d+)")
_MALWARE = "MAL-"

Kind = tuple[str, str | None]
"""The type of a package, and the ecosystem that it is looked up in; None where nobody keeps advisories of its kind."""

_Key = tuple[Lookup, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One vulnerability of one version of a package: all advisories that are about it, by whatever names."""

    id: str
    aliases: tuple[str, ...]
    advisories: tuple[Kept, ...]
    hit: Hit
    lookup: Lookup


Vulnerability = tuple[Known, Package]
"""What is known, and of which package of the image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Of one version of a package; `undecided` is with how many advisories it could not be compared."""

    known: tuple[Known, ...] = ()
    undecided: int = 0


@dataclass(slots=True, kw_only=True)
class Matched:
    """`kinds` counts all packages. `incomparable` names those whose version could not be compared, and with how many advisories."""

    kinds: Counter[Kind] = field(default_factory=Counter)
    found: list[Vulnerability] = field(default_factory=list)
    incomparable: list[str] = field(default_factory=list)


def match(data: AdvisoryFile, inventory: Inventory) -> Matched:
    """All vulnerabilities, in the order of the packages."""
    matched, wanted = Matched(), list[tuple[Package, Lookup]]()
    for package in inventory.packages:
        lookup = lookup_of(package.record, inventory.distro)
        matched.kinds[package.record.type, lookup.ecosystem if lookup else None] += 1
        if lookup is not None:
            wanted.append((package, lookup))
    answers = answers_for(data, dict.fromkeys(lookup for _, lookup in wanted))
    for package, lookup in wanted:
        answer = answers[lookup]
        matched.found += [(known, package) for known in answer.known]
        if answer.undecided and len(matched.incomparable) < MAX_SKIPPED:
            undecided = counted(answer.undecided, "advisory", "advisories")
            matched.incomparable.append(f"{package.record.type}/{lookup.package} {lookup.version:.80}: {undecided}")
    return matched


def answers_for(data: AdvisoryFile, wanted: Iterable[Lookup]) -> Mapping[Lookup, Answer]:
    """Worked out once for each version of a package while the data are the same."""
    answers: dict[Lookup, Answer] = {}
    asked: defaultdict[str, list[Lookup]] = defaultdict(list)
    for lookup in wanted:
        if (remembered := data.answers.get(lookup)) is not None:
            answers[lookup] = remembered
        else:
            asked[lookup.ecosystem].append(lookup)
    for ecosystem, lookups in asked.items():
        said = data.about(ecosystem, {lookup.package for lookup in lookups})
        hits = {lookup: _hits(said.get(lookup.package, ()), lookup) for lookup in lookups}
        kept = data.advisories({number for found, _ in hits.values() for number in found})
        for lookup, (found, undecided) in hits.items():
            answers[lookup] = Answer(known=_known(found, kept, lookup), undecided=undecided) if found or undecided else _NOTHING
            data.answers.keep(lookup, answers[lookup])
    return answers


_NOTHING = Answer()


def _known(hits: Mapping[int, Hit], kept: Mapping[int, Kept], lookup: Lookup) -> tuple[Known, ...]:
    return tuple(
        Known(
            id=names[0],
            aliases=tuple(names[1:]),
            advisories=tuple(kept[number] for number in numbers),
            hit=_together([hits[number] for number in numbers]),
            lookup=lookup,
        )
        for names, numbers in _joined({number: kept[number] for number in hits})
    )


def _hits(entries: Sequence[Entry], lookup: Lookup) -> tuple[dict[int, Hit], int]:
    """The advisories that the package is affected by, and how many there are that cannot be told."""
    hits: dict[int, Hit] = {}
    if not entries:
        return hits, 0
    undecided, installed = 0, Installed(lookup)
    for number, said in entries:
        try:
            hit = affected(said, installed)
        except IncomparableError:
            undecided += 1
            continue
        if hit is not None:
            hits[number] = hit
    return hits, undecided


def _joined(advisories: Mapping[int, Kept]) -> list[tuple[list[str], list[int]]]:
    """Advisories that share a name are one vulnerability: (its names, the preferred one first; their numbers)."""
    group_of: dict[str, list[int]] = {}
    for number, kept in advisories.items():
        merged = [number]
        for name in (kept.id, *kept.aliases):
            known = group_of.get(name)
            if known is not None and known is not merged:
                merged += [each for each in known if each not in merged]
        for each in merged:
            for name in (advisories[each].id, *advisories[each].aliases):
                group_of[name] = merged
    groups = {id(group): group for group in group_of.values()}
    found = []
    for group in groups.values():
        members = [advisories[number] for number in group]
        covers = {name for each in members for name in each.covers}
        if covers and all(name in group_of and group_of[name] is not group for name in covers):
            continue  # an erratum for what is told one by one
        names = {name for each in members for name in (each.id, *each.aliases, *each.covers)}
        found.append((sorted(names, key=lambda name: preference(name, members)), sorted(group)))
    return sorted(found)


def preference(name: str, members: Sequence[Kept]) -> tuple[int, int, int, str]:
    """Malware by its own id; then CVE, GHSA, and the source's; what an erratum covers is never its name."""
    own = any(name in {each.id, *each.aliases} for each in members)
    cve = _CVE.fullmatch(name)
    rank = 0 if name.startswith(_MALWARE) else 1 if cve else 2 if name.startswith("GHSA-") else 3
    return (rank if own else 9, int(cve[1]) if cve else 0, int(cve[2][:12]) if cve else 0, name)


def _together(hits: Sequence[Hit]) -> Hit:
    if len(hits) == 1:
        return hits[0]
    fixed = tuple(dict.fromkeys(version for each in hits for version in each.fixed))
    return Hit(
        fixed=fixed,
        since=min((each.since for each in hits if each.since is not None), default=None),
        severity=next((each.severity for each in hits if each.severity), ""),
        will_not_fix=not fixed and any(each.will_not_fix for each in hits),
        subscription=not fixed and any(each.subscription for each in hits),
    )


def documented(
    data: AdvisoryFile, inventory: Inventory, subject: Subject, found: Sequence[Vulnerability], first_seen: Mapping[str, datetime]
) -> list[dict[str, Any]]:
    """As rules read them. `first_seen` is by `seen_key`."""
    names = {name for known, _ in found for name in (known.id, *known.aliases)}
    said, owned = data.statements(names), owners(inventory)
    digests = [layer.digest for layer in inventory.layers]
    rated = all_rated(data, {(known.lookup, known.id): known for known, _ in found})
    documents = []
    for known, package in found:
        document = rated[known.lookup, known.id] | {"package": _package(package, digests)}
        statements = [each for name in (known.id, *known.aliases) for each in said.get(name, ())]
        if statements and (vex := statement_for(statements, package.record, subject)):
            document |= {"vex_status": vex.status, "vex_justification": vex.justification}
        if seen := first_seen.get(seen_key(known)):
            document["first_seen"] = iso(seen)
        if owner := owned.get((package.record.purl, package.path)):
            document["owner"] = owner
        documents.append(document)
    return documents


def seen_key(known: Known) -> str:
    """What it is remembered by when a vulnerability was first seen: it and the package, in whichever version and image."""
    return f"{known.id} {known.lookup.ecosystem.partition(':')[0]}/{known.lookup.package}"


def all_rated(data: AdvisoryFile, found: Mapping[_Key, Known]) -> Mapping[_Key, dict[str, Any]]:
    """What is the same of a vulnerability wherever the package is."""
    rated = data.rated.known(found)
    new = [known for key, known in found.items() if key not in rated]
    names = {name for known in new for name in (known.id, *known.aliases)}
    further = data.named(names)
    kept = data.advisories({number for numbers in further.values() for number in numbers})
    likelihoods = data.likelihoods(names)
    for known in new:
        same = {
            number: each
            for name in (known.id, *known.aliases)
            for number in further.get(name, ())
            if name in {(each := kept[number]).id, *each.aliases}
        }
        document = rating_of(data, known, list(same.values()), likelihoods)
        rated[known.lookup, known.id] = document
        data.rated.keep((known.lookup, known.id), document)
    return rated


def rating_of(data: AdvisoryFile, known: Known, same: Sequence[Kept], likelihoods: Mapping[str, float]) -> dict[str, Any]:
    """How it is read by rules, but for the package and what is of one image. `same` are further advisories about it."""
    names = (known.id, *known.aliases)
    release = known.lookup.ecosystem
    distribution = family(release) if release not in LANGUAGES.values() else ""
    severity, source = severity_of(distribution, known.hit.severity, known.advisories, same)
    everybody = {kept.id: kept for kept in (*known.advisories, *same)}
    scores = {text: (score, origin) for kept in everybody.values() for origin, text in kept.vectors if (score := score_of(text))}
    document: dict[str, Any] = {
        "id": known.id,
        "aliases": list(known.aliases),
        "severity": severity,
        "severity_source": source,
        "cvss": [_cvss(score, origin) for score, origin in scores.values()],
        "kev": data.exploited(names),
        "title": next((kept.summary for kept in everybody.values() if kept.summary), ""),
        "link": next((link for kept in everybody.values() for link in kept.links), ""),
        "malware": any(kept.id.startswith(_MALWARE) for kept in known.advisories),
        "vendor_will_not_fix": known.hit.will_not_fix,
        "fix": _fix(known.hit),
    }
    if (likelihood := max((likelihoods[name] for name in names if name in likelihoods), default=None)) is not None:
        document["epss"] = likelihood
    return document


def _cvss(score: Score, origin: str) -> dict[str, Any]:
    return {
        "source": origin,
        "version": score.version,
        "base": score.base,
        "exploitability": round(score.exploitability, 1),
        "impact": round(score.impact, 1),
    }


def _fix(hit: Hit) -> dict[str, Any]:
    state = "fixed" if hit.fixed else "will-not-fix" if hit.will_not_fix else "subscription" if hit.subscription else "not-fixed"
    fix: dict[str, Any] = {"available": bool(hit.fixed), "versions": list(hit.fixed), "state": state}
    if hit.fixed and hit.since is not None:
        fix["available_since"] = iso(datetime.fromtimestamp(hit.since, UTC))
    return fix


def _package(package: Package, digests: Sequence[str]) -> dict[str, Any]:
    record = package.record
    return {
        "type": record.type,
        "name": record.name,
        "version": record.version,
        "architecture": record.architecture,
        "source_name": record.source,
        "source_version": record.source_version,
        "licenses": list(record.licenses),
        "maintainer": record.maintainer,
        "purl": record.purl,
        "path": "/" + package.path.lstrip("/"),
        "layer": package.layer,
        "layer_digest": digests[package.layer] if 0 <= package.layer < len(digests) else "",
        "from_base": package.from_base,
    }
