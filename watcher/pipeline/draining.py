"""The orderly end: nothing is begun any more, and what is under way comes to its own end, if that is soon."""

import asyncio
from collections.abc import Sized
from contextlib import suppress


class Draining:
    """Of one loop. `begun` is what is under way, and `ended` is called whenever one of it is not any more."""

    def __init__(self) -> None:
        self.closing = False
        self._news = asyncio.Event()

    def ended(self) -> None:
        self._news.set()

    async def close(self, begun: Sized, seconds: float) -> int:
        """From now on `closing`; how much is still under way when nothing is, or so many seconds have passed."""
        self.closing = True
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while len(begun):
                    self._news.clear()
                    await self._news.wait()
        return len(begun)
