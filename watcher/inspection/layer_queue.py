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
# Workers that wait for slow registries take memory, if little; so many do not count.
MOST_AWAY = 8


@dataclass(slots=True, order=True)
class _Waiting:
    due: float
    number: int
    called: asyncio.Future[None] = field(compare=False)


@dataclass(slots=True)
class _Kind:
    """Small layers, or large ones: those that wait, the next first, and how many are being read."""

    waiting: list[_Waiting] = field(default_factory=list)
    running: int = 0

    def next(self) -> _Waiting | None:
        while self.waiting and self.waiting[0].called.done():  # whoever waited is gone
            heapq.heappop(self.waiting)
        return self.waiting[0] if self.waiting else None


@dataclass(slots=True)
class Turn:
    """A layer is being read."""

    _queue: "LayerQueue"
    _kind: _Kind
    _away: bool = False

    def give_way(self) -> None:
        """Its worker waits for its registry: let another layer be read meanwhile, unless MOST_AWAY have done so."""
        if not self._away and self._queue.away < MOST_AWAY:
            self._away = True
            self._queue.away += 1
            self._kind.running -= 1
            self._queue.call()

    def end(self) -> None:
        if self._away:
            self._queue.away -= 1
        else:
            self._kind.running -= 1


class LayerQueue:
    """Gives `places` layers their turn at a time; and one small one besides, while large ones have all of these.

    `away` are those that have given way.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._large, self._small = _Kind(), _Kind()
        self._number = 0
        self.away = 0

    @asynccontextmanager
    async def turn(self, size_bytes: int, *, image_bytes: int = 0) -> AsyncIterator[Turn]:
        """Wait until it is the turn of a layer, which lasts until this is left. `image_bytes` are those of all layers beside it.

        Layers of one image follow each other, so that few images are half read at a time.
        """
        loop, kind = asyncio.get_running_loop(), self._small if size_bytes <= SMALL_BYTES else self._large
        self._number += 1
        cost_bytes = max(image_bytes, size_bytes, LEAST_BYTES)
        called: asyncio.Future[None] = loop.create_future()
        heapq.heappush(kind.waiting, _Waiting(loop.time() + cost_bytes / BYTES_PER_SECOND, self._number, called))
        self.call()
        turn = Turn(self, kind)
        try:
            await called
            yield turn
        finally:
            if not called.cancelled():
                turn.end()
            self.call()

    def call(self) -> None:
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
        first.called.set_result(None)
        return True
