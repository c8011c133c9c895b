"""Not more requests a second than the operator allows."""

import asyncio
import time
from collections.abc import Awaitable, Callable


class Pace:
    """Spreads requests evenly; a second's worth may go at once after a pause."""

    def __init__(
        self,
        per_second: float | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._interval = 1 / per_second if per_second else 0.0
        # Below one request a second there is still one that may go at once.
        self._burst = max(1.0, self._interval)
        self._clock = clock
        self._sleep = sleep
        self._next = float("-inf")

    async def turn(self) -> None:
        """Wait for this request's turn, first come, first served."""
        if not self._interval:
            return
        now = self._clock()
        self._next = max(self._next, now - self._burst + self._interval) + self._interval
        if self._next > now + self._interval:
            await self._sleep(self._next - self._interval - now)
