"""How fast one registry is asked: not faster than the operator allows, nor than the registry puts up with.

One for each registry of the process: every lane, its blobs and its token service wait for the same turns.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from watcher.kit.retry_after import SHORTEST_PAUSE_SECONDS, pause_seconds
from watcher.model.errors import ThrottledError

# Without a word from the registry: 1, 2, 4 … 54 seconds, and up to a tenth more: within what a request waits for.
LONGEST_BACKOFF_SECONDS = 54.0
# Whoever would have to wait for the end of a pause longer than this goes back to the backlog instead.
LONGEST_WAIT_SECONDS = 60.0
# After a pause: so many a second, doubled every so often, halved by each further refusal on the way up.
FIRST_PER_SECOND = 4.0
LEAST_PER_SECOND = 0.25
DOUBLING_SECONDS = 5.0
# As fast as we ever are; a registry without a limit of its own counts as recovered there.
FULL_PER_SECOND = 128.0


class Pace:
    """Spreads requests evenly; a second's worth may go at once after a silence. Used on one event loop."""

    def __init__(
        self,
        per_second: float | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._limit = per_second
        self._clock = clock
        self._sleep = sleep
        self._next = float("-inf")
        self._resumes_at = float("-inf")
        self._refusals = 0  # in a row, without having recovered between them

    async def turn(self) -> None:
        """Wait for this request's turn, first come, first served.

        Raises:
            ThrottledError: the registry wants to be left alone for longer than anybody waits.
        """
        paused_until = None
        # Again when a pause began while we waited.
        while paused_until != self._resumes_at:
            paused_until = self._resumes_at
            now = self._clock()
            if paused_until - now > LONGEST_WAIT_SECONDS:
                wish = f"the registry wants to be left alone for another {paused_until - now:.0f} s"
                raise ThrottledError(wish, retry_after_seconds=paused_until - now)
            wait = self._slot(max(now, paused_until)) - now
            if wait > 0:
                await self._sleep(wait)

    def refused(self, asked_seconds: float | None) -> None:
        """The registry answered that this is too fast; `asked_seconds` is its Retry-After. Everybody pauses."""
        now = self._clock()
        if now < self._resumes_at:
            # The answer to a request that was sent before the pause: no new refusal, but it may ask for more.
            pause = asked_seconds or 0.0
        else:
            self._refusals += 1
            pause = self._backoff() if asked_seconds is None else asked_seconds
        pause = pause_seconds(pause)
        if now + pause > self._resumes_at:
            # Those who wait for a turn take another one when they wake.
            self._resumes_at = self._next = now + pause

    def _backoff(self) -> float:
        seconds = min(SHORTEST_PAUSE_SECONDS * 2.0 ** min(self._refusals - 1, 10), LONGEST_BACKOFF_SECONDS)
        return seconds * random.uniform(1.0, 1.1)  # noqa: S311  spreads processes, hides nothing

    def _slot(self, earliest: float) -> float:
        """When the next request may go, which is taken then."""
        rate, burst_seconds = self._rate(max(earliest, self._next))
        if rate is None:
            return max(earliest, self._next)
        interval = 1 / rate
        # Below one request a second there is still one that may go at once.
        moment = max(self._next, earliest - max(burst_seconds, interval) + interval)
        self._next = moment + interval
        return moment

    def _rate(self, moment: float) -> tuple[float | None, float]:
        """Requests a second at `moment`, None without a limit; and how many seconds' worth may go at once."""
        if self._refusals:
            first = min(FIRST_PER_SECOND, self._limit or FIRST_PER_SECOND) / 2 ** min(self._refusals - 1, 10)
            doublings = min((moment - self._resumes_at) / DOUBLING_SECONDS, 20.0)
            rate = max(first, LEAST_PER_SECOND) * 2**doublings
            if rate < (self._limit or FULL_PER_SECOND):
                return rate, 0.0
            self._refusals = 0
        return self._limit, 1.0
