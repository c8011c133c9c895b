"""One connection after the other, in virtual time."""

import asyncio
import itertools

import pytest

from tests.doubles.hand_clock import HandClock
from tests.doubles.virtual_time import now, virtual_time
from watcher.model.errors import ConfigurationError
from watcher.sources.condition import Condition
from watcher.sources.protocol import SourceError
from watcher.sources.reconnecting import BACKOFF, GOOD_SECONDS, Reconnecting


def test_connections_are_spread_and_slow_down() -> None:
    """Up to a minute apart, however long it goes on."""
    assert 0.1 <= BACKOFF.after(1) <= 0.7
    assert all(30 <= BACKOFF.after(failures) <= 75 for failures in (10, 100, 10_000))


@virtual_time
async def test_pauses_grow_until_a_connection_was_good() -> None:
    """What fails at once is tried less and less often; after one that held it begins anew."""
    condition, began = Condition("edge", HandClock()), list[float]()

    async def listen() -> None:
        began.append(now())
        if len(began) == 5:
            await asyncio.sleep(GOOD_SECONDS + 1)
        raise SourceError("gone") if len(began) % 2 else ConfigurationError("ca_file is gone")

    async def run() -> None:
        await Reconnecting(condition).keep(listen)

    with condition.listening():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await run()
        assert condition.health.problem in {"gone", "ca_file is gone"}
    pauses = [later - earlier for earlier, later in itertools.pairwise(began)]
    assert pauses[0] < 1 < pauses[3] < GOOD_SECONDS < pauses[4] < GOOD_SECONDS + 2
    assert pauses[5] < 2


@virtual_time
async def test_a_failure_in_the_moment_of_the_end_does_not_undo_it() -> None:
    """A task that answers its cancellation with an error would hide from us that we were cancelled."""
    begun = 0

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise SourceError("gone")

    async def listen() -> None:
        nonlocal begun
        begun += 1
        async with asyncio.TaskGroup() as group:
            group.create_task(stubborn(), name="stubborn")
            await asyncio.Event().wait()

    task = asyncio.create_task(Reconnecting(Condition("edge", HandClock())).keep(listen), name="source")
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.wait([task], timeout=100)
    assert (task.cancelled(), begun) == (True, 1)
