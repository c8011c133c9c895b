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
from watcher.kit.regular_files import read_regular
from watcher.kit.struct_reading import read_struct
from watcher.kit.suggestions import did_you_mean, one_of
from watcher.kit.yaml_source import Path as Place
from watcher.kit.yaml_source import YamlSource, key_of, parse_yaml
from watcher.model.errors import ConfigurationError, PolicyError, WatcherError
from watcher.model.reference import Host, parse_host
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

    log: LogSettings = LogSettings()  # what goes to stderr
    ca_file: str | None = None  # authorities that vouch for whomever we connect to, in PEM, beside the system's
    server: ServerSettings = ServerSettings()  # for hooks, admission, the API, health and metrics
    store: StoreSettings = StoreSettings()  # the inbox, facts, verdicts, and what is still to be published
    registries: tuple[
        RegistrySettings, ...
    ] = ()  # those that are watched; nothing else is dialled, whatever an event or an image says
    environments: tuple[EnvironmentSettings, ...] = ()  # which one an image belongs to: the first whose patterns match
    owners: OwnerSettings = OwnerSettings()  # whose an image is, for publishers that are for certain owners
    sources: tuple[AnySourceSettings, ...] = ()  # how pushes are heard of
    inspection: InspectionSettings = InspectionSettings()  # what one inspection may cost
    policies: PolicySettings = PolicySettings()  # what images must meet; read again at SIGHUP
    advisories: AdvisorySettings = AdvisorySettings()  # vulnerability data
    publish: tuple[AnyPublisherSettings, ...] = ()  # who is told of verdicts
    reevaluate: ReevaluateSettings = (
        ReevaluateSettings()
    )  # when images that were judged are judged again, by what is stored of them
    canaries: tuple[CanarySettings, ...] = ()  # images that are pushed now and then, to measure how long a verdict takes
    admission: AdmissionSettings | None = None  # how /k8s/admission answers; None: there is no such endpoint

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
        raise ConfigurationError(f"{explicit}: {'is no regular file' if explicit.exists() else 'no such file'}")
    raise ConfigurationError(
        "no configuration: neither ./watcher.yaml nor /etc/watcher/watcher.yaml exists; `watcher init` writes one"
    )


def load(path: Path) -> Settings:
    """What a configuration file comes to. Raises as `read` does."""
    return read(path).settings


def read(path: Path) -> Configuration:
    """Read and check a configuration file. What it names is not looked at here, neither secrets nor files.

    Raises:
        ConfigurationError: `file:line:column: key: what`, a line for each mistake.
    """
    try:
        text = read_regular(path).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error!s:.200}") from error
    documents = parse_yaml(text, str(path))
    if len(documents) > 1:
        raise ConfigurationError(f"{path}: one document is expected, {len(documents)} found")
    source = documents[0] if documents else YamlSource(file=str(path), value={}, positions={})
    written, mistakes = read_struct(source, Settings)
    if written is None:
        raise ConfigurationError("\n".join(mistakes))
    completion = _Completion(written, source)
    settings = completion.completed()
    if completion.mistakes:
        raise ConfigurationError("\n".join(completion.mistakes))
    return Configuration(settings=settings, written=written, source=source)


def schema() -> dict[str, Any]:
    """The JSON Schema of the file, for editors and checks."""
    from watcher.kit.field_comments import described_schema

    built, definitions = described_schema(Settings)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Registry Watcher configuration"}
    return {**head, **built, "$defs": definitions}


class _Completion:
    """Fills in what follows from the rest, and collects what cannot work."""

    def __init__(self, settings: Settings, source: YamlSource) -> None:
        self._settings = settings
        self._source = source
        self.mistakes: list[str] = []

    def completed(self) -> Settings:
        """Good for use only without `mistakes`."""
        hosts = self._registries()
        sources = self._sources(hosts)
        self._check_canaries(hosts)
        self._check_environments()
        return msgspec.structs.replace(
            self._settings,
            registries=tuple(hosts.values()),
            sources=tuple(sources.values()),
            publish=tuple(self._publishers().values()),
        )

    def _refuse(self, path: Place, text: str) -> None:
        self.mistakes.append(f"{self._source.at(path)}: {key_of(path)}: {text}")

    def _host(self, path: Place, text: str) -> Host | None:
        try:
            return parse_host(text)
        except WatcherError as error:
            self._refuse(path, str(error))
            return None

    def _registries(self) -> Mapping[Host, RegistrySettings]:
        registries: dict[Host, RegistrySettings] = {}
        for index, registry in enumerate(self._settings.registries):
            path = ("registries", index, "host")
            host = self._host(path, registry.host)
            if host in registries:
                self._refuse(path, f"registry {host} is listed twice")
            elif host is not None:
                registries[host] = msgspec.structs.replace(registry, host=host)
        return registries

    def _sources(self, hosts: Mapping[Host, RegistrySettings]) -> Mapping[str, AnySourceSettings]:
        sources: dict[str, AnySourceSettings] = {}
        for index, given in enumerate(self._settings.sources):
            named = self._source_of(given, hosts, index)
            if named.name == REEVALUATION:
                self._refuse(("sources", index), f"{REEVALUATION!r} is nobody's name but the watcher's own")
            if named.name in sources:
                self._refuse(("sources", index), f"two sources are named {named.name!r}; give one a name")
            sources[named.name] = named
        return sources

    def _source_of(self, given: AnySourceSettings, hosts: Mapping[Host, RegistrySettings], index: int) -> AnySourceSettings:
        path, name = ("sources", index), str(given.__struct_config__.tag)
        further: list[Host | None] = []
        if isinstance(given, EventSourceSettings):
            name = given.dialect
            if name not in DIALECTS:
                self._refuse((*path, "dialect"), f"no dialect {name!r}; {one_of(name, DIALECTS)}")
            elif (name == "generic") is not (given.mapping is not None):
                text = "`mapping` says where the fields are for the dialect generic, and for no other"
                self._refuse((*path, "dialect"), text)
            further = [self._host((*path, "further_registries", at), each) for at, each in enumerate(given.further_registries)]
        if given.registry:
            host = self._host((*path, "registry"), given.registry)
        else:
            host = next(iter(hosts)) if len(hosts) == 1 else None
            if len(self._settings.registries) != 1:
                self._refuse(path, "`registry` says whose events these are; it may be left out only with exactly one registry")
        named = msgspec.structs.replace(given, registry=host or "", name=given.name or name)
        if host is None or not isinstance(named, EventSourceSettings):
            return named
        others = tuple(each for each in further if each is not None)
        if len({host, *others}) <= len(others):
            self._refuse(path, "a registry is named twice, in `registry` or `further_registries`")
        if others and ANY_HOST in named.aliases:
            self._refuse(path, 'aliases "*" would make one registry of all: name the aliases, or no `further_registries`')
        return msgspec.structs.replace(named, further_registries=others)

    def _check_canaries(self, hosts: Mapping[Host, RegistrySettings]) -> None:
        places = [(each.host, each.name) for each in self._settings.canaries]
        for index, (host, repository) in enumerate(places):
            if host not in hosts:
                self._refuse(("canaries", index), f"registry {host} is not among `registries`{did_you_mean(host, hosts)}")
            if (host, repository) in places[:index]:
                self._refuse(("canaries", index), f"two canaries are pushed to {host}/{repository}")

    def _check_environments(self) -> None:
        names = [each.name for each in self._settings.environments]
        for index, name in enumerate(names):
            if name in names[:index]:
                self._refuse(("environments", index, "name"), f"two environments are named {name!r}; put their images together")

    def _publishers(self) -> Mapping[str, AnyPublisherSettings]:
        publishers: dict[str, AnyPublisherSettings] = {}
        for index, given in enumerate(self._settings.publish):
            for publisher in one_by_one(given):
                if publisher.name in publishers:
                    self._refuse(("publish", index), f"two publishers are named {publisher.name!r}; give one a name")
                publishers[publisher.name] = publisher
            if isinstance(given, MessagePublisherSettings) and given.filter:
                try:
                    VerdictFilter(given.filter)
                except PolicyError as error:
                    self._refuse(("publish", index, "filter"), str(error))
        return publishers
