"""What is true of whoever remembers what we wrote, and of the locks on what is edited, whatever keeps them."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from tests.doubles.databases import open_database
from tests.doubles.hand_clock import HandClock
from tests.doubles.inventories import BOTTOM, TOP
from tests.doubles.store_bench import StoreBench
from tests.doubles.verdicts import IMAGE, SUBJECT
from watcher.model.digest import Digest
from watcher.model.verdict import Subject
from watcher.publishing.protocol import SubjectLocks
from watcher.store.own_writes import OwnWriteStore

OTHER = Digest("sha256:" + "d" * 64)


async def test_what_was_claimed_is_known_as_ours(bench: StoreBench) -> None:
    """Before anything is put, its digest is known, and it stays known while its events can come back."""
    await bench.own_writes.claim([IMAGE])
    assert set(await bench.own_writes.claimed([IMAGE, OTHER])) == {IMAGE}
    assert set(await bench.own_writes.claimed([])) == set()
    bench.clock.advance(20 * 86400)
    await bench.own_writes.claim([IMAGE, BOTTOM])
    bench.clock.advance(20 * 86400)
    await bench.own_writes.claim([OTHER])
    assert set(await bench.own_writes.claimed([IMAGE, OTHER, BOTTOM, TOP])) == {IMAGE, OTHER, BOTTOM}
    bench.clock.advance(11 * 86400)
    await bench.own_writes.claim([])
    assert set(await bench.own_writes.claimed([IMAGE, OTHER, BOTTOM])) == {OTHER}


async def test_what_is_seen_again_stays_ours(bench: StoreBench) -> None:
    """For as long as it is; what we removed does not come back by that."""
    await bench.own_writes.claim([IMAGE, OTHER, BOTTOM])
    await bench.own_writes.forget([BOTTOM])
    for _ in range(5):
        bench.clock.advance(20 * 86400)
        await bench.own_writes.keep([IMAGE, BOTTOM, TOP])
        await bench.own_writes.claim([])
    assert set(await bench.own_writes.claimed([IMAGE, OTHER, BOTTOM, TOP])) == {IMAGE}


async def test_what_we_removed_is_somebody_else_s_when_it_comes_again(bench: StoreBench) -> None:
    """Until we put it there again ourselves; and it is known that it was ours."""
    await bench.own_writes.claim([IMAGE, OTHER])
    await bench.own_writes.forget([IMAGE, TOP])
    assert set(await bench.own_writes.claimed([IMAGE, OTHER, TOP])) == {OTHER}
    assert [await bench.own_writes.forgotten(each) for each in (IMAGE, OTHER, TOP)] == [True, False, False]
    await bench.own_writes.claim([IMAGE])
    assert set(await bench.own_writes.claimed([IMAGE])) == {IMAGE}
    assert not await bench.own_writes.forgotten(IMAGE)


async def test_what_somebody_else_claims_is_known_at_once(bench: StoreBench) -> None:
    """A command that runs beside the daemon sees what the daemon writes meanwhile."""
    assert set(await bench.others_writes.claimed([IMAGE])) == set()
    await bench.own_writes.claim([IMAGE])
    assert set(await bench.others_writes.claimed([IMAGE])) == {IMAGE}


async def test_whoever_is_alone_remembers_what_was_claimed_before(tmp_path: Path) -> None:
    """The daemon, after its restart; and what it claims itself is known at once."""
    async with open_database(tmp_path / "watcher.db") as database:
        await OwnWriteStore(database, HandClock()).claim([IMAGE])
        alone = OwnWriteStore(database, HandClock(), alone=True)
        assert set(await alone.claimed([IMAGE, OTHER])) == {IMAGE}
        await alone.claim([OTHER])
        assert set(await alone.claimed([IMAGE, OTHER, TOP])) == {IMAGE, OTHER}


async def test_what_is_always_ours_need_not_be_claimed(tmp_path: Path) -> None:
    """What others write for us, the same each time, is known to whoever is alone; what is claimed besides is still found."""
    async with open_database(tmp_path / "watcher.db") as database:
        for alone in (True, False):
            ours = OwnWriteStore(database, HandClock(), alone=alone, constant=[OTHER])
            assert set(await ours.claimed([OTHER, TOP])) == {OTHER}
            await ours.claim([IMAGE])
            assert set(await ours.claimed([IMAGE, OTHER, TOP])) == {IMAGE, OTHER}


async def test_one_editor_per_subject(bench: StoreBench) -> None:
    """Whoever holds a subject is alone with it; another subject is not held up; nothing is left behind."""
    order: list[str] = []
    entered = asyncio.Event()

    async def edit(name: str, subject: Subject) -> None:
        async with bench.locks.lock(subject):
            order.append(f"{name} in")
            if name == "first":
                entered.set()
                await other_done.wait()
            order.append(f"{name} out")

    other_done = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(edit("first", SUBJECT))
        await entered.wait()
        # Tags and environment are no part of what is edited.
        group.create_task(edit("second", replace(SUBJECT, tags=(), environment=None)))
        await asyncio.sleep(0)
        await edit("other", replace(SUBJECT, digest=OTHER))
        other_done.set()
    assert order == ["first in", "other in", "other out", "first out", "second in", "second out"]
    assert vars(bench.locks)["_queues"] == {}


async def test_another_process_waits_for_a_subject_too(bench: StoreBench) -> None:
    """The lock is kept in the store, so that it holds for whoever works on the store."""
    order: list[str] = []

    async def edit(locks: SubjectLocks, name: str) -> None:
        async with locks.lock(SUBJECT):
            order.append(f"{name} in")
            await asyncio.sleep(0.05)
            order.append(f"{name} out")

    async with asyncio.TaskGroup() as group:
        for name in ("first", "second", "third"):
            group.create_task(edit(bench.locks, name))
            group.create_task(edit(bench.others_locks, f"other {name}"))
    assert [entry.removesuffix(" in") for entry in order[::2]] == [entry.removesuffix(" out") for entry in order[1::2]]
    assert len(order) == 12


async def test_a_subject_is_free_again_when_its_holder_has_died(bench: StoreBench) -> None:
    """Nobody says so for it: its lease passes. Should it only have been asleep, it takes nothing away that is not its own now."""
    holder = bench.others_locks.lock(SUBJECT)
    await holder.__aenter__()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3), bench.locks.lock(SUBJECT):
            raise AssertionError
    bench.clock.advance(16)
    async with bench.locks.lock(SUBJECT):
        await holder.__aexit__(None, None, None)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3), bench.others_locks.lock(SUBJECT):
                raise AssertionError
