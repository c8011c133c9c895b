"""Old verdicts go, and with them what hangs on them alone; what is true now stays."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.doubles.databases import open_database
from tests.doubles.hand_clock import HandClock
from tests.doubles.verdicts import SUBJECT, a_verdict
from watcher.kit.sqlite import Database
from watcher.model.digest import Digest
from watcher.model.publication import Published, Unwanted
from watcher.model.verdict import Verdict
from watcher.store import retention
from watcher.store.outbox import StoredOutbox
from watcher.store.protocol import Judged
from watcher.store.retention import STEP_VERDICTS, Retention
from watcher.store.tables import findings, publication, verdict
from watcher.store.verdicts import StoredVerdicts

KEEP = timedelta(days=400)


class Bench:
    def __init__(self, database: Database) -> None:
        self.database, self.clock = database, HandClock()
        self.verdicts = StoredVerdicts(database, self.clock)
        self.outbox = StoredOutbox(database, self.clock)
        self.seconds = 1000.0
        self.retention = Retention(database, self.clock, keep=KEEP, monotonic=lambda: self.seconds)

    async def record(self, verdict_id: str, *publishers: str, looked: bool = True, **more: Any) -> Verdict:
        said = a_verdict(id=verdict_id, evaluated_at=self.clock(), **more)
        await self.verdicts.record([Judged(verdict=said, looked=looked)], lambda *_: publishers)
        return said

    async def publish(self) -> None:
        for each in await self.outbox.due(10):
            await self.outbox.settle(each, Published())

    async def kept(self) -> set[str]:
        return {*await self.database.read(lambda connection: connection.execute(select(verdict.c.verdict_id)).scalars().all())}

    async def count(self, table: Any) -> int:
        return int(
            await self.database.read(lambda connection: connection.execute(select(func.count()).select_from(table)).scalar_one())
        )


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_database(tmp_path / "watcher.db") as database:
        yield Bench(database)


async def test_what_was_replaced_long_ago_goes(bench: Bench) -> None:
    """With its publications and with findings that no other verdict has; the newest stays however old it is."""
    await bench.record("old", "log", reason="once")
    await bench.publish()
    bench.clock.advance(86400)
    await bench.record("now", "log")
    await bench.publish()
    assert await bench.retention.prune() == 0
    bench.clock.advance(KEEP.total_seconds() - 10)
    assert await bench.retention.prune() == 1
    assert await bench.kept() == {"now"}
    assert (await bench.count(publication), await bench.count(findings)) == (1, 1)
    bench.clock.advance(10 * KEEP.total_seconds())
    assert await bench.retention.prune() == 0
    assert (await bench.verdicts.latest(SUBJECT.digest)) is not None


async def test_every_subject_keeps_its_own(bench: Bench) -> None:
    """An image in another repository or environment has a verdict of its own, and one that could not look replaces none."""
    await bench.record("here")
    await bench.record("staging", subject=replace(SUBJECT, environment="staging"))
    await bench.record("another", subject=replace(SUBJECT, digest=Digest("sha256:" + "7" * 64)))
    await bench.record("blind", looked=False)
    bench.clock.advance(2 * KEEP.total_seconds())
    await bench.retention.prune()
    assert await bench.kept() == {"here", "staging", "another"}


async def test_of_what_is_gone_the_last_look_stays(bench: Bench) -> None:
    """Nothing is true of it now, and what was said last is still known."""
    for name in ("v-1", "v-2"):
        await bench.record(name)
    await bench.record("v-3", looked=False)
    await bench.verdicts.gone(SUBJECT.registry, SUBJECT.repository, SUBJECT.digest, [])
    bench.clock.advance(KEEP.total_seconds() + 1)
    await bench.retention.prune()
    assert "v-2" in await bench.kept()
    assert "v-1" not in await bench.kept()


async def test_what_is_still_to_be_told_keeps_its_verdict(bench: Bench) -> None:
    """Until it is told, or given up for good."""
    await bench.record("waits", "log")
    (taken,) = await bench.outbox.due(1)
    await bench.record("now")
    bench.clock.advance(2 * KEEP.total_seconds())
    await bench.retention.prune()
    assert await bench.kept() == {"waits", "now"}
    await bench.outbox.settle(taken, Unwanted(reason="filtered"))
    await bench.retention.prune()
    assert await bench.kept() == {"now"}


async def test_what_a_destination_was_told_last_stays(bench: Bench) -> None:
    """Else nobody would know whom to tell that it has passed. What it was told of another environment is another matter."""
    await bench.record("first", "chat")
    await bench.publish()
    await bench.record("told", "chat")
    await bench.publish()
    await bench.record("staging", "chat", subject=replace(SUBJECT, environment="staging"))
    await bench.publish()
    await bench.record("repeats")
    await bench.record("now")
    bench.clock.advance(2 * KEEP.total_seconds())
    await bench.retention.prune()
    assert await bench.kept() == {"told", "staging", "now"}
    await bench.record("passed", "chat")
    (taken,) = await bench.outbox.due(9)
    assert taken.told == "told"


async def test_it_goes_in_steps_past_what_stays(bench: Bench) -> None:
    """However many stay among the old ones, those behind them are reached."""
    subjects = [replace(SUBJECT, digest=Digest(f"sha256:{number:064x}")) for number in range(STEP_VERDICTS + 20)]
    for number, subject in enumerate(subjects):
        await bench.record(f"stays-{number}", subject=subject)
    await bench.record("old")
    await bench.record("now")
    bench.clock.advance(2 * KEEP.total_seconds())
    assert await bench.retention.prune() == 1
    assert await bench.count(verdict) == len(subjects) + 1


async def test_a_step_reads_no_table_whole(bench: Bench) -> None:
    """With a hundred thousand verdicts it costs what it costs with ten."""
    for statement in (retention.replaced([1, 2]), retention.unused([b"1", b"2"])):

        def plan(connection: Any, statement: Any = statement) -> list[str]:
            compiled = statement.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
            values = tuple(compiled.params[name] for name in compiled.positiontup)
            return [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", values)]

        assert not [line for line in await bench.database.read(plan) if line.startswith("SCAN")]


async def test_a_clock_that_was_set_is_believed_after_a_day(bench: Bench) -> None:
    """One that is years ahead for an hour costs no history, whatever is recorded meanwhile."""

    async def later(*, by_clock: float, really: float) -> bool:
        bench.clock.advance(by_clock)
        bench.seconds += really
        return await bench.retention.believes_the_clock()

    await bench.record("v-1")
    assert await later(by_clock=3600, really=3600)
    assert not await later(by_clock=900 * 86400, really=3600)
    await bench.record("v-2")
    assert not await later(by_clock=3600, really=3600)
    assert not await later(by_clock=-900 * 86400, really=3600)
    assert not await later(by_clock=85000, really=85000)
    assert await later(by_clock=3600, really=3600)


async def test_a_clock_that_is_ahead_at_the_start_is_believed_after_a_day(bench: Bench) -> None:
    """Its own verdicts of today do not speak for it; on an empty store there is nothing to lose."""
    assert await Retention(bench.database, bench.clock, keep=KEEP).believes_the_clock()
    await bench.record("v-1")
    bench.clock.advance(900 * 86400)
    assert not await bench.retention.believes_the_clock()
    await bench.record("v-2")
    bench.seconds += 3600
    bench.clock.advance(3600)
    assert not await bench.retention.believes_the_clock()
    bench.seconds += 86400
    bench.clock.advance(86400)
    assert await bench.retention.believes_the_clock()
