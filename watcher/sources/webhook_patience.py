"""What a sender tells once is not lost to a moment's trouble: it is kept waiting for its answer as long as it would wait."""

import asyncio
from collections.abc import Awaitable, Callable

from watcher.model.errors import RetryableError
from watcher.sources.protocol import Accepted

PAUSE_SECONDS = 0.25
# Each holds the body of its request in memory; whoever comes beyond is told at once.
MAX_WAITING = 64


class Patience:
    """For one source. `waits_seconds` is how long its sender may be kept waiting; 0 for one that comes again by itself."""

    def __init__(self, waits_seconds: float) -> None:
        self._attempts = 1 + int(waits_seconds / PAUSE_SECONDS)
        self._waiting = 0

    async def stored(self, store: Callable[[], Awaitable[Accepted]]) -> Accepted:
        """What `store` returns, tried again while there is time.

        Raises:
            RetryableError: it still could not be stored.
        """
        for _ in range(self._attempts - 1):
            try:
                return await store()
            except RetryableError:
                if self._waiting >= MAX_WAITING:
                    raise
            self._waiting += 1
            try:
                await asyncio.sleep(PAUSE_SECONDS)
            finally:
                self._waiting -= 1
        return await store()
