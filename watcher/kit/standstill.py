"""How long this process stood still: stopped by a signal, frozen with its container, suspended with its machine."""

import asyncio
from types import TracebackType
from typing import Self

TICK_SECONDS = 1.0
# A loop that is this late was not merely busy.
LATE_SECONDS = 5.0


class Standstill:
    """Enter it in the event loop that it is to watch.

    A time limit of this loop that ran out meanwhile says nothing about what it was set for. Of a standstill, this hears before any
    limit does that was to end a tick or more after its beginning.
    """

    def __init__(self, *, tick_seconds: float = TICK_SECONDS, late_seconds: float = LATE_SECONDS) -> None:
        self.seconds = 0.0  # in all, so far
        self._tick_seconds = tick_seconds
        self._late_seconds = late_seconds
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        self._wait(asyncio.get_running_loop())
        return self

    async def __aexit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        # A callback and no task, which would run after the limits that are due.
        self._timer = loop.call_later(self._tick_seconds, self._tick, loop, loop.time() + self._tick_seconds)

    def _tick(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        late = loop.time() - due
        if late > self._late_seconds:
            self.seconds += late
        self._wait(loop)
