"""Pull-through caches that are asked before a registry for what a digest names, which is verified wherever it comes from.

Like containerd's mirrors: `?ns=` says whose content is meant, tags are never asked for, and one that fails costs nothing but the
attempt: the registry is asked at once, and the mirror is left alone for a while.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import structlog
from yarl import URL

from watcher.model.errors import NotFoundError, RegistryUnavailableError, WatcherError
from watcher.model.reference import Host, RepositoryName
from watcher.registry.challenges import scope
from watcher.registry.client import RegistryClient

log = structlog.get_logger(__name__)

T = TypeVar("T")

LEFT_ALONE_SECONDS = 60.0
# Bytes that were not what their digest says: that does not pass by itself, and each time costs a job an attempt.
DISTRUSTED_SECONDS = 3600.0
# For a manifest. A cache that is slower than this helps nobody.
ANSWER_SECONDS = 10.0


@dataclass(slots=True, kw_only=True, eq=False)
class Mirror:
    """One cache of the registry `of`; its repositories begin with `prefix`, if it has one."""

    client: RegistryClient
    of: Host
    prefix: str = ""
    clock: Callable[[], float] = time.monotonic
    rests_until: float = float("-inf")

    def url(self, repository: RepositoryName, kind: str, reference: str) -> URL:
        """`kind` is `manifests` or `blobs`."""
        return (self.client.base_url / "v2" / self._name(repository) / kind / reference).with_query(ns=self.of)

    def scopes(self, repository: RepositoryName) -> frozenset[str]:
        return frozenset({scope(self._name(repository), "pull")})

    def failed(self, error: Exception, *, rest_seconds: float = LEFT_ALONE_SECONDS) -> None:
        """Leave it alone for a while, unless it only lacks this one thing."""
        if isinstance(error, NotFoundError):
            return
        self.rests_until = max(self.rests_until, self.clock() + rest_seconds)
        reason = error.reason if isinstance(error, WatcherError) else type(error).__name__
        log.warning("mirror.failed", registry=self.of, mirror=self.client.registry, reason=reason, rest_seconds=rest_seconds)

    def _name(self, repository: RepositoryName) -> str:
        return f"{self.prefix}/{repository}" if self.prefix else repository


class Mirrors:
    """Those of one registry, in the order they are asked."""

    def __init__(self, mirrors: Sequence[Mirror] = ()) -> None:
        self._mirrors = tuple(mirrors)

    def ready(self) -> Iterator[Mirror]:
        """Those that are not left alone now."""
        for mirror in self._mirrors:
            if mirror.clock() >= mirror.rests_until:
                yield mirror

    async def first(self, ask: Callable[[Mirror], Awaitable[T]]) -> T | None:
        """What the first gives that has it, None when none does. `ask` verifies it, and raises errors of ours."""
        for mirror in self.ready():
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    return await ask(mirror)
            except TimeoutError:
                mirror.failed(RegistryUnavailableError("no answer in time"))
            except WatcherError as error:
                mirror.failed(error)
        return None
