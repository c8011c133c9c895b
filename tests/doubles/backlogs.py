"""A backlog with a clock that a test moves."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from tests.doubles.databases import open_database
from tests.doubles.hand_clock import HandClock
from watcher.backlog.protocol import Arrival, Job, Lane, Receipt
from watcher.backlog.sqlite import SqliteBacklog
from watcher.model.digest import Digest
from watcher.model.push import Push, Pushed
from watcher.model.reference import Host, RepositoryName, Tag

HOST = Host("registry.example.com")
APP = RepositoryName("team/app")
A, B, C = (Digest(f"sha256:{letter * 64}") for letter in "abc")
ALL = tuple(Lane)
DAY = 86400.0
# Every backlog there is, by what the suites call it.
BACKLOGS = {"sqlite": SqliteBacklog}


@dataclass(frozen=True, kw_only=True)
class BacklogBench:
    backlog: SqliteBacklog
    clock: HandClock
    numbers: "count[int]"

    def arrival(self, digest: Digest | None = A, tag: str | None = None, **changes: Any) -> Arrival:
        """A push with a delivery key of its own."""
        push = Push(registry=HOST, repository=APP, digest=digest, tag=Tag(tag) if tag else None)
        arrival = Arrival(
            source="main", decision=Pushed(push=push), delivery_key=f"delivery-{next(self.numbers)}", received_at=self.clock()
        )
        return replace(arrival, **changes)

    async def put(self, digest: Digest | None = A, tag: str | None = None, **changes: Any) -> Receipt:
        (receipt,) = await self.backlog.put([self.arrival(digest, tag, **changes)])
        return receipt

    async def lease(self, *lanes: Lane) -> Job:
        (job,) = await self.backlog.lease(lanes or ALL, 1)
        return job

    async def state(self, job_id: str | None) -> str:
        row = await self.backlog.job(job_id or "")
        assert row is not None
        return row.state


@asynccontextmanager
async def open_backlog(name: str, tmp_path: Path) -> AsyncIterator[BacklogBench]:
    clock = HandClock()
    async with open_database(tmp_path / "watcher.db") as database:
        backlog = BACKLOGS[name](database, clock, max_attempts=3, patience_seconds=DAY, jitter=lambda: 0.5)
        yield BacklogBench(backlog=backlog, clock=clock, numbers=count())
