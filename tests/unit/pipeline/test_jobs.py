"""How many jobs are under way at a time, over a real backlog."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.doubles.backlogs import BacklogBench, open_backlog
from watcher.backlog.protocol import Done, Job, Lane, Settlement
from watcher.model.digest import Digest
from watcher.pipeline.jobs import Jobs

SLOTS = 5
PUSHES = 4  # of these slots are for pushes


@pytest.fixture
async def backlog(tmp_path: Path) -> AsyncIterator[BacklogBench]:
    async with open_backlog("sqlite", tmp_path) as opened:
        yield opened


class Endless:
    """Work that does not come to its end before a test says so."""

    def __init__(self) -> None:
        self.begun: list[Digest | None] = []
        self.end = asyncio.Event()

    async def work(self, job: Job) -> Settlement:
        self.begun.append(job.push.digest)
        await self.end.wait()
        return Done(result="pass")


async def begun(endless: Endless, count: int, backlog: BacklogBench) -> None:
    while len(endless.begun) < count:
        backlog.backlog._bell.ring()
        await asyncio.sleep(0.01)


def digest(number: int) -> Digest:
    return Digest(f"sha256:{number:064x}")


@pytest.mark.parametrize("lane", [Lane.PUSH, Lane.SWEEP])
async def test_jobs_that_take_long_keep_nobody_waiting(backlog: BacklogBench, lane: Lane) -> None:
    """More of them than there are slots, and those that come after them are begun all the same."""
    endless = Endless()
    for number in range(SLOTS + 1):
        await backlog.put(digest(number), lane=lane)
    async with asyncio.TaskGroup() as group:
        loop = group.create_task(Jobs(backlog=backlog.backlog, work=endless.work, slots=SLOTS, long_seconds=0.05).run(group))
        await begun(endless, SLOTS + 1, backlog)
        loop.cancel()
        endless.end.set()


async def test_jobs_that_have_just_begun_hold_their_slots(backlog: BacklogBench) -> None:
    """The others wait, in the order in which they came."""
    endless = Endless()
    for number in range(SLOTS + 1):
        await backlog.put(digest(number))
    async with asyncio.TaskGroup() as group:
        loop = group.create_task(Jobs(backlog=backlog.backlog, work=endless.work, slots=SLOTS, long_seconds=3600).run(group))
        await begun(endless, PUSHES, backlog)
        await backlog.put(digest(99), lane=Lane.CI)
        await begun(endless, PUSHES + 1, backlog)
        assert endless.begun == [*(digest(number) for number in range(PUSHES)), digest(99)]
        endless.end.set()
        await begun(endless, SLOTS + 2, backlog)
        loop.cancel()


async def test_what_is_under_way_comes_to_its_end_and_nothing_else_is_begun(backlog: BacklogBench) -> None:
    """At the orderly end: the job that is waiting waits for the next daemon."""
    endless = Endless()
    jobs = Jobs(backlog=backlog.backlog, work=endless.work, slots=SLOTS, long_seconds=3600)
    for number in range(PUSHES + 1):
        await backlog.put(digest(number))
    async with asyncio.TaskGroup() as group:
        loop = group.create_task(jobs.run(group))
        await begun(endless, PUSHES, backlog)
        closing = asyncio.create_task(jobs.close(30))
        await asyncio.sleep(0)
        endless.end.set()
        assert await closing == 0
        assert len(endless.begun) == PUSHES
        assert (await backlog.backlog.depth()).jobs == {("push", "waiting"): 1}
        loop.cancel()


async def test_what_takes_too_long_is_counted(backlog: BacklogBench) -> None:
    """So many jobs will be cut off."""
    endless = Endless()
    jobs = Jobs(backlog=backlog.backlog, work=endless.work, slots=SLOTS, long_seconds=3600)
    await backlog.put(digest(1))
    async with asyncio.TaskGroup() as group:
        loop = group.create_task(jobs.run(group))
        await begun(endless, 1, backlog)
        assert await jobs.close(0.01) == 1
        loop.cancel()
        endless.end.set()
