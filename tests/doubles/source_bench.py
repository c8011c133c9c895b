"""What the contract of sources needs of each adapter: a source with somebody who makes news for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol, Self

from watcher.sources.protocol import Intake, Source

BODY = b'{"events": []}'
# A source stops within a second; a busy machine gets ten times that.
STOP_SECONDS = 10.0


class SourceBench(Protocol):
    """A source named `main`, bound to registry.example.com, of the dialect `distribution`."""

    source: Source

    def open(self) -> AbstractAsyncContextManager[Self]:
        """Start what stands behind the source; the source itself does not run yet."""
        ...

    async def send(self) -> bool:
        """Make news once, and tell whether it was acknowledged: answered with 2xx, deleted from the queue, acked, taken in.

        It is BODY, or what a source finds by itself.

        Where no answer comes it gives up, with false: soon while the source says that it does not run.
        """
        ...


@asynccontextmanager
async def listening(source: Source, intake: Intake, *, connected: bool = False) -> AsyncIterator[None]:
    """The source runs, and stops at the end, whatever its other side does; with `connected` it has said that news would arrive."""
    task = asyncio.create_task(source.run(intake), name="source")
    try:
        await asyncio.sleep(0)
        while connected and not (source.health.connected or task.done()):
            await asyncio.sleep(0.01)
        yield
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=STOP_SECONDS)
        assert task.cancelled()
