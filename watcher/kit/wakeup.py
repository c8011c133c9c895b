"""A bell between loops of one process: what one makes durable, the other finds at once instead of at its next look."""

import asyncio


class Wakeup:
    """Ringing while nobody waits is remembered once; ringing is a hint, never the only way to learn of work."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        self._event.set()

    async def wait(self, seconds: float) -> None:
        """Return when rung, or after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return
        finally:
            self._event.clear()
