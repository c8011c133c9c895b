"""What is true of publications that were given up."""

from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, event

from tests.doubles.store_bench import StoreBench, store_bench
from tests.doubles.verdicts import SUBJECT
from watcher.model.digest import Digest
from watcher.model.publication import Published, PublishFailed, PublishLater
from watcher.model.verdict import Outcome


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[StoreBench]:
    async with store_bench(tmp_path / "watcher.db", max_attempts=2) as opened:
        yield opened


async def give_up(bench: StoreBench) -> None:
    """Whatever is due, with a word for why."""
    for each in await bench.outbox.due(99):
        assert await bench.outbox.settle(each, PublishFailed(reason="refused", detail="answered 404")) is not None


async def ids(bench: StoreBench) -> list[str]:
    return [each.id for each in await bench.publications.failed()]


async def test_a_publication_that_failed_is_listed_with_all_that_is_needed_to_decide(bench: StoreBench) -> None:
    """Whom, of which image and verdict, how often, why and when; one that waits or was made is not."""
    await bench.record("v-1", "webhook")
    assert await bench.publications.failed() == []
    await give_up(bench)
    (letter,) = await bench.publications.failed()
    assert (letter.publisher, letter.verdict_id, letter.subject, letter.attempts) == ("webhook", "v-1", SUBJECT, 1)
    assert (letter.reason, letter.detail, letter.failed_at) == ("refused", "answered 404", bench.clock())


async def test_only_the_last_attempt_is_the_end(bench: StoreBench) -> None:
    """Whoever settles hears of it."""
    await bench.record("v-1", "webhook")
    for last in (False, True):
        (taken,) = await bench.outbox.due(9)
        failed = await bench.outbox.settle(taken, PublishLater(reason="late", detail="", delay_seconds=1.0))
        assert (failed is not None) is last
        assert not await bench.outbox.settle(taken, PublishFailed(reason="again", detail=""))
        bench.clock.advance(1)
    assert [each.reason for each in await bench.publications.failed()] == ["late"]


async def test_a_failed_publication_can_be_replayed_once(bench: StoreBench) -> None:
    """With all its attempts before it."""
    await bench.record("v-1", "webhook")
    (taken,) = await bench.outbox.due(9)
    assert not await bench.publications.replay("publication-1")
    await bench.outbox.settle(taken, PublishFailed(reason="refused", detail=""))
    (letter,) = await ids(bench)
    assert await bench.publications.replay(letter)
    assert not await bench.publications.replay(letter)
    assert await ids(bench) == []
    (again,) = await bench.outbox.due(9)
    assert again.attempt == 1
    assert not await bench.outbox.settle(again, Published())


async def test_what_is_replayed_has_all_patience_before_it(bench: StoreBench) -> None:
    """Given up for a receiver that was down for too long, it waits for it as long again."""
    await bench.record("v-1", "webhook")
    down = PublishLater(reason="receiver-unavailable", detail="", outside=True)
    for _ in range(2):
        (taken,) = await bench.outbox.due(9)
        assert taken.attempt == 1
        while await bench.outbox.settle(taken, down) is None:
            bench.clock.advance(86400)
            (taken,) = await bench.outbox.due(9)
        (letter,) = await ids(bench)
        assert await bench.publications.replay(letter)
    (again,) = await bench.outbox.due(9)
    assert again.attempt == 1


@pytest.mark.parametrize("nobody", ["", "publication-", "publication-x", "publication-99", "publication-" + "9" * 30, "1", "job"])
async def test_there_is_no_other_dead_letter(bench: StoreBench, nobody: str) -> None:
    """Whatever is asked for."""
    await bench.record("v-1", "webhook")
    await give_up(bench)
    assert not await bench.publications.replay(nobody)
    assert len(await bench.publications.failed()) == 1


async def test_they_are_listed_newest_first_page_by_page(bench: StoreBench) -> None:
    """Each once."""
    for number in range(5):
        await bench.record(f"v-{number}", "webhook", subject=replace(SUBJECT, digest=Digest(f"sha256:{number:064}")))
    await give_up(bench)
    first = await bench.publications.failed(limit=2)
    rest = await bench.publications.failed(before_id=first[-1].id)
    assert [each.verdict_id for each in (*first, *rest)] == ["v-4", "v-3", "v-2", "v-1", "v-0"]


async def test_a_newer_verdict_takes_the_place_of_what_failed(bench: StoreBench) -> None:
    """Telling the old one then would be wrong; one that says the same to somebody else leaves it."""
    await bench.record("v-1", "log", "webhook")
    await give_up(bench)
    await bench.record("v-2", "log")
    assert [(each.publisher, each.verdict_id) for each in await bench.publications.failed()] == [("webhook", "v-1")]
    await bench.record("v-3", "log", outcome=Outcome.FAIL)
    assert await bench.publications.failed() == []


async def test_what_was_overtaken_is_not_told_when_it_is_replayed(bench: StoreBench) -> None:
    """It failed while a newer verdict of the image waited for it, which was told then."""
    await bench.record("v-1", "log", outcome=Outcome.FAIL)
    first = await bench.take()
    await bench.record("v-2", "log")
    await bench.outbox.settle(first, PublishFailed(reason="receiver-refused", detail=""))
    await bench.outbox.settle(await bench.take(), Published())
    (failed,) = await bench.publications.failed()
    assert await bench.publications.replay(failed.id)
    assert await bench.due() == []
    assert await bench.publications.failed() == []


async def test_what_is_under_way_and_what_failed_is_counted(bench: StoreBench) -> None:
    """Per publisher; what was published is history."""
    await bench.record("v-1", "log", "webhook")
    await give_up(bench)
    await bench.record("v-2", "log", subject=replace(SUBJECT, digest=Digest("sha256:" + "7" * 64)))
    await bench.outbox.due(9)
    await bench.record("v-3", "log", subject=replace(SUBJECT, digest=Digest("sha256:" + "8" * 64)))
    counts = await bench.publications.counts()
    assert counts == {("log", "failed"): 1, ("webhook", "failed"): 1, ("log", "leased"): 1, ("log", "waiting"): 1}


async def test_recording_does_not_read_what_waits_for_others(bench: StoreBench) -> None:
    """However much waits: the publications of a subject are found by it."""
    seen: set[str] = set()

    def executing(_connection: object, _cursor: object, statement: str, *_others: object) -> None:
        seen.update([statement] if statement.startswith("SELECT publication.id, publication.publisher") else [])

    assert bench.database._writing is not None
    event.listen(bench.database._writing, "before_cursor_execute", executing)
    await bench.record("v-1", "log")
    await bench.record("v-2", "log")
    assert len(seen) == 2  # for the first verdict of a subject, and for one that says the same again
    for update in seen:
        plan = await bench.database.read(partial(_plan, update))
        assert "ix_publication_subject (subject=?" in plan


def _plan(update: str, connection: Connection) -> str:
    return str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {update}", ("?",) * update.count("?")).all())
