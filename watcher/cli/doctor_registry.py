"""`watcher doctor`: which registries are looked at, and with what."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from watcher.cli.doctor_areas import Area
from watcher.kit.checkup import Checkup, Found, Result
from watcher.model.as_reference import as_reference
from watcher.model.digest import Digest
from watcher.model.errors import InvalidReferenceError, WatcherError
from watcher.model.quarantine import Measure
from watcher.model.reference import HOST_PATTERN, Host, RepositoryName, Tag, named_parts, parse_host, parse_reference
from watcher.publishing.quarantine.capabilities import CAPABILITIES
from watcher.publishing.quarantine.protocol import Blocks
from watcher.publishing.quarantine.settings import QuarantinePublisherSettings
from watcher.registry.probe import Extent, probe
from watcher.registry.probe_choice import Wanted
from watcher.registry.settings import RegistrySettings, parse_mirror
from watcher.settings import Settings
from watcher.storage import opened
from watcher.store.protocol import SubjectFilter

NOTHING_NAMED = Wanted()


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """One to look at, and what of it."""

    settings: RegistrySettings
    wanted: Wanted = NOTHING_NAMED


def registries_of(settings: Settings) -> Sequence[Registry]:
    """All that are configured, and those that only a source or a mirror names."""
    named = [each.registry for each in settings.sources]
    named += [further for each in settings.event_sources.values() for further in each.further_registries]
    named += [parse_mirror(mirror)[0] for each in settings.registries for mirror in each.mirrors]
    configured = {each.registry: each for each in settings.registries}
    others = {Host(host): RegistrySettings(host=host) for host in named if host not in configured}
    return [Registry(settings=each) for each in (configured | others).values()]


def asked_for(text: str, settings: Settings) -> Registry:
    """An image, a repository or a host, as a person types it; settings are those of the configuration where it has them.

    Raises:
        InvalidReferenceError: it is none of these.
    """
    text = as_reference(text)
    configured = {each.registry: each for each in settings.registries}
    if _is_host(text, configured):
        host = parse_host(text)
        return Registry(settings=configured.get(host) or RegistrySettings(host=host))
    reference = parse_reference(text)
    parts = named_parts(text)
    is_whole = "digest" in parts or parts["ref"] != parts["repository"]
    wanted = Wanted(
        repository=reference.repository, reference=(reference.digest or reference.tag) if is_whole else None, known=None
    )
    return Registry(settings=configured.get(reference.registry) or RegistrySettings(host=reference.registry), wanted=wanted)


def registry_areas(settings: Settings, registries: Sequence[Registry], *, write: bool) -> Sequence[Area]:
    """One for each of them."""
    rehearsed = [each for each in settings.publish if isinstance(each, QuarantinePublisherSettings) and each.dry_run]
    writes = any(each.in_registry and each not in rehearsed for each in settings.publish)
    caches = {parse_mirror(mirror)[0] for each in settings.registries for mirror in each.mirrors}
    return [
        Area(
            kind="registry",
            name=each.settings.registry,
            look=partial(_checked, settings, each, must_write=writes and each.settings.registry not in caches, write=write),
        )
        for each in registries
    ]


async def _checked(settings: Settings, registry: Registry, *, must_write: bool, write: bool) -> Checkup:
    wanted = registry.wanted
    if wanted.repository is None:
        wanted = Wanted(known=await _known(settings, registry.settings.registry))
    checkup = await probe(registry.settings, wanted, Extent(must_write=must_write, write=write))
    quarantines = [each for each in settings.publish if isinstance(each, QuarantinePublisherSettings)]
    checkup.note("block", blocks(registry.settings, quarantines))
    return checkup


def blocks(settings: RegistrySettings, configured: Sequence[QuarantinePublisherSettings]) -> Found:
    """What quarantine can do in a registry of this kind, and whether that is what is asked of it."""
    can = CAPABILITIES[settings.registry_kind]
    if not can.native:
        said = "quarantine moves or deletes tags" if can.deletes_tags else "quarantine moves tags"
    else:
        stops = "stops nobody" if can.blocks is Blocks.NOTHING else f"stops {can.blocks.value}"
        said = f"quarantine can {can.native}, which {stops}; permission: {can.permission}"
    detail = f"{said}; {can.note}" + ("; experimental: never tried on the real service" if can.experimental else "")
    # Where the registry's own way stops nobody and no other is asked for, a failing image is pulled as before.
    idle = [
        each.name
        for each in configured
        if Measure.NATIVE in each.actions
        and can.blocks is Blocks.NOTHING
        and not {Measure.UNPUBLISH, Measure.DELETE} & set(each.actions)
    ]
    if idle:
        advice = f"the action native of {', '.join(idle)} stops no pull here; unpublish would stop those by movable tags"
        return Found(detail=detail, result=Result.WARNING, advice=advice)
    return Found(detail=detail)


async def _known(settings: Settings, host: Host) -> tuple[RepositoryName, Tag | Digest] | None:
    """The image of the newest verdict there, where there is a store that can be read: before the first `run` there is none."""
    with suppress(WatcherError):
        async with opened(settings.store) as storage:
            found = await storage.images.newest(SubjectFilter(registry=host), limit=1)
        return (found[0].subject.repository, found[0].subject.digest) if found else None
    return None


def _is_host(text: str, configured: Mapping[Host, RegistrySettings]) -> bool:
    """What has no slash is an image of Docker Hub, unless it could only be a host: `localhost:5000`, `registry.example.com`."""
    if "/" in text or "@" in text or HOST_PATTERN.fullmatch(text) is None:
        return False
    try:
        if parse_host(text) in configured:
            return True
    except InvalidReferenceError:
        return False
    name = text.partition(":")[0]
    return "." in name or name == "localhost" or text.startswith("[")
