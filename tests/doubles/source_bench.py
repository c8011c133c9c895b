"""What the contract of sources needs of each adapter: a source with somebody who makes news for it."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol, Self

from watcher.sources.protocol import Source

BODY = b'{"events": []}'


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
