"""What is known of one vulnerability, whichever images have it, and which versions of packages it is in."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from watcher.advisories.ecosystems import Lookup, installed_as, lookup_of
from watcher.advisories.matcher import Hit
from watcher.advisories.protocol import Exposure, KnownVulnerability
from watcher.advisories.reading import AdvisoryFile
from watcher.advisories.tables import Kept
from watcher.advisories.vulnerabilities import Known, all_rated, answers_for, preference, rating_of
from watcher.model.inventory import Distro, Inventory, PackageRecord
from watcher.model.knowledge import Knowledge
from watcher.model.moments import iso
from watcher.model.verdict import Subject

T = TypeVar("T")

# What has more names than this is joined by mistake; how often names may lead to further ones.
MAX_NAMES, MAX_STEPS = 100, 4
# Of what the advisory itself says of a package, not of what is installed. The others are the same of every package.
_OF_A_PACKAGE = frozenset({"fix", "vendor_will_not_fix"})
UNDECIDED = "undecided"


class Data(Protocol):
    """The file of advisories there is now, and what it says of an image (`AdvisoryGatherer`)."""

    async def gather(self, subject: Subject, inventory: Inventory) -> Knowledge: ...

    async def ask(self, question: Callable[[AdvisoryFile], T]) -> T | None:
        """None where there are no data."""
        ...


class AdvisoryEnquiries:
    """`KnownVulnerabilities` of watcher/advisories/protocol.py."""

    def __init__(self, data: Data) -> None:
        self._data = data

    async def known(self, name: str) -> KnownVulnerability | None:
        """See `KnownVulnerabilities.known`."""
        return await self._data.ask(lambda data: known_as(data, name))

    async def exposures(
        self, vulnerability: KnownVulnerability, installed: Sequence[tuple[PackageRecord, str]]
    ) -> Sequence[Exposure | None]:
        """See `KnownVulnerabilities.exposures`."""
        found = await self._data.ask(lambda data: exposures(data, vulnerability.names, installed))
        return [None] * len(installed) if found is None else found

    async def of_image(self, subject: Subject, inventory: Inventory) -> Knowledge:
        """See `KnownVulnerabilities.of_image`."""
        return await self._data.gather(subject, inventory)


def known_as(data: AdvisoryFile, name: str) -> KnownVulnerability | None:
    """What all advisories say that go by this name, by one that those have, or that mend it among others."""
    names, numbers = _all_names(data, name)
    if not numbers:
        return None
    kept = data.advisories(numbers)
    own = [each for _, each in sorted(kept.items()) if _is_called(each, names)]
    ordered = sorted(names, key=lambda each: preference(each, own))
    known = Known(
        id=ordered[0],
        aliases=tuple(ordered[1:]),
        advisories=tuple(own or kept.values()),
        hit=Hit(),
        lookup=Lookup(ecosystem="", package="", version=""),
    )
    said = rating_of(data, known, (), data.likelihoods(names))
    document = {field: value for field, value in said.items() if field not in _OF_A_PACKAGE}
    document["covers"] = sorted({each for advisory in own for each in advisory.covers})
    document["advisories"] = [_advisory(each) for _, each in sorted(kept.items())]
    places = sorted(set(data.packages_of(numbers)))
    document["packages"] = [{"ecosystem": ecosystem, "name": package} for ecosystem, package in places]
    return KnownVulnerability(
        names=frozenset(names),
        document=document,
        packages=tuple((kind, package, distro) for ecosystem, package in places for kind, distro in installed_as(ecosystem)),
        data_revision=data.revision,
    )


def exposures(
    data: AdvisoryFile, names: Collection[str], installed: Sequence[tuple[PackageRecord, str]]
) -> Sequence[Exposure | None]:
    lookups = [lookup_of(record, _distro(release)) for record, release in installed]
    answered = answers_for(data, dict.fromkeys(lookup for lookup in lookups if lookup is not None))
    hits: dict[Lookup, Known] = {}
    for lookup, answer in answered.items():
        if found := next((each for each in answer.known if any(name in names for name in (each.id, *each.aliases))), None):
            hits[lookup] = found
    documents = all_rated(data, {(lookup, known.id): known for lookup, known in hits.items()})
    found_of: dict[Lookup, Exposure] = {}
    for lookup, answer in answered.items():
        if lookup in hits:
            found_of[lookup] = _exposure(documents[lookup, hits[lookup].id])
        elif answer.undecided:
            found_of[lookup] = Exposure(severity="UNKNOWN", state=UNDECIDED)
    return [found_of.get(lookup) if lookup is not None else None for lookup in lookups]


def _exposure(document: Mapping[str, Any]) -> Exposure:
    fix = document["fix"]
    return Exposure(severity=document["severity"], state=fix["state"], fixed=tuple(fix["versions"]))


def _all_names(data: AdvisoryFile, name: str) -> tuple[set[str], set[int]]:
    """Every name of what goes by this one, and the advisories that have one of them or cover it."""
    names, new = {name}, {name}
    numbers: set[int] = set()
    for _ in range(MAX_STEPS):
        found = {number for held in data.named(new).values() for number in held} - numbers
        numbers |= found
        kept = data.advisories(found)
        new = {other for each in kept.values() if _is_called(each, names) for other in (each.id, *each.aliases)} - names
        if not new or len(names) + len(new) > MAX_NAMES:
            break
        names |= new
    return names, numbers


def _is_called(advisory: Kept, names: Collection[str]) -> bool:
    return any(name in names for name in (advisory.id, *advisory.aliases))


def _advisory(kept: Kept) -> dict[str, Any]:
    published = None if kept.published is None else iso(datetime.fromtimestamp(kept.published, UTC))
    return {"id": kept.id, "published": published, "severity": kept.severity, "links": list(kept.links)}


def _distro(release: str) -> Distro:
    """Of `debian:12`."""
    name, _, version = release.partition(":")
    return Distro(id=name, version=version, known=bool(name))
