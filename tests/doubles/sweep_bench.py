"""A sweep of a registry that a test pushes to, whose passes come when the test says so."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.doubles.holdings import known
from tests.doubles.image_sources import MemoryImages
from tests.doubles.registries import MemoryRegistries
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.sources.protocol import Source
from watcher.sources.sweep import SweepSource
from watcher.sources.sweep_settings import SweepSourceSettings
from watcher.testing.images import build_image, build_layer

HOST, APP = Host("registry.example.com"), RepositoryName("team/app")
IMAGE = build_image([build_layer({"a": "b"})])
GIVE_UP_SECONDS = 20.0


class SweepBench:
    """News is an image that nobody has judged; acknowledged means that a pass came to its end and had it taken in.

    What was not taken in is found by the next pass, for as long as it is there; here its owner deletes it.
    """

    def __init__(self) -> None:
        self._registries = MemoryRegistries()
        self._taken_in = 0
        self._sleeping = asyncio.Event()
        self._wake = asyncio.Event()
        self.source: Source = SweepSource(
            SweepSourceSettings(name="main", registry=HOST, every="1h"),
            registries=self._registries,
            known=known(),
            swept=self._swept,
            sleep=self._sleep,
        )

    @asynccontextmanager
    async def open(self) -> AsyncIterator["SweepBench"]:
        yield self

    async def send(self) -> bool:
        """One image, and the pass that finds it. A source that is not asleep makes no pass."""
        await asyncio.sleep(0)
        if not self._sleeping.is_set():
            return False
        before = self._taken_in
        self._registries.held[HOST, APP].add(IMAGE, Tag("v1"))
        self._sleeping.clear()
        self._wake.set()
        try:
            async with asyncio.timeout(GIVE_UP_SECONDS):
                await self._sleeping.wait()
        except TimeoutError:
            return False
        finally:
            self._registries.held[HOST, APP] = MemoryImages()
        return self._taken_in > before

    def _swept(self, _source: str, taken_in: int) -> None:
        self._taken_in += taken_in

    async def _sleep(self, _seconds: float) -> None:
        self._wake.clear()
        self._sleeping.set()
        try:
            await self._wake.wait()
        finally:
            self._sleeping.clear()
