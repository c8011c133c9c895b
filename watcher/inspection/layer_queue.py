"""Whose layer is read next: large images let small ones by, and have their turn all the same."""

import asyncio
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

# How long an image lets those by that come after it and are smaller: as if all were read at this speed, one after the other. About
# what a worker does, so the largest wait for minutes at most, however many small ones there are.
BYTES_PER_SECOND = 50 * 1024 * 1024
# What a worker costs before its first byte.
LEAST_BYTES = 1024 * 1024
# Layers up to this never wait until a larger one has been read.
SMALL_BYTES = 16 * 1024 * 1024


@dataclass(slots=True, order=True)
class _Waiting:
    due: float
    number: int
    turn: asyncio.Future[None] = field(compare=False)


@dataclass(slots=True)
class _Kind:
    """Small layers, or large ones: those that wait, the next first, and how many are being read."""

    waiting: list[_Waiting] = field(default_factory=list)
    running: int = 0

    def next(self) -> _Waiting | None:
        while self.waiting and self.waiting[0].turn.done():  # whoever waited is gone
            heapq.heappop(self.waiting)
        return self.waiting[0] if self.waiting else None


class LayerQueue:
    """Gives `places` layers their turn at a time; and one small one besides, while large ones have all of these."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._large, self._small = _Kind(), _Kind()
        self._number = 0

    @asynccontextmanager
    async def turn(self, size_bytes: int, *, image_bytes: int = 0) -> AsyncIterator[None]:
        """Wait until it is the turn of a layer, which lasts until this is left. `image_bytes` are those of all layers beside it.

        Layers of one image follow each other, so that few images are half read at a time.
        """
        loop, kind = asyncio.get_running_loop(), self._small if size_bytes <= SMALL_BYTES else self._large
        self._number += 1
        cost_bytes = max(image_bytes, size_bytes, LEAST_BYTES)
        turn: asyncio.Future[None] = loop.create_future()
        heapq.heappush(kind.waiting, _Waiting(loop.time() + cost_bytes / BYTES_PER_SECOND, self._number, turn))
        self._call()
        try:
            await turn
            yield
        finally:
            if not turn.cancelled():
                kind.running -= 1
            self._call()

    def _call(self) -> None:
        """Give what is free to those whose turn it is."""
        while self._large.running + self._small.running < self._places:
            if not self._give(self._small, self._large):
                return
        if not self._small.running:
            self._give(self._small)

    def _give(self, *kinds: _Kind) -> bool:
        """A turn to whoever is first among these; false when nobody waits."""
        found = [(first, kind) for kind in kinds if (first := kind.next())]
        if not found:
            return False
        first, kind = min(found, key=lambda each: each[0])
        heapq.heappop(kind.waiting)
        kind.running += 1
        first.turn.set_result(None)
        return True
