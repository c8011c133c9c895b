"""What cannot be stored in this moment is kept for a while: to give it back may cost more than the memory it takes."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager

from watcher.kit.backoff import Backoff
from watcher.model.errors import RetryableError
from watcher.sources.condition import Condition
from watcher.sources.protocol import Accepted

# Of a broker that counts how often it had to send a message, and after a few times makes a dead letter of it.
HELD_SECONDS = 300.0
BACKOFF = Backoff(first_seconds=0.5, longest_seconds=5.0)


class Patience:
    """For one source. `waits_seconds` is how long one delivery may be kept, 0 for one that costs its sender nothing to repeat.

    Beyond `most_waiting` of them none is kept.
    """

    def __init__(
        self, condition: Condition, waits_seconds: float, *, pauses: Backoff = BACKOFF, most_waiting: int | None = None
    ) -> None:
        self._condition = condition
        self._waits_seconds = waits_seconds
        self._pauses = pauses
        self._most_waiting = most_waiting
        self._waiting = 0

    async def stored(self, store: Callable[[], Awaitable[Accepted]]) -> Accepted:
        """What `store` returns, tried again while there is time; the condition knows of every attempt that failed.

        Raises:
            RetryableError: it still could not be stored.
        """
        loop = asyncio.get_running_loop()
        ends, failures = loop.time() + self._waits_seconds, 0
        with ExitStack() as waits:
            while True:
                try:
                    return await store()
                except RetryableError as error:
                    failures += 1
                    pause_seconds = self._pauses.after(failures)
                    self._condition.postponed(error)
                    if loop.time() + pause_seconds > ends or (failures == 1 and self._is_full()):
                        raise
                if failures == 1:
                    waits.enter_context(self._one_more())
                await asyncio.sleep(pause_seconds)

    def _is_full(self) -> bool:
        return self._most_waiting is not None and self._waiting >= self._most_waiting

    @contextmanager
    def _one_more(self) -> Iterator[None]:
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1
