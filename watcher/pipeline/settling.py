"""What has ended is said to be, as soon as the store lets us: nothing is done again because a disk was full for a moment."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from structlog.typing import FilteringBoundLogger

from watcher.kit.backoff import Backoff
from watcher.model.errors import RetryableError

T = TypeVar("T")

# Asking costs next to nothing, and whoever waits for the store to come back holds a place.
BACKOFF = Backoff(first_seconds=0.5, longest_seconds=5.0)


async def settled(settle: Callable[[], Awaitable[T]], *, told: FilteringBoundLogger, event: str, backoff: Backoff = BACKOFF) -> T:
    """What `settle` gives. It is called again for as long as it cannot be done now; `event` is told once."""
    failures = 0
    while True:
        try:
            return await settle()
        except RetryableError as error:
            failures += 1
            if failures == 1:
                told.warning(event, reason=error.reason, detail=str(error))
            await asyncio.sleep(backoff.after(failures))
