"""The configuration file: read once, at the top, into frozen structs; every room sees its own slice.

Reference: docs/reference/settings.md; the JSON Schema is config/schemas/watcher.schema.json.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from watcher.advisories.settings import AdvisorySettings
from watcher.api.settings import AdmissionSettings, ServerSettings
from watcher.dialects.catalog import DIALECTS
from watcher.dialects.hosts import ANY_HOST
from watcher.evaluation.settings import PolicySettings
from watcher.evaluation.verdict_filter import VerdictFilter
from watcher.inspection.settings import InspectionSettings
from watcher.kit.log_settings import LogSettings
from watcher.kit.yaml_source import YamlSource, parse_yaml
from watcher.model.errors import ConfigurationError, PolicyError, WatcherError
from watcher.model.reference import parse_host
from watcher.model.verdict import REEVALUATION
from watcher.pipeline.canary_settings import CanarySettings
from watcher.pipeline.environments import EnvironmentSettings
from watcher.pipeline.owners import OwnerSettings
from watcher.pipeline.reevaluate_settings import ReevaluateSettings
from watcher.publishing.settings import AnyPublisherSettings, one_by_one
from watcher.publishing.wanted import MessagePublisherSettings
from watcher.registry.settings import RegistrySettings
from watcher.sources.binding import EventSourceSettings
from watcher.sources.settings import AnySourceSettings
from watcher.store.settings import StoreSettings

DEFAULT_PATHS = (Path("watcher.yaml"), Path("/etc/watcher/watcher.yaml"))


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file. Every part has defaults; the shortest useful file names a registry, a source and a publisher."""

    log: LogSettings = LogSettings()
    ca_file: str | None = None  # authorities that vouch for whomever we connect to, in PEM, beside the system's
    server: ServerSettings = ServerSettings()
    store: StoreSettings = StoreSettings()
    registries: tuple[RegistrySettings, ...] = ()
    environments: tuple[EnvironmentSettings, ...] = ()
    owners: OwnerSettings = OwnerSettings()
    sources: tuple[AnySourceSettings, ...] = ()
    inspection: InspectionSettings = InspectionSettings()
    policies: PolicySettings = PolicySettings()
    advisories: AdvisorySettings = AdvisorySettings()
    publish: tuple[AnyPublisherSettings, ...] = ()
    reevaluate: ReevaluateSettings = ReevaluateSettings()
    canaries: tuple[CanarySettings, ...] = ()
    admission: AdmissionSettings | None = None

    @property
    def event_sources(self) -> Mapping[str, EventSourceSettings]:
        """Those whose events somebody else writes, by their names."""
        return {each.name: each for each in self.sources if isinstance(each, EventSourceSettings)}

    def is_told(self, source: str) -> bool:
        """Whether events tell of the registry of this source, so that what only a sweep finds was missed."""
        told = {host for each in self.event_sources.values() for host in (each.registry, *each.further_registries)}
        return any(each.registry in told for each in self.sources if each.name == source)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """A file as it was read: `written` is what it says, `settings` that with what follows from it, `source` where it says so."""

    settings: Settings
    written: Settings
    source: YamlSource

    @property
    def folder(self) -> Path:
        """Where relative paths begin."""
        return Path(self.source.file).parent


def find(explicit: Path | None) -> Path:
    """The file to read: the one named, else `./watcher.yaml`, else `/etc/watcher/watcher.yaml`.

    Raises:
        ConfigurationError: there is none.
    """
    for path in (explicit,) if explicit is not None else DEFAULT_PATHS:
        if path.is_file():
            return path
    if explicit is not None:
        raise ConfigurationError(f"{explicit}: no such file")
    raise ConfigurationError(
        "no configuration: neither ./watcher.yaml nor /etc/watcher/watcher.yaml exists; `watcher init` writes one"
    )


def load(path: Path) -> Settings:
    """What a configuration file comes to. Raises as `read` does."""
    return read(path).settings


def read(path: Path) -> Configuration:
    """Read and check a configuration file. What it names is not looked at here, neither secrets nor files.

    Raises:
        ConfigurationError: `file:line:column: what`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error!s:.200}") from error
    documents = parse_yaml(text, str(path))
    if len(documents) > 1:
        raise ConfigurationError(f"{path}: one document is expected, {len(documents)} found")
    source = documents[0] if documents else YamlSource(file=str(path), value={}, positions={})
    try:
        written = msgspec.convert(source.value or {}, Settings)
    except msgspec.ValidationError as error:
        raise ConfigurationError(source.at_msgspec(str(error))) from error
    return Configuration(settings=_completed(written, source), written=written, source=source)


def schema() -> dict[str, Any]:
    """The JSON Schema of the file, for editors and checks."""
    built: dict[str, Any] = msgspec.json.schema(Settings)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Registry Watcher configuration", **built}


def _completed(settings: Settings, source: YamlSource) -> Settings:
    """Fill in what follows from the rest, and refuse what cannot work."""
    registries: dict[str, RegistrySettings] = {}
    for index, registry in enumerate(settings.registries):
        where = source.at(("registries", index, "host"))
        try:
            host = parse_host(registry.host)
        except WatcherError as error:
            raise ConfigurationError(f"{where}: {error}") from error
        if host in registries:
            raise ConfigurationError(f"{where}: registry {host} is listed twice")
        registries[host] = msgspec.structs.replace(registry, host=host)
    sources: dict[str, AnySourceSettings] = {}
    for index, given in enumerate(settings.sources):
        named = _completed_source(given, tuple(registries), source, index)
        if named.name == REEVALUATION:
            raise ConfigurationError(f"{source.at(('sources', index))}: {REEVALUATION!r} is nobody's name but the watcher's own")
        if named.name in sources:
            raise ConfigurationError(f"{source.at(('sources', index))}: two sources are named {named.name!r}; give one a name")
        sources[named.name] = named
    places = [(each.host, each.name) for each in settings.canaries]
    for index, (host, repository) in enumerate(places):
        where = source.at(("canaries", index))
        if host not in registries:
            raise ConfigurationError(f"{where}: registry {host} is not among `registries`")
        if (host, repository) in places[:index]:
            raise ConfigurationError(f"{where}: two canaries are pushed to {host}/{repository}")
    names: set[str] = set()
    publishers: list[AnyPublisherSettings] = []
    for index, publisher in ((index, each) for index, given in enumerate(settings.publish) for each in one_by_one(given)):
        if publisher.name in names:
            raise ConfigurationError(
                f"{source.at(('publish', index))}: two publishers are named {publisher.name!r}; give one a name"
            )
        names.add(publisher.name)
        _check_filter(publisher, source.at(("publish", index, "filter")))
        publishers.append(publisher)
    return msgspec.structs.replace(
        settings, registries=tuple(registries.values()), sources=tuple(sources.values()), publish=tuple(publishers)
    )


def _check_filter(publisher: AnyPublisherSettings, where: str) -> None:
    """Raises ConfigurationError for an expression that no verdict can be held against."""
    if isinstance(publisher, MessagePublisherSettings) and publisher.filter:
        try:
            VerdictFilter(publisher.filter)
        except PolicyError as error:
            raise ConfigurationError(f"{where}: filter: {error}") from error


def _completed_source(given: AnySourceSettings, hosts: tuple[str, ...], source: YamlSource, index: int) -> AnySourceSettings:
    where, name = source.at(("sources", index)), str(given.__struct_config__.tag)
    if isinstance(given, EventSourceSettings):
        name = given.dialect
        dialect_at = source.at(("sources", index, "dialect"))
        if name not in DIALECTS:
            raise ConfigurationError(f"{dialect_at}: no dialect {name!r}; there are: {', '.join(sorted(DIALECTS))}")
        if (name == "generic") is not (given.mapping is not None):
            raise ConfigurationError(f"{dialect_at}: `mapping` says where the fields are for the dialect generic, and for no other")
    host = given.registry
    if not host:
        if len(hosts) != 1:
            raise ConfigurationError(
                f"{where}: `registry` says whose events these are; it may be left out only with exactly one registry"
            )
        host = hosts[0]
    try:
        host = parse_host(host)
        further = tuple(parse_host(each) for each in given.further_registries) if isinstance(given, EventSourceSettings) else ()
    except WatcherError as error:
        raise ConfigurationError(f"{where}: {error}") from error
    if not isinstance(given, EventSourceSettings):
        return msgspec.structs.replace(given, registry=host, name=given.name or name)
    if len({host, *further}) <= len(further):
        raise ConfigurationError(f"{where}: a registry is named twice, in `registry` or `further_registries`")
    if further and ANY_HOST in given.aliases:
        raise ConfigurationError(
            f'{where}: aliases "*" would make one registry of all: name the aliases, or no `further_registries`'
        )
    return msgspec.structs.replace(given, registry=host, further_registries=further, name=given.name or name)
