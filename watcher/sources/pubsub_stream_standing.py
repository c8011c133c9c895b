"""Whether a stream stands, although nobody says so.

Pub/Sub answers a stream with its first message, which may come next week; a refusal comes at once. And it ends every stream now and
then, which the SDK makes anew in a moment, but it does the same for hours to a service that is gone.
"""

import asyncio
from collections.abc import Callable

from watcher.sources.protocol import SourceError

# A stream that was not refused for so long, on a connection that is there, is taken for granted: a refusal takes a round trip.
SETTLED_SECONDS = 1.0
# How long one that stood may be gone until that is an outage. The SDK tries five times at once, and then every ten seconds.
GRACE_SECONDS = 3.0
# Attempts that may fail meanwhile.
GRACE_ATTEMPTS = 2


class SilentError(SourceError):
    """Neither a stream nor a refusal."""

    reason = "subscription-unreachable"


class Standing:
    """What happened to the streams of one client, each with a number of its own. All of it on the loop; one task may wait."""

    def __init__(self, subscription: str, *, timeout_seconds: float) -> None:
        self._subscription = subscription
        self._timeout_seconds = timeout_seconds
        self._number = 0
        self._is_open = self._is_up = self._was_up = False
        self._failed = 0
        self._error: SourceError | None = None
        self._final: SourceError | None = None
        self._settling: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()

    def opened(self, number: int) -> None:
        """A stream is asked for."""
        self._number, self._is_open = number, True

    def reached(self, number: int) -> None:
        """There is a connection for it."""
        if number == self._number and not self._is_up:
            self._stop_settling()
            self._settling = asyncio.get_running_loop().call_later(SETTLED_SECONDS, self.heard)

    def heard(self) -> None:
        """Something came, or no refusal in time."""
        if self._is_open and not self._is_up:  # what comes last may be heard of after the end
            self._stop_settling()
            self._is_up = self._was_up = True
            self._failed = 0
            self._changed.set()

    def broke(self, number: int, error: SourceError) -> None:
        """It ended, and the SDK may ask for another."""
        if number == self._number:
            self._stop_settling()
            self._is_open = self._is_up = False
            self._error = error
            self._failed += 1
            if self._failed > (GRACE_ATTEMPTS if self._was_up else 0):
                self.over(error)
            self._changed.set()

    def over(self, error: SourceError) -> None:
        """Nothing will come any more."""
        self._final = self._final or error
        self._changed.set()

    def close(self) -> None:
        self._stop_settling()

    async def stands(self) -> None:
        """Until news that is sent now would arrive. Raises SourceError when it would not."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._until(lambda: self._is_up)
        except TimeoutError as error:
            raise SilentError(f"{self._subscription}: the service did not answer in {self._timeout_seconds:g} s") from error

    async def falls(self) -> None:
        """Until the stream is gone for longer than a moment: raises SourceError then."""
        while True:
            await self._until(lambda: not self._is_up)
            try:
                async with asyncio.timeout(GRACE_SECONDS):
                    await self._until(lambda: self._is_up)
            except TimeoutError:
                raise self._error or SilentError(f"{self._subscription}: the stream is gone") from None

    async def _until(self, is_true: Callable[[], bool]) -> None:
        while True:
            if self._final is not None:
                raise self._final
            if is_true():
                return
            self._changed.clear()
            await self._changed.wait()

    def _stop_settling(self) -> None:
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None
