"""What SIGHUP does: the configuration is read again, its policies are put in force, and what else has changed is named."""

from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec
import structlog

from watcher import settings as configuration
from watcher.evaluation.policies.loading import PolicySources
from watcher.evaluation.settings import PolicySettings
from watcher.kit.reload_metrics import ReloadMetrics
from watcher.kit.threads import in_a_thread
from watcher.kit.yaml_source import Path as Place
from watcher.kit.yaml_source import YamlSource, key_of
from watcher.model.errors import ConfigurationError, PolicyError
from watcher.preflight import doubt_of

log = structlog.get_logger(__name__)

# A line of the log has to be read: more than these were changed on purpose, all at once.
MAX_KEYS = 20
# An editor, or a disk that is full, leaves a file so for a moment. What it would have put in force nobody wrote.
EMPTIED = "the file is empty, and what is in force is not; to have all defaults, start the daemon again"
CUT = "there are no `policies` any more, as in a file that was cut; to have the defaults, write `policies: {}`"


class Reload:
    """`begun` is what the daemon began with, `replace` puts policies in force, or raises PolicyError.

    Whatever is wrong leaves in force what is, and is said in the log and in metrics.
    """

    def __init__(
        self,
        begun: configuration.Configuration,
        replace: Callable[[PolicySettings], Awaitable[PolicySources]],
        metrics: ReloadMetrics,
    ) -> None:
        self._begun = begun
        self._taken = begun.source
        self._replace = replace
        self._metrics = metrics

    async def again(self) -> None:
        """Read everything again. Raises what nobody foresaw; doing it again is harmless."""
        path = Path(self._begun.source.file)
        try:
            read = await in_a_thread(partial(configuration.read, path), name="reload")
            self._require_whole(read.source)
            sources = await self._replace(read.settings.policies)
        except ConfigurationError as error:
            self._metrics.failed()
            event = "policies.refused" if isinstance(error, PolicyError) else "configuration.refused"
            log.error(event, file=str(path), detail=str(error))
            return
        except Exception:
            self._metrics.failed()
            raise
        self._taken = read.source
        self._metrics.succeeded()
        if doubt := doubt_of(sources):
            log.warning("configuration.doubtful", detail=f"{read.source.at(('policies',))}: policies: {doubt}")
        keys = [key_of(each) for each in changed(self._begun.written, read.written) if each[0] != "policies"]
        if keys:
            detail = (
                "these differ from what the daemon began with, and need a restart; `watcher config check` says what it would refuse"
            )
            more = len(keys[MAX_KEYS:])
            log.warning("configuration.restart_needed", file=str(path), keys=keys[:MAX_KEYS], more=more, detail=detail)

    def _require_whole(self, source: YamlSource) -> None:
        """Raises ConfigurationError for what looks like the rest of a file."""
        before, after = self._taken.value or {}, source.value or {}
        if before and not after:
            raise ConfigurationError(f"{source.file}: {EMPTIED}")
        if "policies" in before and "policies" not in after:
            raise ConfigurationError(f"{source.file}: {CUT}")


def changed(before: msgspec.Struct, after: msgspec.Struct, path: Place = ()) -> Iterator[Place]:
    """The keys whose values differ, as deep as both sides have the same block there."""
    if type(before) is not type(after):
        yield path
        return
    for field in msgspec.structs.fields(before):
        yield from _changed(getattr(before, field.name), getattr(after, field.name), (*path, field.encode_name))


def _changed(before: object, after: object, path: Place) -> Iterator[Place]:
    if before == after:
        return
    if isinstance(before, msgspec.Struct) and isinstance(after, msgspec.Struct):
        yield from changed(before, after, path)
    elif isinstance(before, tuple) and isinstance(after, tuple) and len(before) == len(after) and _are_blocks(before):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _changed(one, other, (*path, index))
    else:
        yield path


def _are_blocks(entries: tuple[object, ...]) -> bool:
    return all(isinstance(each, msgspec.Struct) for each in entries)
