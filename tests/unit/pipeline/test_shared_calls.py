import asyncio
from collections.abc import Sequence

import pytest

from watcher.model.errors import RetryableError
from watcher.pipeline.shared_calls import ITEMS_TOGETHER, SharedCalls


class DownError(RetryableError):
    reason = "down"


class Doubling:
    """Doubles numbers, one call at a time, each held up at a gate; 13 cannot be doubled."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.gate = asyncio.Event()
        self.down = False

    async def __call__(self, items: Sequence[int]) -> Sequence[int]:
        self.calls.append(list(items))
        await self.gate.wait()
        if self.down:
            raise DownError("down")
        if 13 in items:
            raise ValueError("13")
        return [2 * item for item in items]


@pytest.fixture
def doubling() -> Doubling:
    return Doubling()


async def settled(*tasks: "asyncio.Task[Sequence[int]]") -> list[Sequence[int] | BaseException]:
    return await asyncio.gather(*tasks, return_exceptions=True)


def start(calls: SharedCalls[int, int], *items: int) -> "asyncio.Task[Sequence[int]]":
    return asyncio.create_task(calls.together(items), name=str(items))


async def turns() -> None:
    """Let everything run that can run."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_caller_alone_is_served_at_once(doubling: Doubling) -> None:
    """Its own items, in order."""
    doubling.gate.set()
    assert await SharedCalls(doubling).together([3, 1, 2]) == [6, 2, 4]


async def test_those_who_come_together_share_a_call(doubling: Doubling) -> None:
    """And each gets the results of its own items."""
    calls = SharedCalls(doubling)
    doubling.gate.set()
    tasks = [start(calls, number, number + 100) for number in range(5)]
    assert await settled(*tasks) == [[2 * number, 2 * number + 200] for number in range(5)]
    assert len(doubling.calls) == 1


async def test_those_who_come_during_a_call_share_the_next(doubling: Doubling) -> None:
    """One call at a time; nobody waits longer than for the call under way and the one after."""
    calls = SharedCalls(doubling)
    first = start(calls, 1)
    await turns()
    rest = [start(calls, number) for number in (2, 3, 4)]
    await turns()
    assert doubling.calls == [[1]]
    doubling.gate.set()
    assert await settled(first, *rest) == [[2], [4], [6], [8]]
    assert doubling.calls == [[1], [2, 3, 4]]


async def test_a_call_has_a_size(doubling: Doubling) -> None:
    """Many items become several calls; one caller's items stay together, however many."""
    calls = SharedCalls(doubling)
    doubling.gate.set()
    many = [start(calls, *range(100, 200)) for _ in range(5)]
    one = start(calls, *range(100, 1100))
    await settled(*many, one)
    assert [len(call) for call in doubling.calls] == [200, 200, 100, 1000]
    assert max(len(call) for call in doubling.calls[:-1]) <= ITEMS_TOGETHER


async def test_trouble_on_the_other_side_is_told_to_all(doubling: Doubling) -> None:
    """A store that is down is down for everybody, and is asked once."""
    calls = SharedCalls(doubling)
    doubling.gate.set()
    doubling.down = True
    results = await settled(*(start(calls, number) for number in range(3)))
    assert [type(result) for result in results] == [DownError] * 3
    assert len(doubling.calls) == 1
    doubling.down = False
    assert await calls.together([1]) == [2]


async def test_what_is_wrong_with_one_does_not_reach_its_neighbours(doubling: Doubling) -> None:
    """The others are served; only the one whose item it is hears of it."""
    calls = SharedCalls(doubling)
    doubling.gate.set()
    results = await settled(start(calls, 1), start(calls, 13), start(calls, 2))
    assert (results[0], type(results[1]), results[2]) == ([2], ValueError, [4])


@pytest.mark.parametrize("cancelled", [0, 1, 2])
async def test_a_caller_that_goes_away_takes_nobody_along(doubling: Doubling, cancelled: int) -> None:
    """Whether it was the one that called, one that waited for this call, or one that waited for the next."""
    calls = SharedCalls(doubling)
    tasks = [start(calls, 1), start(calls, 2)]
    await turns()
    tasks.append(start(calls, 3))
    tasks.append(start(calls, 4))
    await turns()
    tasks[cancelled].cancel()
    await turns()
    doubling.gate.set()
    results = await settled(*tasks)
    assert isinstance(results.pop(cancelled), asyncio.CancelledError)
    assert results == [[2 * number] for number in (1, 2, 3, 4) if number != cancelled + 1]


async def test_a_caller_that_goes_away_when_it_is_its_turn_passes_it_on(doubling: Doubling) -> None:
    """The next one makes the call."""
    calls = SharedCalls(doubling)
    first = start(calls, 1)
    await turns()
    second, third = start(calls, 2), start(calls, 3)
    await turns()
    doubling.gate.set()
    first.add_done_callback(lambda _: second.cancel())
    assert await asyncio.wait_for(third, 1) == [6]
    await settled(first, second)


async def test_many_callers_in_any_order_are_all_served() -> None:
    """Nothing is lost, mixed up or left waiting."""

    async def call(items: Sequence[int]) -> Sequence[int]:
        await asyncio.sleep(0)
        return [item + 1 for item in items]

    calls = SharedCalls(call)

    async def caller(number: int) -> None:
        for step in range(20):
            await asyncio.sleep(0)
            item = number * 1000 + step
            assert await calls.together([item]) == [item + 1]

    async with asyncio.TaskGroup() as group:
        for number in range(50):
            group.create_task(caller(number), name=f"caller-{number}")
