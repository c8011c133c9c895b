import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from tests.doubles.databases import open_database
from tests.doubles.routes import nobody
from tests.doubles.verdicts import FINDING, MOMENT, SUBJECT, a_verdict
from watcher.kit.sqlite import Database
from watcher.model.digest import Digest
from watcher.store.kept_verdicts import KeptVerdicts
from watcher.store.protocol import Judged
from watcher.store.verdicts import StoredVerdicts


class Counting:
    """A database that counts what is read, and can hold back what is written."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.reads = 0
        self.troubled = False
        self.may_write = asyncio.Event()
        self.may_write.set()

    async def read(self, run: Callable[[Connection], Any]) -> Any:
        self.reads += 1
        return await self._database.read(run)

    @property
    def in_trouble(self) -> bool:
        return self.troubled or self._database.in_trouble

    async def write(self, run: Callable[[Connection], Any]) -> Any:
        await self.may_write.wait()
        return await self._database.write(run)


async def test_what_is_asked_twice_is_read_once(tmp_path: Path) -> None:
    """Until a verdict is recorded, or its image is gone: then it is read anew."""
    async with open_database(tmp_path / "watcher.db") as database:
        counting = Counting(database)
        store = StoredVerdicts(counting, lambda: MOMENT)
        await store.record([Judged(verdict=a_verdict(id="first"))], nobody)
        for _ in range(3):
            assert (await store.latest(SUBJECT.digest)) == await store.latest(SUBJECT.digest, registry=SUBJECT.registry)
        assert counting.reads == 2
        await store.record([Judged(verdict=a_verdict(id="second", findings=(FINDING,)))], nobody)
        newest = await store.latest(SUBJECT.digest)
        assert newest is not None
        assert newest.id == "second"
        await store.gone(SUBJECT.registry, SUBJECT.repository, SUBJECT.digest, ())
        reads = counting.reads
        for _ in range(2):
            await store.latest(SUBJECT.digest)
        assert counting.reads == reads + 4, "what stands no more is looked for each time"


async def test_a_store_in_trouble_is_asked_itself(tmp_path: Path) -> None:
    """What could not be read is not answered from memory; when the trouble has ended it is again."""
    async with open_database(tmp_path / "watcher.db") as database:
        counting = Counting(database)
        store = StoredVerdicts(counting, lambda: MOMENT)
        await store.record([Judged(verdict=a_verdict())], nobody)
        reads = []
        for troubled in (False, False, True, True, False):
            counting.troubled = troubled
            await store.latest(SUBJECT.digest)
            reads.append(counting.reads)
        assert reads == [1, 1, 2, 3, 3]


async def test_a_write_that_was_cut_off_counts_when_it_happens(tmp_path: Path) -> None:
    """Its caller is cancelled, and what was read meanwhile is not what is answered afterwards."""
    async with open_database(tmp_path / "watcher.db") as database:
        counting = Counting(database)
        store = StoredVerdicts(counting, lambda: MOMENT)
        await store.record([Judged(verdict=a_verdict(id="first"))], nobody)
        counting.may_write.clear()
        recording = asyncio.create_task(store.record([Judged(verdict=a_verdict(id="second", findings=(FINDING,)))], nobody))
        while not counting.may_write._waiters:
            await asyncio.sleep(0)
        recording.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await recording
        assert (await store.latest(SUBJECT.digest)) is not None
        counting.may_write.set()
        async with asyncio.timeout(60):
            while (newest := await store.latest(SUBJECT.digest)) is None or newest.id != "second":
                await asyncio.sleep(0)


def test_as_many_as_there_is_room_for() -> None:
    """Counted by their findings; the oldest go first."""
    kept = KeptVerdicts(most_findings=4)
    for number in range(3):
        kept.keep(number, a_verdict(id=str(number), findings=(FINDING,)), writes=0)
    assert [kept.get(number) is not None for number in range(3)] == [False, True, True]
    kept.keep("large", a_verdict(findings=(FINDING,) * 9), writes=0)
    assert kept.get("large") is None


def test_what_was_read_during_a_write_is_not_kept() -> None:
    """It may be from before it."""
    kept = KeptVerdicts()
    kept.changed()
    kept.keep(Digest("sha256:x"), a_verdict(), writes=0)
    assert kept.get(Digest("sha256:x")) is None
