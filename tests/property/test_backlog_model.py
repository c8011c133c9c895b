"""The backlog beside a model of it: whatever happens in whatever order, no job is lost, doubled or worked on twice at once."""

import asyncio
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.doubles.hand_clock import HandClock
from watcher.backlog.protocol import Arrival, Dead, Done, Fate, Job, Lane, Retry
from watcher.backlog.sqlite import SqliteBacklog
from watcher.kit.sqlite import Database
from watcher.model.digest import Digest
from watcher.model.push import Ignored, Push, Pushed
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.store.migrate import migrate

T = TypeVar("T")

DIGESTS = [Digest(f"sha256:{number:064x}") for number in range(3)]
TAGS = [None, Tag("v1"), Tag("v2")]
MAX_ATTEMPTS = 4


class BacklogMachine(RuleBasedStateMachine):
    """`leased` are the jobs this process works on; `states` is what every job must be; `tags` what it must know."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "watcher.db"
        self.clock = HandClock()
        self.deliveries = 0
        self.leased: dict[str, Job] = {}
        self.stale: list[Job] = []
        self.states: dict[str, str] = {}
        self.tags: dict[str, set[str]] = {}
        self.database: Database
        self._start()

    def _start(self) -> None:
        self.database = Database(self.path)
        self.database.own()
        migrate(self.path)
        self._run(self.database.open())
        self.backlog = SqliteBacklog(self.database, self.clock, max_attempts=MAX_ATTEMPTS)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def teardown(self) -> None:
        self._drain()
        self._run(self.database.close())
        self.runner.close()
        self.folder.cleanup()

    @rule(
        digest=st.sampled_from([*DIGESTS, None]),
        tag=st.sampled_from(TAGS),
        lane=st.sampled_from(Lane),
        wait=st.sampled_from([0.0, 5.0]),
        environment=st.sampled_from([None, "qa"]),
        again=st.booleans(),
    )
    def put(self, digest: Digest | None, tag: Tag | None, lane: Lane, wait: float, environment: str | None, again: bool) -> None:
        if digest is None and tag is None:
            tag = TAGS[1]
        if not again:
            self.deliveries += 1
        push = Push(registry=Host("r"), repository=RepositoryName("a"), digest=digest, tag=tag)
        arrival = Arrival(
            source="s",
            decision=Pushed(push=push),
            delivery_key=str(self.deliveries),
            received_at=self.clock(),
            lane=lane,
            wait_seconds=wait,
            environment=environment,
        )
        (receipt,) = self._run(self.backlog.put([arrival]))
        assert receipt.job_id is not None
        if receipt.fate is Fate.ACCEPTED:
            assert receipt.job_id not in self.states, "a new job has a new id"
            self.states[receipt.job_id] = "waiting"
            self.tags[receipt.job_id] = {tag} if tag else set()
            return
        assert receipt.fate is Fate.DUPLICATE
        assert receipt.job_id in self.states, "a duplicate names a job that exists"
        if receipt.reason == "joined":
            assert self.states[receipt.job_id] == "waiting"
            self.tags[receipt.job_id].update([tag] if tag else [])
        elif receipt.reason == "window":
            assert self.states[receipt.job_id] in {"leased", "done"}
            assert tag is None or tag in self.tags[receipt.job_id], "no tag is forgotten"

    @rule(lanes=st.sets(st.sampled_from(Lane), min_size=1), limit=st.integers(1, 3))
    def lease(self, lanes: set[Lane], limit: int) -> None:
        before = dict(self.leased)
        jobs = self._run(self.backlog.lease(lanes, limit))
        self._sync_lost_leases(jobs)
        assert len(jobs) <= limit
        for job in jobs:
            assert job.lane in lanes
            assert self.states[job.id] == "waiting"
            assert set(job.tags) == self.tags[job.id]
            assert job.id not in before or job.attempt > before[job.id].attempt
            self.states[job.id] = "leased"
            self.leased[job.id] = job
        digests = [job.push.digest for job in self.leased.values() if job.push.digest]
        assert len(digests) == len(set(digests)), "never two jobs of one digest at a time"

    def _sync_lost_leases(self, jobs: Any) -> None:
        """Leases that ran out: the job is waiting again (perhaps leased anew just now), or dead after its last attempt."""
        taken = {job.id for job in jobs}
        for job_id in list(self.leased):
            row = self._run(self.backlog.job(job_id))
            assert row is not None
            if row.state == "leased" and job_id not in taken:
                continue
            self.stale.append(self.leased.pop(job_id))
            self.states[job_id] = "waiting" if job_id in taken else row.state
            assert row.state != "dead" or (row.attempts >= MAX_ATTEMPTS and row.reason == "lease-lost")

    @precondition(lambda self: self.leased)
    @rule(data=st.data(), settlement=st.sampled_from(["done", "absorbing", "gone", "retry", "dead"]))
    def settle(self, data: st.DataObject, settlement: str) -> None:
        job = self.leased.pop(data.draw(st.sampled_from(sorted(self.leased))) if len(self.leased) > 1 else next(iter(self.leased)))
        match settlement:
            case "done" | "gone":
                self._run(self.backlog.settle(job, Done(result="gone" if settlement == "gone" else "pass")))
                self.states[job.id] = "done"
            case "absorbing":
                self._run(self.backlog.settle(job, Done(result="pass", absorbed=tuple(DIGESTS))))
                self.states[job.id] = "done"
                self._sync_absorbed()
            case "retry":
                self._run(self.backlog.settle(job, Retry(reason="r", detail="")))
                self.states[job.id] = "dead" if job.attempt >= MAX_ATTEMPTS else "waiting"
            case _:
                self._run(self.backlog.settle(job, Dead(reason="r", detail="")))
                self.states[job.id] = "dead"

    def _sync_absorbed(self) -> None:
        for job_id, state in self.states.items():
            if state == "waiting":
                row = self._run(self.backlog.job(job_id))
                assert row is not None
                if row.state == "done":
                    assert row.reason == "absorbed"
                    assert not self.tags[job_id], "a job that knows a tag is not absorbed"
                    self.states[job_id] = "done"

    @precondition(lambda self: self.stale)
    @rule(data=st.data())
    def settle_too_late(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(self.stale))
        self._run(self.backlog.settle(job, Done(result="pass", absorbed=tuple(DIGESTS))))

    @rule(seconds=st.sampled_from([1.0, 6.0, 11.0, 61.0, 301.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @precondition(lambda self: self.leased)
    @rule()
    def renew(self) -> None:
        self._run(self.backlog.renew(list(self.leased.values())))

    @rule(recover=st.booleans())
    def restart(self, recover: bool) -> None:
        """The process ends, taking its leases with it, and starts again."""
        self._run(self.database.close())
        self._start()
        if recover:
            assert self._run(self.backlog.recover()) == len(self.leased)
            for job in self.leased.values():
                self.states[job.id] = "dead" if job.attempt >= MAX_ATTEMPTS else "waiting"
            self.stale.extend(self.leased.values())
            self.leased.clear()

    @rule()
    def replay(self) -> None:
        for row in self._run(self.backlog.dead_letters(limit=1)):
            assert self._run(self.backlog.replay(row.id))
            # Its earlier holders are no longer told apart by the number of their attempt, so they are let go.
            self.stale = [job for job in self.stale if job.id != row.id]
            self.states[row.id] = "waiting"

    @rule()
    def ignore(self) -> None:
        self.deliveries += 1
        arrival = Arrival(source="x", decision=Ignored(reason="pull"), delivery_key=str(self.deliveries), received_at=self.clock())
        (receipt,) = self._run(self.backlog.put([arrival]))
        assert receipt.job_id is None

    @invariant()
    def every_job_is_what_it_must_be(self) -> None:
        counted = self._run(self.backlog.depth()).jobs
        for state in ("waiting", "leased", "dead"):
            expected = sum(1 for each in self.states.values() if each == state)
            assert sum(number for (_, found), number in counted.items() if found == state) == expected, state

    def _drain(self) -> None:
        """In the end every job that was taken in can be worked off, once."""
        self._run(self.backlog.recover())
        self.leased.clear()
        for _ in range(len(self.states) * MAX_ATTEMPTS + 1):
            self.clock.advance(301)
            jobs = self._run(self.backlog.lease(tuple(Lane), 100))
            for job in jobs:
                self._run(self.backlog.settle(job, Done(result="pass")))
            if not jobs:
                break
        for job_id in self.states:
            row = self._run(self.backlog.job(job_id))
            assert row is not None
            assert row.state in {"done", "dead"}


TestBacklog = BacklogMachine.TestCase
TestBacklog.settings = settings(max_examples=25, stateful_step_count=40)
