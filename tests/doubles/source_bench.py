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
        """Send BODY once, and tell whether it was acknowledged: answered with 2xx, deleted from the queue, acked.

        Gives up after a short while (below two seconds) where no answer comes, with false.
        """
        ...
