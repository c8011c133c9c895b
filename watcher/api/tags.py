"""Which digest a tag names now, asked of its registry at most once in a while."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from watcher.model.digest import Digest
from watcher.model.errors import NotFoundError
from watcher.model.reference import Reference

FOUND_SECONDS = 30.0
# A tag that is missing is often about to be pushed.
MISSING_SECONDS = 3.0
# A cluster runs hundreds of different images; beyond this the oldest answers are asked for again.
MAX_TAGS = 4096


@dataclass(slots=True)
class TagCache:
    """Several who ask for one tag at a time wait for one request."""

    resolve: Callable[[Reference], Awaitable[Digest | None]]
    resolve_seconds: float
    monotonic: Callable[[], float] = time.monotonic
    _known: OrderedDict[Reference, tuple[float, Digest | None]] = field(default_factory=OrderedDict)
    _asking: dict[Reference, asyncio.Lock] = field(default_factory=dict)

    def knows(self, reference: Reference) -> bool:
        """Whether nobody has to be asked now."""
        return self._fresh(reference) is not None

    async def digest(self, reference: Reference) -> Digest | None:
        """The digest, or None when there is no such tag.

        Raises:
            TimeoutError: no answer within `resolve_seconds`.
            WatcherError: whatever the registry's client says, but for NotFoundError.
        """
        if (known := self._fresh(reference)) is not None:
            return known[0]
        lock = self._asking.setdefault(reference, asyncio.Lock())
        try:
            async with asyncio.timeout(self.resolve_seconds), lock:
                if (known := self._fresh(reference)) is not None:
                    return known[0]
                try:
                    digest = await self.resolve(reference)
                except NotFoundError:
                    digest = None
                self._keep(reference, digest)
                return digest
        finally:
            if not lock.locked():
                self._asking.pop(reference, None)

    def _fresh(self, reference: Reference) -> tuple[Digest | None] | None:
        known = self._known.get(reference)
        return (known[1],) if known is not None and self.monotonic() < known[0] else None

    def _keep(self, reference: Reference, digest: Digest | None) -> None:
        seconds = FOUND_SECONDS if digest is not None else MISSING_SECONDS
        self._known[reference] = (self.monotonic() + seconds, digest)
        self._known.move_to_end(reference)
        while len(self._known) > MAX_TAGS:
            self._known.popitem(last=False)
