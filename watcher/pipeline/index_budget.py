"""What an index may take of its registry's time: one budget for all that is fetched for it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from watcher.model.digest import Digest
from watcher.model.errors import TimedOutError
from watcher.model.image import Descriptor, FetchedManifest
from watcher.model.reference import RepositoryName, Tag
from watcher.registry.protocol import ImageSource


@dataclass(slots=True, kw_only=True)
class Budgeted:
    """`ImageSource` of one index. While anything is fetched from `source` its time runs; while a worker is waited for it does not.

    When `seconds` are over everything raises TimedOutError, what is under way and what comes after.
    """

    source: ImageSource
    seconds: float
    _referrers: dict[Digest, Sequence[Descriptor]] = field(default_factory=dict, init=False)
    _spent: float = field(default=0.0, init=False)
    _under_way: int = field(default=0, init=False)
    _since: float = field(default=0.0, init=False)

    @property
    def repository(self) -> RepositoryName:
        return self.source.repository

    async def manifest(self, reference: Tag | Digest) -> FetchedManifest:
        async with self._running(str(reference)):
            return await self.source.manifest(reference)

    async def blob(self, descriptor: Descriptor, *, limit_bytes: int) -> bytes:
        async with self._running(descriptor.digest):
            return await self.source.blob(descriptor, limit_bytes=limit_bytes)

    async def referrers(self, digest: Digest) -> Sequence[Descriptor]:
        """Asked once for each: every image of an index asks what is attached to the index."""
        if digest not in self._referrers:
            async with self._running(digest):
                self._referrers[digest] = await self.source.referrers(digest)
        return self._referrers[digest]

    async def pour(self, descriptor: Descriptor, sink: int, *, timeout_seconds: float) -> None:
        async with self._running(descriptor.digest):
            await self.source.pour(descriptor, sink, timeout_seconds=timeout_seconds)

    @asynccontextmanager
    async def _running(self, what: str) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        now = loop.time()
        if not self._under_way:
            self._since = now
        left = self.seconds - self._spent - (now - self._since)
        over = TimedOutError(f"{what}: nothing is left of the {self.seconds:.0f} s for the index")
        if left <= 0:
            raise over
        self._under_way += 1
        try:
            async with asyncio.timeout(left):
                yield
        except TimeoutError as error:
            raise over from error
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._spent += loop.time() - self._since
