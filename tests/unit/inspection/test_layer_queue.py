"""Whose layer is read next. Time is virtual."""

import asyncio
from contextlib import AsyncExitStack

from tests.doubles.virtual_time import now, virtual_time
from watcher.inspection.layer_queue import BYTES_PER_SECOND, LEAST_BYTES, MOST_AWAY, SMALL_BYTES, LayerQueue

LARGE = SMALL_BYTES * 8
MINUTE_BYTES = 60 * BYTES_PER_SECOND


class Reading:
    """Layers that are read for as long as they are told to, in the order in which they began."""

    def __init__(self, places: int) -> None:
        self.queue = LayerQueue(places)
        self.begun: list[str] = []

    async def read(self, name: str, size_bytes: int, *, seconds: float = 1.0, image_bytes: int = 0) -> None:
        async with self.queue.turn(size_bytes, image_bytes=image_bytes):
            self.begun.append(name)
            await asyncio.sleep(seconds)


@virtual_time
async def test_a_small_layer_waits_for_no_large_one() -> None:
    """It begins beside the large ones that are being read."""
    reading = Reading(places=2)
    async with asyncio.TaskGroup() as group:
        for index in range(4):
            group.create_task(reading.read(f"large {index}", LARGE, seconds=100))
        await asyncio.sleep(1)
        await reading.read("small", 100)
        assert (now(), reading.begun) == (2, ["large 0", "large 1", "small"])


@virtual_time
async def test_small_layers_overtake_large_ones_that_wait() -> None:
    """Those that come within the time that the large one is put back for."""
    reading = Reading(places=1)
    async with asyncio.TaskGroup() as group:
        group.create_task(reading.read("first", LARGE))
        group.create_task(reading.read("large", LARGE))
        group.create_task(reading.read("smaller", SMALL_BYTES + 1))
        await asyncio.sleep(0)
        for index in range(2):
            group.create_task(reading.read(f"small {index}", 100))
    assert reading.begun == ["first", "small 0", "small 1", "smaller", "large"]


@virtual_time
async def test_a_large_layer_has_its_turn() -> None:
    """Small ones that never end do not keep it waiting for longer than its size says."""
    reading = Reading(places=1)
    large = asyncio.create_task(reading.read("large", MINUTE_BYTES, seconds=0))
    smalls = [asyncio.create_task(reading.read("first", LEAST_BYTES)), large]
    while not large.done():
        smalls += [asyncio.create_task(reading.read("small", LEAST_BYTES, seconds=0.5)) for _ in range(4)]
        await asyncio.sleep(0.5)
        assert now() < 120
    for each in smalls:
        each.cancel()


@virtual_time
async def test_many_small_layers_make_a_large_image() -> None:
    """Those of a small image are read before them, one image after the other."""
    reading = Reading(places=1)
    async with asyncio.TaskGroup() as group:
        for index in range(4):
            group.create_task(reading.read(f"many {index}", 100, image_bytes=LARGE))
        await asyncio.sleep(0.5)
        for index in range(2):
            group.create_task(reading.read(f"few {index}", 100, image_bytes=200))
    assert reading.begun == ["many 0", "few 0", "few 1", "many 1", "many 2", "many 3"]


@virtual_time
async def test_who_gives_up_waiting_takes_nobodys_turn() -> None:
    """Cancelled before its turn, or in the moment it was given it."""
    reading = Reading(places=1)
    async with reading.queue.turn(LARGE):
        waiting = [asyncio.create_task(reading.read(f"waiting {index}", LARGE)) for index in range(3)]
        await asyncio.sleep(1)
        waiting[0].cancel()
    waiting[1].cancel()  # it has been given its turn, and does not know yet
    await waiting[2]
    assert (now(), reading.begun) == (2, ["waiting 2"])
    await reading.read("after", LARGE)
    assert now() == 3


@virtual_time
async def test_small_layers_have_no_more_places_than_others() -> None:
    """The one besides is for when large ones have them all."""
    reading = Reading(places=2)
    async with asyncio.TaskGroup() as group:
        for index in range(5):
            group.create_task(reading.read(f"small {index}", 100))
        await asyncio.sleep(0.5)
        assert len(reading.begun) == 2


@virtual_time
async def test_a_layer_whose_registry_is_slow_lets_another_be_read() -> None:
    """However small it is; when it has its bytes at last it goes on, and takes nobody's place at its end."""
    reading = Reading(places=1)
    async with reading.queue.turn(100) as slow:
        waiting = asyncio.create_task(reading.read("next", 100))
        await asyncio.sleep(1)
        assert reading.begun == []
        slow.give_way()
        slow.give_way()
        await waiting
        assert now() == 2
    await asyncio.gather(*(reading.read(f"after {index}", 100) for index in range(2)))
    assert now() == 4


@virtual_time
async def test_only_so_many_layers_let_others_be_read() -> None:
    """Each of them has a worker."""
    reading = Reading(places=1)
    async with AsyncExitStack() as open_turns:
        for _ in range(MOST_AWAY):
            (await open_turns.enter_async_context(reading.queue.turn(100))).give_way()
        last = await open_turns.enter_async_context(reading.queue.turn(100))
        last.give_way()
        waiting = asyncio.create_task(reading.read("next", 100))
        await asyncio.sleep(60)
        assert reading.begun == []
    await waiting
