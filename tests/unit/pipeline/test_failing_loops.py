"""The loops of jobs and of publications fail while work is under way: it goes on, and nothing is lost or done twice at once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import pytest
from sqlalchemy import select

from tests.doubles.databases import open_database
from tests.doubles.evaluators import WrittenEvaluator
from tests.doubles.hand_clock import HandClock
from tests.doubles.registries import MemoryRegistries
from tests.doubles.routes import sending
from tests.doubles.verdicts import SUBJECT, a_verdict
from watcher.backlog.protocol import Arrival, Dead, Done, Job, JobRow, Lane, Settlement
from watcher.backlog.sqlite import LEASE_SECONDS, SqliteBacklog
from watcher.inspection.image.merge import merged_files
from watcher.kit.sqlite import Database, StoreUnavailableError
from watcher.kit.wakeup import Wakeup
from watcher.model.errors import PermanentError
from watcher.model.publication import Publication, PublishFailed, Settled
from watcher.model.push import Push, Pushed
from watcher.model.reference import Host, Reference, Tag
from watcher.model.verdict import Verdict
from watcher.pipeline.announce import Announcer
from watcher.pipeline.destinations import Destination
from watcher.pipeline.gathering import Gathering
from watcher.pipeline.jobs import Jobs
from watcher.pipeline.judge import Judge
from watcher.pipeline.judging import Judging
from watcher.pipeline.owners import OwnerSettings
from watcher.publishing.protocol import Progress
from watcher.store.images import StoredImages
from watcher.store.outbox import LEASE, StoredOutbox
from watcher.store.own_writes import OwnWriteStore
from watcher.store.protocol import Judged
from watcher.store.standing import StoredStanding
from watcher.store.tables import publication
from watcher.store.verdicts import StoredVerdicts

FAILURES = [StoreUnavailableError("disk full"), KeyError("a bug")]


@dataclass
class Work:
    """What takes as long as a test wants. `begun` names it every time that it is begun."""

    begun: list[str] = field(default_factory=list)
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    async def do(self, name: str) -> None:
        self.begun.append(name)
        await self.ready.wait()


class StumblingBacklog(SqliteBacklog):
    """Raises what it is told to, in turn; None lets a call pass."""

    leasing: Sequence[Exception | None] = ()
    settling: Sequence[Exception | None] = ()

    async def lease(
        self, lanes: Collection[Lane], limit: int, *, working: Collection[Job] = (), without: Collection[Host] = ()
    ) -> Sequence[Job]:
        error, self.leasing = (self.leasing or (None,))[0], self.leasing[1:]
        if error is not None:
            raise error
        return await super().lease(lanes, limit, working=working, without=without)

    async def settle(self, job: Job, settlement: Settlement) -> Dead | None:
        error, self.settling = (self.settling or (None,))[0], self.settling[1:]
        if error is not None:
            raise error
        return await super().settle(job, settlement)


class StumblingOutbox(StoredOutbox):
    """As StumblingBacklog."""

    taking: Sequence[Exception | None] = ()
    settling: Sequence[Exception | None] = ()

    async def due(self, limit: int, **conditions: Any) -> Sequence[Publication]:
        error, self.taking = (self.taking or (None,))[0], self.taking[1:]
        if error is not None:
            raise error
        return await super().due(limit, **conditions)

    async def settle(self, publication: Publication, result: Settled) -> PublishFailed | None:
        error, self.settling = (self.settling or (None,))[0], self.settling[1:]
        if error is not None:
            raise error
        return await super().settle(publication, result)


class RefusingRegistries(MemoryRegistries):
    """Refuse to say where a tag leads, after as long as `work` takes."""

    def __init__(self, work: Work) -> None:
        super().__init__()
        self._work = work

    async def head(self, reference: Reference) -> NoReturn:
        await self._work.do(str(reference.tag))
        raise PermanentError("refused")


class JudgeBench:
    """Every job asks for its tag, takes as long as `work`, and ends as a dead letter: the registry wants nothing of it."""

    def __init__(self, database: Database) -> None:
        self.work, self.clock, self.database = Work(), HandClock(), database
        self.backlog = StumblingBacklog(database, self.clock)
        judge = Judge(
            backlog=self.backlog,
            verdicts=StoredVerdicts(database, self.clock),
            own_writes=OwnWriteStore(database, self.clock),
            judging=Judging(inspector=Any, gathering=Gathering(), evaluator=WrittenEvaluator(), engine_version="1"),  # type: ignore[arg-type]  # unused
            registries=RefusingRegistries(self.work),
            environments=[],
            owners=OwnerSettings(),
            routes=[],
            standing=StoredStanding(database),
            images=StoredImages(database, merged_files),
            clock=self.clock,
            recorded=lambda *_: None,
            suppressed=lambda _job: None,
        )
        self.jobs = Jobs(backlog=self.backlog, work=judge.judge, slots=5)

    async def put(self, *tags: str) -> None:
        pushes = [Push(registry=SUBJECT.registry, repository=SUBJECT.repository, tag=Tag(tag)) for tag in tags]
        await self.backlog.put(
            [
                Arrival(source="main", decision=Pushed(push=push), delivery_key=str(push.tag), received_at=self.clock())
                for push in pushes
            ]
        )

    async def dead(self) -> dict[str, JobRow]:
        return {row.tag: row for row in await self.backlog.dead_letters()}


class AnnounceBench:
    """One publication of verdict `v-1`, to a publisher that takes as long as `work`."""

    def __init__(self, database: Database) -> None:
        self.work, self.clock, self.database = Work(), HandClock(), database
        self.outbox, self.verdicts = StumblingOutbox(database, self.clock), StoredVerdicts(database, self.clock)
        self.counted: list[str] = []
        self.announcer = Announcer(
            outbox=self.outbox,
            verdicts=self.verdicts,
            destinations={"written": Destination(publisher=self)},
            counted=lambda _publisher, result: self.counted.append(result),
            clock=self.clock,
        )

    name = "written"

    async def open(self) -> None:
        return

    async def publish(self, verdict: Verdict, progress: Progress) -> None:
        await self.work.do(verdict.id)
        await progress.note("done")

    async def aclose(self) -> None:
        return

    async def record(self) -> None:
        await self.verdicts.record([Judged(verdict=a_verdict())], sending({"v-1": ["written"]}))

    async def noted(self) -> str:
        return await self.database.read(lambda connection: str(connection.execute(select(publication.c.progress)).scalar_one()))

    async def nothing_is_open(self) -> bool:
        """Nothing is due now, nor once every lease that somebody may hold has run out."""
        self.clock.advance(2 * LEASE.total_seconds())
        return not await self.outbox.due(1)


@pytest.fixture
async def judging(tmp_path: Path) -> AsyncIterator[JudgeBench]:
    async with open_database(tmp_path / "w.db") as database:
        yield JudgeBench(database)


@pytest.fixture
async def announcing(tmp_path: Path) -> AsyncIterator[AnnounceBench]:
    async with open_database(tmp_path / "w.db") as database:
        yield AnnounceBench(database)


async def until(look: Callable[[], object], *, ring: Wakeup | None = None) -> None:
    while not look():
        if ring is not None:
            ring.ring()
        await asyncio.sleep(0.01)


async def until_it_is(look: Callable[[], Awaitable[object]], *, ring: Wakeup | None = None) -> None:
    while not await look():
        if ring is not None:
            ring.ring()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_job_goes_on_when_leasing_fails(judging: JudgeBench, failure: Exception) -> None:
    """It is neither cancelled with the loop nor begun again by the next one, and its slot is given back."""
    await judging.put("v1")
    judging.backlog.leasing = [None, failure]
    async with asyncio.TaskGroup() as jobs:
        with pytest.raises(type(failure)):
            await judging.jobs.run(jobs)
        loop = jobs.create_task(judging.jobs.run(jobs))
        await judging.put("v2")
        await until(lambda: len(judging.work.begun) == 2)
        judging.work.ready.set()
        await until_it_is(lambda: _all_dead(judging, 2))
        loop.cancel()
    assert sorted(judging.work.begun) == ["v1", "v2"]
    assert {row.attempts for row in (await judging.dead()).values()} == {1}
    assert judging.jobs._running == {}


async def test_a_lease_that_ran_out_under_a_job_stays_with_it(judging: JudgeBench) -> None:
    """After the process was paused the job is not begun a second time beside itself, its end is kept, no attempt is counted."""
    await judging.put("v1")
    async with asyncio.TaskGroup() as jobs:
        loop = jobs.create_task(judging.jobs.run(jobs))
        await until(lambda: judging.work.begun)
        judging.clock.advance(LEASE_SECONDS + 1)
        await judging.put("v2")
        await until(lambda: len(judging.work.begun) == 2)
        judging.work.ready.set()
        await until_it_is(lambda: _all_dead(judging, 2))
        loop.cancel()
    assert judging.work.begun == ["v1", "v2"]
    row = (await judging.dead())["v1"]
    assert (row.reason, row.attempts) == ("permanent", 1)


async def test_who_lost_a_lease_drops_its_work(judging: JudgeBench) -> None:
    """While the process stood still another has taken the job: what it does is kept, what we were about is not."""
    judging.jobs.renew_seconds = 0.01
    judging.backlog.leasing = [None, KeyError("a bug")]
    await judging.put("v1")
    async with asyncio.TaskGroup() as jobs:
        # It would renew the lease when it looks for the next job, as it should; cancelled, it might still be about to.
        with pytest.raises(KeyError):
            await judging.jobs.run(jobs)
        await until(lambda: judging.work.begun)
        judging.clock.advance(LEASE_SECONDS + 1)
        another = SqliteBacklog(judging.database, judging.clock)
        (job,) = await another.lease([Lane.PUSH], 1)
        renewing = jobs.create_task(judging.jobs.renew())
        await until(lambda: not judging.jobs._running)
        judging.work.ready.set()
        await another.settle(job, Done(result="pass"))
        renewing.cancel()
    row = await judging.backlog.job(job.id)
    assert row is not None
    assert (row.state, row.reason, row.attempts) == ("done", "pass", 2)


async def test_a_job_that_cannot_be_settled_now_is_settled_later(judging: JudgeBench) -> None:
    """As soon as the store lets us; what was done is not done again, and its neighbours go on."""
    await judging.put("v1", "v2")
    judging.backlog.settling = [StoreUnavailableError("disk full")]
    judging.work.ready.set()
    async with asyncio.TaskGroup() as jobs:
        loop = jobs.create_task(judging.jobs.run(jobs))
        await until_it_is(lambda: _all_dead(judging, 2))
        loop.cancel()
    assert sorted(judging.work.begun) == ["v1", "v2"]
    assert {row.attempts for row in (await judging.dead()).values()} == {1}


async def test_a_job_that_we_fail_to_settle_is_done_again(judging: JudgeBench) -> None:
    """Once its lease has run out; the jobs beside it and the loop go on."""
    await judging.put("v1", "v2")
    judging.backlog.settling = [KeyError("a bug")]
    judging.work.ready.set()
    async with asyncio.TaskGroup() as jobs:
        loop = jobs.create_task(judging.jobs.run(jobs))
        await until_it_is(lambda: _all_dead(judging, 1))
        assert sorted(judging.work.begun) == ["v1", "v2"]
        judging.clock.advance(LEASE_SECONDS + 1)
        judging.backlog._bell.ring()
        await until_it_is(lambda: _all_dead(judging, 2))
        loop.cancel()
    assert len(judging.work.begun) == 3


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_publication_goes_on_when_the_outbox_fails(announcing: AnnounceBench, failure: Exception) -> None:
    """It is neither cancelled with the loop nor begun again by the next one."""
    await announcing.record()
    announcing.outbox.taking = [None, failure]
    async with asyncio.TaskGroup() as publications:
        with pytest.raises(type(failure)):
            await announcing.announcer.run(publications)
        loop = publications.create_task(announcing.announcer.run(publications))
        announcing.work.ready.set()
        await until(lambda: announcing.counted and not announcing.announcer._running)
        loop.cancel()
    assert (announcing.work.begun, announcing.counted) == (["v-1"], ["published"])
    assert await announcing.nothing_is_open()


async def test_a_lease_that_ran_out_under_a_publication_stays_with_it(announcing: AnnounceBench) -> None:
    """After the process was paused nothing is published twice at once; what it notes and its end are kept."""
    await announcing.record()
    async with asyncio.TaskGroup() as publications:
        loop = publications.create_task(announcing.announcer.run(publications))
        await until(lambda: announcing.work.begun)
        announcing.clock.advance(LEASE.total_seconds() + 1)
        await until_it_is(lambda: _renewed(announcing), ring=announcing.outbox._bell)
        announcing.work.ready.set()
        await until(lambda: announcing.counted and not announcing.announcer._running)
        loop.cancel()
    assert (announcing.work.begun, announcing.counted, await announcing.noted()) == (["v-1"], ["published"], "done")
    assert await announcing.nothing_is_open()


async def test_a_publication_that_cannot_be_settled_now_is_settled_later(announcing: AnnounceBench) -> None:
    """As a job."""
    await announcing.record()
    announcing.outbox.settling = [StoreUnavailableError("disk full")]
    announcing.work.ready.set()
    async with asyncio.TaskGroup() as publications:
        loop = publications.create_task(announcing.announcer.run(publications))
        await until(lambda: announcing.counted and not announcing.announcer._running)
        loop.cancel()
    assert (announcing.work.begun, announcing.counted) == (["v-1"], ["published"])
    assert await announcing.nothing_is_open()


async def test_a_publication_that_we_fail_to_settle_is_made_again(announcing: AnnounceBench) -> None:
    """Once its lease has run out; the loop goes on."""
    await announcing.record()
    announcing.outbox.settling = [KeyError("a bug")]
    announcing.work.ready.set()
    async with asyncio.TaskGroup() as publications:
        loop = publications.create_task(announcing.announcer.run(publications))
        await until(lambda: announcing.counted and not announcing.announcer._running)
        announcing.clock.advance(LEASE.total_seconds() + 1)
        await until(lambda: len(announcing.counted) == 2 and not announcing.announcer._running, ring=announcing.outbox._bell)
        loop.cancel()
    assert announcing.work.begun == ["v-1", "v-1"]
    assert await announcing.nothing_is_open()


async def _renewed(bench: AnnounceBench) -> bool:
    """Whether the lease of the publication under way goes on from now."""
    until = await bench.database.read(lambda connection: connection.execute(select(publication.c.lease_until)).scalar_one())
    return until is not None and until > bench.clock()


async def _all_dead(bench: JudgeBench, count: int) -> bool:
    return len(await bench.dead()) == count
