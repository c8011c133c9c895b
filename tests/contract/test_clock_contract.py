"""What holds of whatever waits, while the machine stands still and when its clock is set."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from tests.doubles.backlogs import ALL, APP, BACKLOGS, DAY, HOST, A, B, BacklogBench, open_backlog
from tests.doubles.databases import open_database
from tests.doubles.hand_clock import HandClock
from tests.doubles.routes import sending
from tests.doubles.verdicts import SUBJECT, a_verdict
from watcher.backlog.protocol import Dead, Done, Fate, Lane, Retry
from watcher.model.publication import Published, PublishLater
from watcher.model.push import Deleted
from watcher.store.outbox import LEASE, StoredOutbox
from watcher.store.protocol import Judged, Outbox
from watcher.store.subject_locks import StoredSubjectLocks
from watcher.store.verdicts import StoredVerdicts


@pytest.fixture(params=sorted(BACKLOGS))
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BacklogBench]:
    async with open_backlog(request.param, tmp_path) as opened:
        yield opened


@dataclass(frozen=True, kw_only=True)
class Outgoing:
    """One publication that waits, of one verdict."""

    clock: HandClock
    outbox: Outbox
    locks: StoredSubjectLocks
    others_locks: StoredSubjectLocks


@pytest.fixture
async def outgoing(tmp_path: Path) -> AsyncIterator[Outgoing]:
    clock = HandClock()
    async with open_database(tmp_path / "watcher.db") as database:
        await StoredVerdicts(database, clock).record([Judged(verdict=a_verdict(id="v-1"))], sending({"v-1": ["log"]}))
        locks = [StoredSubjectLocks(database, clock) for _ in range(2)]
        yield Outgoing(clock=clock, outbox=StoredOutbox(database, clock), locks=locks[0], others_locks=locks[1])


async def test_a_job_that_is_worked_on_is_never_leased_again_by_its_worker(bench: BacklogBench) -> None:
    """The process stood still, or the clock went ahead: the lease goes on, under its number, and no attempt is counted."""
    await bench.put(A)
    job = await bench.lease()
    for seconds in (65, 3 * DAY, 65):
        bench.clock.advance(seconds)
        assert await bench.backlog.lease(ALL, 9, working=[job]) == []
    assert await bench.backlog.renew([job]) == []
    await bench.backlog.settle(job, Done(result="pass"))
    row = await bench.backlog.job(job.id)
    assert row is not None
    assert (row.state, row.attempts) == ("done", 1)


async def test_who_lost_a_lease_is_told(bench: BacklogBench) -> None:
    """Another has it now: renewing, settling and being at work on it change nothing of his."""
    await bench.put(A)
    stale = await bench.lease()
    bench.clock.advance(61)
    fresh = await bench.lease()
    assert fresh.lease != stale.lease
    assert await bench.backlog.renew([stale, fresh]) == [stale]
    bench.clock.advance(59)
    assert await bench.backlog.lease(ALL, 9, working=[stale]) == []
    bench.clock.advance(2)
    assert [job.attempt for job in await bench.backlog.lease(ALL, 9, working=[stale])] == [3]
    await bench.backlog.settle(stale, Dead(reason="late", detail=""))
    assert await bench.state(stale.id) == "leased"


async def test_a_replayed_job_is_not_settled_by_who_held_it_before(bench: BacklogBench) -> None:
    """Its attempts begin anew, the numbers of its leases do not."""
    await bench.put(A)
    first = await bench.lease()
    bench.clock.advance(61)
    await bench.backlog.settle(await bench.lease(), Dead(reason="damaged", detail=""))
    assert await bench.backlog.replay(first.id)
    assert (await bench.lease()).attempt == first.attempt
    await bench.backlog.settle(first, Done(result="pass"))
    assert await bench.state(first.id) == "leased"


async def test_what_an_orderly_end_cut_off_has_not_failed(bench: BacklogBench) -> None:
    """However often the daemon is restarted while a job is under way, it has all its attempts before it."""
    await bench.put(A)
    for _ in range(9):
        assert (await bench.lease()).attempt == 1
        await bench.backlog.forgive()
        assert await bench.backlog.recover() == 1


@pytest.mark.parametrize("ahead", [600.0, 3 * DAY, 3650 * DAY])
@pytest.mark.parametrize("restarted", [False, True])
async def test_what_came_while_the_clock_was_ahead_is_done_when_it_is_set_right(
    bench: BacklogBench, ahead: float, restarted: bool
) -> None:
    """At once, what failed in between too; in the same process, and in the next."""
    bench.clock.advance(ahead)
    await bench.put(A, "v1", wait_seconds=5.0)
    await bench.put(B)
    await bench.backlog.settle(await bench.lease(), Retry(reason="late", detail="", delay_seconds=60.0))
    bench.clock.advance(40 - ahead)
    backlog = type(bench.backlog)(bench.backlog._database, bench.clock) if restarted else bench.backlog
    await backlog.recover()
    assert {job.push.digest for job in await backlog.lease(ALL, 9)} == {A, B}


async def test_a_lease_that_was_taken_by_a_clock_ahead_runs_out(bench: BacklogBench) -> None:
    """Its holder is gone: a minute from now, not in three days."""
    bench.clock.advance(3 * DAY)
    await bench.put(A)
    await bench.lease()
    bench.clock.advance(-3 * DAY)
    await bench.put(B)
    bench.clock.advance(61)
    assert {job.push.digest for job in await bench.backlog.lease(ALL, 9)} == {A, B}


async def test_what_was_done_by_a_clock_ahead_hides_no_push(bench: BacklogBench) -> None:
    """An image that is pushed again is judged again, though its job and its dead letter are dated after it."""
    bench.clock.advance(3 * DAY)
    for digest, settlement in ((A, Done(result="pass")), (B, Dead(reason="damaged", detail=""))):
        await bench.put(digest, "v1")
        await bench.backlog.settle(await bench.lease(), settlement)
    bench.clock.advance(-3 * DAY)
    assert (await bench.put(A, "v1")).fate is Fate.ACCEPTED
    assert (await bench.put(B, "v1", delivery_key=None, lane=Lane.SWEEP)).fate is Fate.ACCEPTED


async def test_a_deletion_is_found_whichever_way_the_clock_was_set(bench: BacklogBench) -> None:
    """What was announced by a clock ahead, and deleted by one that is right, was deleted since."""
    bench.clock.advance(3 * DAY)
    await bench.put(A, "v1")
    bench.clock.advance(-3 * DAY)
    await bench.backlog.lease([], 1)
    await bench.put(decision=Deleted(registry=HOST, repository=APP, digest=A))
    assert await bench.backlog.deleted(await bench.lease())


async def test_ages_tell_how_long_something_has_waited(bench: BacklogBench) -> None:
    """Whatever the clock said when it came."""
    bench.clock.advance(3 * DAY)
    await bench.put(A)
    bench.clock.advance(30)
    await bench.backlog.lease([], 1)
    bench.clock.advance(-3 * DAY)
    await bench.backlog.lease([], 1)
    bench.clock.advance(5)
    assert (await bench.backlog.depth()).oldest_seconds == {"push": 35.0}


async def test_no_delay_is_longer_than_an_hour(bench: BacklogBench) -> None:
    """Neither when it is stored, nor when it was stored by somebody else."""
    await bench.put(A, wait_seconds=99 * DAY)
    bench.clock.advance(3600)
    await bench.backlog.settle(await bench.lease(), Retry(reason="late", detail="", delay_seconds=99 * DAY))
    bench.clock.advance(3600)
    job = await bench.lease()
    await bench.backlog.settle(job, Retry(reason="late", detail=""))
    later = bench.clock().timestamp() + 99 * DAY
    await bench.backlog._write(lambda raw, _now: raw.execute("UPDATE job SET due_at = ?", (later,)))
    bench.clock.advance(61)
    assert [each.id for each in await bench.backlog.lease(ALL, 9)] == [job.id]


async def test_whatever_the_clock_does_everything_is_done(bench: BacklogBench) -> None:
    """Steps of seconds and of years, forwards and back, with work under way: nothing waits at the end, nothing is dead."""
    random = Random(7)
    for _ in range(40):
        await bench.put(random.choice([A, B]), random.choice(["v1", "v2"]))
        working = await bench.backlog.lease(ALL, 1)
        bench.clock.advance(random.choice([-3650 * DAY, -3 * DAY, -70, -1, 1, 70, 3 * DAY, 3650 * DAY]))
        assert not {job.id for job in await bench.backlog.lease(ALL, 9, working=working)} & {job.id for job in working}
        await bench.backlog.forgive()
        await bench.backlog.recover()
    bench.clock.advance(12)
    for job in await bench.backlog.lease(ALL, 99):
        await bench.backlog.settle(job, Done(result="pass"))
    assert (await bench.backlog.depth()).jobs == {}


async def test_a_publication_that_is_being_made_is_never_taken_again_by_its_maker(outgoing: Outgoing) -> None:
    """As a job."""
    (publication,) = await outgoing.outbox.due(1)
    for seconds in (LEASE.total_seconds() + 1, 3 * DAY):
        outgoing.clock.advance(seconds)
        assert await outgoing.outbox.due(9, working=[publication]) == []
    await outgoing.outbox.settle(publication, Published())
    outgoing.clock.advance(LEASE.total_seconds() + 1)
    assert await outgoing.outbox.due(9) == []


async def test_an_orderly_end_costs_a_publication_no_attempt(outgoing: Outgoing) -> None:
    """As a job."""
    for _ in range(3):
        assert [each.attempt for each in await outgoing.outbox.due(9)] == [1]
        await outgoing.outbox.forgive()
        assert await outgoing.outbox.recover() == 1


async def test_a_publication_that_waits_by_a_clock_ahead_is_made_when_it_is_set_right(outgoing: Outgoing) -> None:
    """Also one that somebody holds who is gone: after its lease, not after three days."""
    outgoing.clock.advance(3 * DAY)
    (publication,) = await outgoing.outbox.due(1)
    await outgoing.outbox.settle(publication, PublishLater(reason="refused", detail="", delay_seconds=600.0))
    outgoing.clock.advance(-3 * DAY)
    assert len(await outgoing.outbox.due(9)) == 1
    outgoing.clock.advance(-3 * DAY)
    assert await outgoing.outbox.due(9) == []
    outgoing.clock.advance(LEASE.total_seconds())
    assert len(await outgoing.outbox.due(9)) == 1


async def test_a_lock_that_was_taken_by_a_clock_ahead_is_free(outgoing: Outgoing) -> None:
    """Its holder died, and its lease ends in three days."""
    outgoing.clock.advance(3 * DAY)
    await outgoing.others_locks.lock(SUBJECT).__aenter__()
    outgoing.clock.advance(-3 * DAY)
    async with asyncio.timeout(10), outgoing.locks.lock(SUBJECT):
        pass
