"""A registry, and a receiver, that are down for hours of virtual time: who waits, who looks, and what comes of it all."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TypeVar

import pytest
from sqlalchemy import Connection, create_engine, select
from sqlalchemy.pool import StaticPool
from structlog.testing import capture_logs

from tests.doubles.routes import sending
from tests.doubles.verdicts import SUBJECT, a_verdict
from tests.doubles.virtual_time import now, virtual_time
from watcher.backlog import tables as backlog_tables
from watcher.backlog.protocol import Arrival, Done, Job, Lane, Retry, Settlement
from watcher.backlog.sqlite import PATIENCE_SECONDS, SqliteBacklog
from watcher.model.errors import RetryableError, ThrottledError
from watcher.model.push import Push, Pushed
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.model.verdict import Verdict
from watcher.pipeline.announce import Announcer, place_name
from watcher.pipeline.destinations import Destination
from watcher.pipeline.jobs import Jobs
from watcher.pipeline.outages import LONGEST_DELAY_SECONDS, UNHEARD, Outages
from watcher.publishing.protocol import Progress
from watcher.publishing.receiver import ReceiverUnavailableError
from watcher.store import tables as store_tables
from watcher.store.outbox import StoredOutbox
from watcher.store.protocol import Judged
from watcher.store.tables import publication
from watcher.store.verdicts import StoredVerdicts

pytestmark = pytest.mark.untraced

T = TypeVar("T")
DOWN, UP = Host("down.example.com"), Host("up.example.com")
HOURS = 6 * 3600.0
JOBS = 200
STORED = "stored"
START = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)


class InlineDatabase:
    """In memory, and on the caller's thread: a thread would take real time."""

    def __init__(self) -> None:
        self._engine = create_engine("sqlite://", poolclass=StaticPool)
        for metadata in (store_tables.metadata, backlog_tables.metadata):
            metadata.create_all(self._engine)

    @property
    def in_trouble(self) -> bool:
        return False

    async def write(self, run: Callable[[Connection], T]) -> T:
        with self._engine.begin() as connection:
            return run(connection)

    read = write


def clock() -> datetime:
    return START + timedelta(seconds=now())


@dataclass
class Registry:
    """One that is down until some time, and what was asked of it. A failure takes as long as the client's, `silent_seconds`."""

    down_until: float
    asked_seconds: float | None = None
    silent_seconds: float = 4.0
    tried: list[float] = field(default_factory=list)
    done: list[tuple[Host, float]] = field(default_factory=list)
    tried_up: list[float] = field(default_factory=list)
    working: int = 0
    most: int = 0

    async def work(self, job: Job) -> Settlement:
        host = job.push.registry
        if host == UP or job.source == STORED:
            self.done.append((host, now()))
            return Done(result="pass")
        self.tried.append(now())
        self.working += 1
        self.most = max(self.most, self.working)
        await asyncio.sleep(self.silent_seconds if now() < self.down_until else 0.5)
        self.working -= 1
        if now() < self.down_until:
            return Retry(reason="registry-unavailable", detail="down", delay_seconds=self.asked_seconds, outside=True)
        self.done.append((host, now()))
        return Done(result="pass")


class PatientBacklog(SqliteBacklog):
    """Looks every five seconds, not every second."""

    async def wait(self, seconds: float) -> None:
        await super().wait(5 * seconds)


class PatientOutbox(StoredOutbox):
    """As PatientBacklog."""

    async def wait(self, seconds: float) -> None:
        await super().wait(10 * seconds)


def make_jobs(registry: Registry, buried: list[str], patience_seconds: float = PATIENCE_SECONDS) -> Jobs:
    backlog = PatientBacklog(InlineDatabase(), clock, patience_seconds=patience_seconds)  # type: ignore[arg-type]  # as far as it is asked
    return Jobs(
        backlog=backlog,
        work=registry.work,
        slots=5,
        outages=Outages(kind="registry", clock=now, most_unheard=UNHEARD, jitter=Random(7).random),
        buried=buried.append,
        asks=lambda job: job.source != STORED,
    )


async def put(jobs: Jobs, host: Host, tags: Sequence[str], *, source: str = "main") -> None:
    pushes = [Push(registry=host, repository=RepositoryName("team/app"), tag=Tag(tag)) for tag in tags]
    await jobs.backlog.put(
        [
            Arrival(
                source=source, decision=Pushed(push=push), delivery_key=f"{host}/{push.tag}", received_at=clock(), lane=Lane.PUSH
            )
            for push in pushes
        ]
    )


async def run(jobs: Jobs, beside: Awaitable[None]) -> None:
    """The loop, until `beside` has ended."""
    async with asyncio.TaskGroup() as group:
        loop = group.create_task(jobs.run(group))
        await beside
        loop.cancel()


async def until(true: Callable[[], object]) -> None:
    while not true():
        await asyncio.sleep(1.0)


@virtual_time
async def test_a_registry_that_is_down_for_six_hours() -> None:
    """Every job is done afterwards, none is a dead letter; one looks at a time, twice a minute; others are judged meanwhile."""
    registry, buried = Registry(HOURS), list[str]()
    jobs = make_jobs(registry, buried)

    async def beside() -> None:
        await put(jobs, DOWN, [f"v{number}" for number in range(JOBS)])
        pushed = []
        for hour in range(6):
            await asyncio.sleep(3600.0)
            pushed.append(now())
            await put(jobs, UP, [f"v{hour}"])
        await until(lambda: len(registry.done) == JOBS + 6)
        elsewhere = [moment for host, moment in registry.done if host == UP]
        assert all(done - moment < 10 for moment, done in zip(pushed, elsewhere, strict=True))

    await run(jobs, beside())
    in_vain = [moment for moment in registry.tried if moment < HOURS]
    assert len(in_vain) < HOURS / LONGEST_DELAY_SECONDS + 20
    assert (buried, registry.most) == ([], 4)  # as many as the lane has slots, before it was known and after it was over
    assert max(moment for _, moment in registry.done) < HOURS + 2 * LONGEST_DELAY_SECONDS + JOBS


@virtual_time
async def test_a_registry_that_swallows_requests_does_not_hold_up_others() -> None:
    """It answers nothing, and each job waits a minute for it: a few at a time, while others are judged at once."""
    registry, buried = Registry(float("inf"), silent_seconds=60.0), list[str]()
    jobs = make_jobs(registry, buried)

    async def beside() -> None:
        await put(jobs, DOWN, [f"v{number}" for number in range(JOBS)])
        await asyncio.sleep(1.0)
        for number in range(10):
            pushed = now()
            await put(jobs, UP, [f"v{number}"])
            await until(lambda: len(registry.done) == len(registry.tried_up) + 1)
            registry.tried_up.append(now() - pushed)
            await asyncio.sleep(20.0)

    await run(jobs, beside())
    assert max(registry.tried_up) <= 6.0
    assert registry.most == UNHEARD


@virtual_time
async def test_what_asks_no_registry_says_nothing_of_it() -> None:
    """An image that is judged by what is stored of it is done while its registry is down, which is looked at no more often."""
    registry, buried = Registry(3600.0), list[str]()
    jobs = make_jobs(registry, buried)

    async def beside() -> None:
        await put(jobs, DOWN, [f"v{number}" for number in range(20)])
        for number in range(120):
            await put(jobs, DOWN, [f"stored-{number}"], source=STORED)
            await asyncio.sleep(20.0)
        await until(lambda: len(registry.done) == 140)

    await run(jobs, beside())
    in_vain = [moment for moment in registry.tried if moment < 3600.0]
    assert len(in_vain) < 3600.0 / LONGEST_DELAY_SECONDS + 20
    assert len([moment for _, moment in registry.done if moment < 3600.0]) > 60


@virtual_time
async def test_what_a_registry_asks_for_is_waited_for() -> None:
    """For hours too, and not longer than it asks."""
    registry, buried = Registry(3600.0, asked_seconds=90.0), list[str]()
    jobs = make_jobs(registry, buried)

    async def beside() -> None:
        await put(jobs, DOWN, [f"v{number}" for number in range(10)])
        await until(lambda: len(registry.done) == 10)

    await run(jobs, beside())
    later = [second - first for first, second in zip(registry.tried[10:], registry.tried[11:], strict=False) if second < 3600.0]
    assert later
    assert all(90.0 <= gap <= 100.0 for gap in later)
    assert now() < 3600.0 + 120.0
    assert not buried


@virtual_time
async def test_patience_ends_and_says_so() -> None:
    """A registry that never comes back makes dead letters at last: in the log, with the image, and counted."""
    registry, buried = Registry(float("inf"), asked_seconds=300.0), list[str]()
    jobs = make_jobs(registry, buried, HOURS)

    async def beside() -> None:
        await put(jobs, DOWN, ["v1"])
        await until(lambda: buried)

    with capture_logs() as lines:
        await run(jobs, beside())
    assert HOURS <= now() < HOURS + 600
    (line,) = [line for line in lines if line["event"] == "job.given_up"]
    assert (line["image"], line["reason"]) == (f"{DOWN}/team/app:v1", "registry-unavailable")
    assert buried == ["registry-unavailable"]
    assert [line["kind"] for line in lines if line["event"] == "outage.begun"] == ["registry"]


class Receiver:
    """A publisher whose destination is down until some time."""

    name = "hook"

    def __init__(self, down_until: float, error: RetryableError) -> None:
        self.down_until, self.error = down_until, error
        self.tried: list[float] = []
        self.told: list[str] = []

    async def open(self) -> None: ...

    async def aclose(self) -> None: ...

    async def publish(self, verdict: Verdict, progress: Progress) -> None:
        self.tried.append(now())
        if now() < self.down_until:
            raise self.error
        self.told.append(verdict.id)


async def announced(receiver: Receiver, count: int) -> list[str]:
    """What all publications ended as, once nothing is open."""
    database = InlineDatabase()
    verdicts, outbox = StoredVerdicts(database, clock), PatientOutbox(database, clock, patience=timedelta(seconds=HOURS))
    announcer = Announcer(
        outbox=outbox,
        verdicts=verdicts,
        destinations={"hook": Destination(publisher=receiver)},
        counted=lambda _publisher, _result: None,
        outages=Outages(kind="publisher", label=place_name, clock=now, jitter=Random(7).random),
    )
    for number in range(count):
        subject = a_verdict(id=f"v-{number}", subject=_subject(number))
        await verdicts.record([Judged(verdict=subject)], sending({subject.id: ["hook"]}))

    async def states() -> list[str]:
        return await database.read(lambda connection: list(connection.execute(select(publication.c.state)).scalars()))

    async with asyncio.TaskGroup() as group:
        loop = group.create_task(announcer.run(group))
        while {"waiting", "leased"} & {*await states()}:
            await asyncio.sleep(15.0)
        loop.cancel()
    return await states()


def _subject(number: int) -> object:
    return type(SUBJECT)(
        registry=SUBJECT.registry, repository=RepositoryName(f"team/app{number}"), digest=SUBJECT.digest, tags=(), environment=""
    )


@virtual_time
async def test_a_receiver_that_is_down_for_hours_is_told_afterwards() -> None:
    """Every verdict, none given up, and it is asked by one at a time."""
    receiver = Receiver(HOURS / 2, ReceiverUnavailableError("down"))
    assert await announced(receiver, 20) == ["published"] * 20
    assert len([moment for moment in receiver.tried if moment < HOURS / 2]) < HOURS / 2 / LONGEST_DELAY_SECONDS * 1.4 + 20
    assert now() < HOURS / 2 + 120.0


@virtual_time
async def test_a_receiver_that_wants_to_be_asked_at_once_is_told_when_it_is_back() -> None:
    """503 and `Retry-After: 0`, for a minute: as often as it asks, and as soon as it answers."""
    receiver = Receiver(60.0, ReceiverUnavailableError("503", retry_after_seconds=1.0))
    assert await announced(receiver, 1) == ["published"]
    assert now() < 80.0


@virtual_time
async def test_a_receiver_that_never_comes_back_is_listed() -> None:
    """When patience has ended, as failed."""
    receiver = Receiver(float("inf"), ThrottledError("busy", retry_after_seconds=300.0))
    assert await announced(receiver, 1) == ["failed"]
    assert HOURS <= now() < HOURS + 600
