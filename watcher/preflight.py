"""What keeps the daemon from beginning, without asking anybody: `watcher run` looks first, and `watcher config check` only looks.

Everything is put together by what the daemon itself puts it together with, and nothing is begun, written or sent. What only a
moment or the machine decides is left to the start: whether it may listen there, and whether another daemon has the store.
"""

import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, get_args

import msgspec

from watcher.advisories.gatherer import AdvisoryGatherer
from watcher.api.app import tls_context
from watcher.evaluation.policies.loading import PolicySources, load_settings
from watcher.kit.clock import utc_now
from watcher.kit.secret import SecretReference, SpokenSecretReference, resolve
from watcher.kit.suggestions import did_you_mean
from watcher.kit.threads import in_a_thread
from watcher.kit.trust import trust
from watcher.kit.units import seconds, size_bytes
from watcher.kit.yaml_source import Path, YamlSource, key_of
from watcher.model.errors import ConfigurationError
from watcher.publishers import publisher_context
from watcher.publishing.catalog import build_publisher
from watcher.publishing.notation import notary
from watcher.publishing.settings import ReferrerPublisherSettings, one_by_one
from watcher.registry.access import RegistryClients
from watcher.settings import Configuration, Settings
from watcher.sources.catalog import build_source
from watcher.sources.context import SourceContext
from watcher.sources.webhook_settings import PathTokenAuth, WebhookSourceSettings
from watcher.storage import Storage, unopened
from watcher.store.beginning import require_beginnable

# What a value looks like that says where something is.
_NAMES_A_FILE = re.compile(r"env:|file:|.*/")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# Of a token of letters and digits.
_TOKEN_CHARACTERS = 32
NOTHING_HEARD = "nothing will be heard: there are no `sources`; only what POST /api/v1/evaluations asks for is judged"
NOBODY_TOLD = "nobody will be told: there is nothing under `publish`; verdicts are in the store and the API alone"
EMPTY = "the file is empty, so that everything is as the defaults have it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """What was seen: `problems` keep the daemon from beginning, `warnings` do not. One sentence each, with its place."""

    problems: tuple[str, ...]
    warnings: tuple[str, ...]

    def require(self) -> None:
        """Raises ConfigurationError with every problem, one a line, if there is one."""
        if self.problems:
            raise ConfigurationError("\n".join(self.problems))


async def preflight(configuration: Configuration, compiled: Callable[[PolicySources], Awaitable[object]]) -> Preflight:
    """Look at everything that is configured, at once, and believe its `ca_file` from then on.

    `compiled` raises PolicyError for policies whose expressions are wrong.
    """
    seen = _Seen(configuration.source)
    settings = configuration.settings
    for path, reference, is_spoken in secret_references(configuration.written):
        seen.secret(path, reference, is_spoken=is_spoken)
    with seen.at("ca_file"):
        trust(settings.ca_file)
    with seen.at("server", "tls"):
        tls_context(settings.server)
    with seen.at("store", "url"):
        await in_a_thread(partial(require_beginnable, settings.store.sqlite_path()), name="store")
    await _look_at_policies(configuration, compiled, seen)
    storage = unopened(settings.store)
    async with RegistryClients.of(settings.registries) as registries:
        for index, registry in enumerate(settings.registries):
            with seen.at("registries", index):
                registry.proxies()
            with seen.at("registries", index):
                registries.open(registry.registry)
        _look_at_sources(settings, storage, registries, seen)
        with seen.at("publish"):
            await _look_at_publishers(configuration, storage, registries, seen)
    await _look_at_advisories(configuration, seen)
    _look_at_admission(settings, seen)
    if not configuration.source.value:
        seen.warn(EMPTY)
    if not settings.sources:
        seen.warn(NOTHING_HEARD)
    if not settings.publish:
        seen.warn(NOBODY_TOLD)
    return Preflight(problems=seen.problems, warnings=tuple(seen.warnings))


def secret_references(settings: msgspec.Struct, path: Path = ()) -> Iterator[tuple[Path, str, bool]]:
    """The path of every secret's key below `settings`, the reference, and whether the secret is said in a header or a URL."""
    for field in msgspec.structs.fields(settings):
        value = getattr(settings, field.name)
        for key, each in enumerate(value) if isinstance(value, tuple) else [(None, value)]:
            place = (*path, field.encode_name) if key is None else (*path, field.encode_name, key)
            if isinstance(each, msgspec.Struct):
                yield from secret_references(each, place)
            elif isinstance(each, str) and _is_of(field.type, SecretReference, SpokenSecretReference):
                yield place, each, _is_of(field.type, SpokenSecretReference)


def doubt_of(sources: PolicySources) -> str | None:
    """What is not wrong with policies, and may not be meant."""
    if sources.policies:
        return None
    return f"no policy is in force, so that every image is {sources.on_no_match} (`on_no_match`)"


class _Seen:
    """Collects. What is said of a secret at its own place is not said again by whoever wants to read it."""

    def __init__(self, source: YamlSource) -> None:
        self._source = source
        self._secrets: list[str] = []
        self._problems: list[tuple[tuple[int, int], str]] = []
        self._elsewhere: list[str] = []
        self.warnings: list[str] = []

    @property
    def problems(self) -> tuple[str, ...]:
        """In the order of the file, then those of other files."""
        own = [text for _, text in sorted(self._problems, key=lambda each: each[0])]
        return tuple(dict.fromkeys([*own, *self._elsewhere]))

    def secret(self, path: Path, reference: str, *, is_spoken: bool) -> None:
        try:
            found = _CONTROL.search(resolve(reference).reveal())
            if is_spoken and found:
                text = f"{reference}: holds the control character U+{ord(found[0]):04X}, which no header and no URL can"
                raise ConfigurationError(text)
        except ConfigurationError as error:
            self.add(path, str(error))
            self._secrets.append(str(error))

    @contextmanager
    def at(self, *path: str | int) -> Iterator[None]:
        """Whatever must be changed in what is done inside is a problem of the value at `path`."""
        try:
            yield
        except ConfigurationError as error:
            self.add(path, str(error))

    def add(self, path: Path, text: str) -> None:
        if any(said in text for said in self._secrets):
            return
        named = re.match(r"([a-z_.]+): ", text)
        if named and named[1].startswith(key_of(path)):  # it says itself of which key it is
            path, text = tuple(named[1].split(".")), text[named.end() :]
        path = self._pointed(path, text)
        self._problems.append((self._source.position(path), f"{self._source.at(path)}: {key_of(path)}: {text}"))

    def add_placed(self, text: str) -> None:
        """What names its place in another file itself."""
        self._elsewhere.append(text)

    def warn(self, text: str, *path: str | int) -> None:
        self.warnings.append(f"{self._source.at(path)}: {key_of(path)}: {text}" if path else f"{self._source.file}: {text}")

    def _pointed(self, path: Path, text: str) -> Path:
        """Of what is below `path` the file or reference that `text` names, if it does."""
        below = ((self._source.get(each), each) for each in self._source.positions if each[: len(path)] == path)
        named = [(value, each) for value, each in below if isinstance(value, str) and _NAMES_A_FILE.match(value) and value in text]
        return max(named, key=lambda each: len(each[0]))[1] if named else path


async def _look_at_policies(
    configuration: Configuration, compiled: Callable[[PolicySources], Awaitable[object]], seen: _Seen
) -> None:
    settings, folder = configuration.settings.policies, configuration.folder
    try:
        sources = await in_a_thread(partial(load_settings, settings, beside=folder), name="policies")
        if doubt := doubt_of(sources):
            seen.warn(doubt, "policies")
        await compiled(sources)
    except ConfigurationError as error:
        own = f"{folder / settings.path}: " if settings.path is not None else None
        for line in str(error).splitlines():
            if match := re.match(r"policies\.(packs|lists): ", line):
                seen.add(("policies", match[1]), line)
            elif own and line.startswith(own):
                seen.add(("policies", "path"), line)
            else:
                seen.add_placed(line)


def _look_at_sources(settings: Settings, storage: Storage, registries: RegistryClients, seen: _Seen) -> None:
    context = SourceContext(
        max_body_bytes=size_bytes(settings.server.max_body),
        registries=registries,
        known=storage.known,
        swept=lambda _source, _missed: None,
    )
    for index, source in enumerate(settings.sources):
        with seen.at("sources", index):
            build_source(source, context)
            if isinstance(source, WebhookSourceSettings) and isinstance(source.auth, PathTokenAuth):
                _warn_of_short_tokens(source.auth, index, seen)


def _warn_of_short_tokens(auth: PathTokenAuth, index: int, seen: _Seen) -> None:
    for key, reference in (("secret", auth.secret), ("previous_secret", auth.previous_secret)):
        if reference is not None and len(resolve(reference).reveal()) < _TOKEN_CHARACTERS:
            text = f"{reference}: shorter than {_TOKEN_CHARACTERS} characters, and nothing else keeps strangers out"
            seen.warn(text, "sources", index, "auth", key)


async def _look_at_publishers(configuration: Configuration, storage: Storage, registries: RegistryClients, seen: _Seen) -> None:
    """Raises ConfigurationError for what is wrong with all of them."""
    async with publisher_context(configuration.settings, storage, registries) as context:
        for index, given in enumerate(configuration.written.publish):
            for publisher in one_by_one(given):
                with seen.at("publish", index):
                    await build_publisher(publisher, context).aclose()
                    _warn_of_expiry(publisher, index, seen)


def _warn_of_expiry(publisher: object, index: int, seen: _Seen) -> None:
    if isinstance(publisher, ReferrerPublisherSettings) and publisher.notation is not None:
        now = utc_now()
        if soon := notary(publisher.notation, now).warning_at(now):
            seen.warn(soon, "publish", index, "notation")


def _look_at_admission(settings: Settings, seen: _Seen) -> None:
    environment = settings.admission.environment if settings.admission is not None else None
    names = [each.name for each in settings.environments]
    if environment is not None and environment not in names:
        told = f"no image is of {environment!r}, which is none of `environments`{did_you_mean(environment, names)}"
        seen.warn(told, "admission", "environment")


async def _look_at_advisories(configuration: Configuration, seen: _Seen) -> None:
    """Without data the daemon begins, and what needs them is unknown."""
    settings = configuration.settings.advisories
    gatherer = AdvisoryGatherer(path=configuration.folder / settings.path, max_age_seconds=seconds(settings.max_age))
    try:
        await gatherer.oldest()
    except ConfigurationError as error:
        seen.warn(str(error), "advisories", "path")


def _is_of(hint: Any, *kinds: Any) -> bool:
    return hint in kinds or any(_is_of(each, *kinds) for each in get_args(hint))
