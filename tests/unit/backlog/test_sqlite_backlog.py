"""What only the embedded backlog promises: bounded rows, cheap looks, the default jitter."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from tests.doubles.databases import open_database
from tests.doubles.hand_clock import HandClock
from watcher.backlog import sqlite, sqlite_intake
from watcher.backlog.protocol import Arrival, Dead, Job, Lane, Retry
from watcher.backlog.sqlite import SqliteBacklog
from watcher.kit.sqlite import Database
from watcher.model.digest import Digest
from watcher.model.push import Push, Pushed, Rejected
from watcher.model.reference import Host, RepositoryName

A = Digest("sha256:" + "a" * 64)
PUSH = Push(registry=Host("registry.example.com"), repository=RepositoryName("team/app"), digest=A)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(tmp_path / "watcher.db") as opened:
        yield opened


async def test_what_is_kept_of_a_rejected_event_is_bounded(database: Database, clock: HandClock) -> None:
    """At most 4 KiB of the body and 2000 characters of the reason; of an accepted event nothing of the body."""
    backlog = SqliteBacklog(database, clock)
    rejected = Rejected(reason="invalid-json", detail="x" * 9000)
    kept = {"excerpt": b"{" * 9000, "body_sha256": "ff", "body_bytes": 9000, "received_at": clock()}
    await backlog.put([Arrival(source="main", decision=rejected, delivery_key="1", **kept)])  # type: ignore[arg-type]
    await backlog.put([Arrival(source="main", decision=Pushed(push=PUSH), delivery_key="2", **kept)])  # type: ignore[arg-type]
    statement = "SELECT length(excerpt), body_sha256, body_bytes, length(detail) FROM event ORDER BY id"
    found = await database.read(lambda connection: connection.exec_driver_sql(statement).all())
    assert [tuple(row) for row in found] == [(4096, "ff", 9000, 2000), (None, None, None, 0)]


async def test_the_detail_of_a_dead_letter_is_bounded(database: Database, clock: HandClock) -> None:
    """However long an error's text is."""
    backlog = SqliteBacklog(database, clock)
    await backlog.put([Arrival(source="main", decision=Pushed(push=PUSH), delivery_key="1", received_at=clock())])
    (job,) = await backlog.lease([Lane.PUSH], 1)
    await backlog.settle(job, Dead(reason="worker-failed", detail="x" * 9000))
    assert len((await backlog.dead_letters())[0].detail) == 2000


@pytest.mark.parametrize(("jitter", "first", "last"), [(0.0, 1.5, 225.0), (0.5, 2.0, 300.0), (0.999, 2.499, 374.85)])
def test_the_delay_doubles_up_to_five_minutes_and_is_spread(jitter: float, first: float, last: float) -> None:
    """Jobs that failed together come back apart; no number of attempts makes it longer."""
    backlog = SqliteBacklog(Database(Path("never-opened.db")), HandClock(), jitter=lambda: jitter)
    assert backlog._delay(1, None) == pytest.approx(first)
    assert backlog._delay(9, None) == backlog._delay(10**9, None) == pytest.approx(last)


def test_a_delay_that_is_asked_for_is_bounded() -> None:
    """A registry cannot park a job for a week, nor ask for the past."""
    backlog = SqliteBacklog(Database(Path("never-opened.db")), HandClock())
    assert [backlog._delay(1, asked) for asked in (-5.0, 30.0, 604800.0)] == [0.0, 30.0, 3600.0]


async def test_a_retry_moves_to_the_time_it_was_given(database: Database, clock: HandClock) -> None:
    """Without a jitter of the test's own the delay is within a quarter of its nominal value."""
    backlog = SqliteBacklog(database, clock)
    await backlog.put([Arrival(source="main", decision=Pushed(push=PUSH), delivery_key="1", received_at=clock())])
    (job,) = await backlog.lease([Lane.PUSH], 1)
    await backlog.settle(job, Retry(reason="registry-unavailable", detail=""))
    clock.advance(1.49)
    assert await backlog.lease([Lane.PUSH], 1) == []
    clock.advance(1.02)
    assert len(await backlog.lease([Lane.PUSH], 1)) == 1


@pytest.mark.parametrize(
    ("statement", "values", "index"),
    [
        (sqlite_intake._SEEN.format("?,?"), (b"k", b"l"), "sqlite_autoindex_event_1"),
        (sqlite_intake._MET.format("?,?"), (b"s", b"t", 0.0), "ix_job_subject"),
        (sqlite._DELETED, ("h", "r", 0.0), "ix_event_deleted"),
        (sqlite._NEXT, ("push", 0.0), "ix_job_waiting"),
        (sqlite._RELEASE, {"most": 1, "now": 0.0, "until": 0.0}, "ix_job_leased"),
        (sqlite._PRUNE_JOBS, (0.0, 1), "ix_job_done"),
        (sqlite._ABSORB, (0.0, "", "s"), "ix_job_subject"),
    ],
)
async def test_what_runs_often_reads_an_index(
    database: Database, statement: str, values: tuple[object, ...] | dict[str, object], index: str
) -> None:
    """A history of millions of jobs makes neither intake nor leasing slower."""

    def plan(connection: Connection) -> str:
        return " ".join(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values))

    said = await database.read(plan)
    assert f"INDEX {index}" in said
    assert "SCAN job" not in said.replace(f"SCAN job USING INDEX {index}", "")


async def test_leasing_from_a_long_queue_of_one_digest_is_bounded(database: Database, clock: HandClock) -> None:
    """While one job of a digest runs, others of it in other environments wait and others overtake them."""
    backlog = SqliteBacklog(database, clock)
    arrivals = [
        Arrival(source="main", decision=Pushed(push=PUSH), delivery_key=str(number), received_at=clock(), environment=f"e{number}")
        for number in range(50)
    ]
    await backlog.put(arrivals)
    other = Push(registry=PUSH.registry, repository=PUSH.repository, digest=Digest("sha256:" + "b" * 64))
    await backlog.put([Arrival(source="main", decision=Pushed(push=other), delivery_key="other", received_at=clock())])
    leased: list[Job] = list(await backlog.lease([Lane.PUSH], 9))
    assert [job.push.digest for job in leased] == [A, other.digest]
