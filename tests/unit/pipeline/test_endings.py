"""No job and no publication ends unseen: each has a line in the log, and a number."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.doubles.databases import open_database
from tests.doubles.hand_clock import HandClock
from tests.doubles.routes import sending
from tests.doubles.verdicts import IMAGE, SUBJECT, a_verdict
from watcher.backlog.protocol import Arrival, Dead, Done, Job, Lane, Retry, Settlement
from watcher.backlog.sqlite import LEASE_SECONDS, SqliteBacklog
from watcher.kit.sqlite import Database
from watcher.model.push import Push, Pushed
from watcher.model.reference import Tag
from watcher.pipeline.announce import Announcer
from watcher.pipeline.jobs import Jobs
from watcher.store.outbox import StoredOutbox
from watcher.store.protocol import Judged
from watcher.store.verdicts import StoredVerdicts

NAME = f"{SUBJECT.registry}/{SUBJECT.repository}@{IMAGE}"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(tmp_path / "w.db") as opened:
        yield opened


async def _put(backlog: SqliteBacklog, clock: HandClock) -> None:
    push = Push(registry=SUBJECT.registry, repository=SUBJECT.repository, tag=Tag("v1"), digest=IMAGE)
    await backlog.put([Arrival(source="main", decision=Pushed(push=push), delivery_key="k", received_at=clock())])


async def _ended(database: Database, settlement: Settlement) -> tuple[list[tuple[str, str]], list[Any]]:
    """What is counted and logged when a job ends so."""
    clock, counted = HandClock(), list[tuple[str, str]]()
    backlog = SqliteBacklog(database, clock, max_attempts=1)
    await _put(backlog, clock)
    worked = asyncio.Event()

    async def work(_job: Job) -> Settlement:
        worked.set()
        return settlement

    jobs = Jobs(
        backlog=backlog,
        work=work,
        slots=1,
        done=lambda lane, result: counted.append((lane, result)),
        buried=lambda reason: counted.append(("dead", reason)),
    )
    with capture_logs() as logs:
        async with asyncio.TaskGroup() as group:
            loop = group.create_task(jobs.run(group))
            await worked.wait()
            while jobs._running:
                await asyncio.sleep(0.01)
            loop.cancel()
    return counted, [each for each in logs if each["event"].startswith("job.")]


async def test_a_job_whose_image_is_gone_says_so(database: Database) -> None:
    """It has no verdict that would."""
    counted, (line,) = await _ended(database, Done(result="gone"))
    assert counted == [("push", "gone")]
    assert (line["event"], line["image"], line["result"], line["source"]) == ("job.done", NAME, "gone", "main")


async def test_a_verdict_is_its_own_line(database: Database) -> None:
    """Jobs that end with one are counted, and not told of twice."""
    assert await _ended(database, Done(result="pass")) == ([("push", "pass")], [])


@pytest.mark.parametrize("settlement", [Dead(reason="damaged", detail="x"), Retry(reason="damaged", detail="x")])
async def test_a_dead_letter_says_so(database: Database, settlement: Settlement) -> None:
    """Given up at once, or with its last attempt."""
    counted, (line,) = await _ended(database, settlement)
    assert counted == [("dead", "damaged")]
    assert (line["event"], line["log_level"], line["image"], line["reason"]) == ("job.given_up", "error", NAME, "damaged")


async def test_a_job_that_took_its_worker_down_once_too_often_says_so(database: Database) -> None:
    """Nobody settles it: whoever takes back its lease tells."""
    clock = HandClock()
    backlog = SqliteBacklog(database, clock, max_attempts=1)
    await _put(backlog, clock)
    await backlog.lease(list(Lane), 1)
    clock.advance(LEASE_SECONDS + 1)
    with capture_logs() as logs:
        await backlog.lease(list(Lane), 1)
    (line,) = logs
    assert (line["event"], line["image"], line["reason"]) == ("job.given_up", NAME, "lease-lost")


async def test_a_publication_that_is_given_up_names_image_and_verdict(database: Database) -> None:
    """Whatever it is given up for."""
    clock, counted = HandClock(), list[str]()
    verdicts = StoredVerdicts(database, clock)
    await verdicts.record([Judged(verdict=a_verdict(id="v-1"))], sending({"v-1": ["nobody"]}))
    outbox = StoredOutbox(database, clock)
    announcer = Announcer(
        outbox=outbox, verdicts=verdicts, destinations={}, counted=lambda _publisher, result: counted.append(result)
    )
    (publication,) = await outbox.due(1)
    with capture_logs() as logs:
        await announcer.announce(publication)
    (line,) = logs
    assert (line["event"], line["log_level"], line["image"]) == ("publication.failed", "error", SUBJECT.name)
    assert (line["publisher"], line["verdict_id"], line["reason"]) == ("nobody", "v-1", "no-such-publisher")
    assert counted == ["failed"]
