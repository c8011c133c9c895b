"""Ended between any two steps, and done by another afterwards: registry and store are then as if nothing had been."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.doubles.databases import opened_beside
from tests.doubles.interposed import Death, KilledError, interposed
from tests.doubles.quarantine_bench import APP, BAD, FIXED, GOOD, MemoryBench, quarantine_bench
from watcher.model.digest import Digest
from watcher.model.errors import RetryableError
from watcher.model.quarantine import Measure, Quarantine, QuarantineState, marker_tag
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.model.verdict import Outcome
from watcher.publishing.quarantine.protocol import Condemned
from watcher.publishing.quarantine.publisher import QuarantinePublisher
from watcher.store.subject_locks import StoredSubjectLocks

pytestmark = [pytest.mark.enable_socket, pytest.mark.untraced]

MARKER = marker_tag(BAD.digest)
MEASURES = (Measure.NATIVE, Measure.MARK, Measure.UNPUBLISH)


class Blocking:
    """A registry that can keep an image back."""

    def __init__(self, bench: MemoryBench) -> None:
        self.bench = bench
        self.kept_back: set[Digest] = set()

    async def block(self, image: Condemned) -> None:
        self.kept_back.add(image.digest)

    async def unblock(self, image: Condemned) -> None:
        self.kept_back.discard(image.digest)

    async def is_blocked(self, image: Condemned) -> bool:
        return image.digest in self.kept_back

    async def admit(self, image: Condemned) -> None:
        """It shows what is pushed."""

    async def remove_tag(self, repository: RepositoryName, tag: Tag) -> bool:
        return await self.bench.context.registries.access(self.bench.host).uploads.delete_tag(repository, tag)


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[tuple[MemoryBench, Blocking]]:
    """A bad image with two movable tags, of which one led to a good image before."""
    async with quarantine_bench(_made(folder)) as bench:
        driver = Blocking(bench)
        bench.context = replace(bench.context, driver=lambda _access: driver)
        await bench.known_good()
        await bench.pushed_bad(BAD, "latest", "main", "v2")
        yield bench, driver


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


Ending = Callable[[MemoryBench, QuarantinePublisher], Awaitable[None]]


async def quarantined(bench: MemoryBench, publisher: QuarantinePublisher) -> None:
    (verdict,) = await bench.context.judgements.standing(bench.host, APP, BAD.digest)
    await bench.tell(verdict, publisher)


async def passed(bench: MemoryBench, publisher: QuarantinePublisher) -> None:
    """As soon as it may be."""
    (verdict,) = await bench.context.judgements.standing(bench.host, APP, BAD.digest)
    try:
        await bench.tell(verdict, publisher)
    except RetryableError as error:
        bench.clock.advance(error.retry_after_seconds or 0.0)
        await bench.tell(verdict, publisher)


def timeless(record: Quarantine) -> Quarantine:
    began = record.began_at
    tags = tuple(replace(each, asked_at=began, moved_at=None) for each in record.tags)
    return replace(record, registry=Host(""), changed_at=began, passing_since=None, tags=tags)


async def ends(folder: Path, begins: Ending | None, ending: Ending, death: Death) -> tuple[object, ...]:
    """What is there when it is over, though somebody died over it."""
    async with opened(folder) as (bench, driver):
        if begins is not None:
            await begins(bench, bench.publisher(actions=MEASURES))
            await bench.judged(BAD.digest, Outcome.FAIL, "v2")
            await bench.judged(BAD.digest, Outcome.PASS, "v2")
        mortal = interposed(bench.context, after=death)
        try:
            await ending(bench, bench.publisher(mortal, actions=MEASURES))
        except KilledError:
            await ending(bench, bench.publisher(actions=MEASURES))
        return bench.tags, timeless(await bench.found()), {*driver.kept_back}


async def test_who_carries_it_out_may_end_anywhere(tmp_path: Path) -> None:
    """After whatever is written or noted, and so before the next: who comes then finds out what was done, and does the rest."""
    undisturbed = Death()
    expected = await ends(tmp_path / "0", None, quarantined, undisturbed)
    tags, record, kept_back = expected
    assert tags == {"latest": GOOD.digest, "v2": BAD.digest, MARKER: BAD.digest}
    assert isinstance(record, Quarantine)
    assert (record.state, kept_back) == (QuarantineState.IN_FORCE, {BAD.digest})
    assert {"put_manifest", "remove_tag", "block", "keep", "begin"} <= {*undisturbed.names}
    for at in range(1, undisturbed.points + 1):
        assert await ends(tmp_path / str(at), None, quarantined, Death(at)) == expected, undisturbed.names[at - 1]


async def test_who_releases_it_may_end_anywhere(tmp_path: Path) -> None:
    """The same on the way back."""
    undisturbed = Death()
    expected = await ends(tmp_path / "0", quarantined, passed, undisturbed)
    tags, record, kept_back = expected
    assert tags == {"latest": BAD.digest, "main": BAD.digest, "v2": BAD.digest}
    assert isinstance(record, Quarantine)
    assert (record.state, kept_back) == (QuarantineState.RELEASED, set())
    for at in range(1, undisturbed.points + 1):
        assert await ends(tmp_path / str(at), quarantined, passed, Death(at)) == expected, undisturbed.names[at - 1]


async def test_what_was_cut_off_and_passes_leaves_nothing_behind(tmp_path: Path) -> None:
    """Wherever it had come: the next verdict is the opposite, and everything is as it was."""

    async def cut_off(at: int) -> tuple[int, object]:
        async with opened(tmp_path / str(at)) as (bench, driver):
            death = Death(at)
            try:
                mortal = interposed(bench.context, after=death)
                await quarantined(bench, bench.publisher(mortal, actions=MEASURES))
            except KilledError:
                pass
            await bench.judged(BAD.digest, Outcome.FAIL, "v2")
            await bench.judged(BAD.digest, Outcome.PASS, "v2")
            await passed(bench, bench.publisher(actions=MEASURES))
            return death.points, (bench.tags, {*driver.kept_back})

    points, expected = await cut_off(0)
    assert expected == ({"latest": BAD.digest, "main": BAD.digest, "v2": BAD.digest}, set())
    for at in range(1, points + 1):
        assert (await cut_off(at))[1] == expected, at


async def test_two_processes_that_tell_the_same_do_it_once(tmp_path: Path) -> None:
    """On one store, one after the other, though each has locks of its own."""
    async with opened(tmp_path) as (bench, _), opened_beside(tmp_path / "watcher.db") as other:
        (verdict,) = await bench.context.judgements.standing(bench.host, APP, BAD.digest)
        contexts = [replace(bench.context, locks=StoredSubjectLocks(each, bench.clock)) for each in (other, other)]
        publishers = [bench.publisher(each, actions=MEASURES) for each in contexts]
        await asyncio.gather(*(bench.tell(verdict, each) for each in publishers))
        assert bench.tags == {"latest": GOOD.digest, "v2": BAD.digest, MARKER: BAD.digest}
        assert bench.registry.requests["PUT manifests"] == 2
        assert bench.registry.requests["DELETE manifests"] == 1


@pytest.mark.parametrize("tag", ["latest", "main"])
async def test_a_push_in_the_very_moment_of_our_write_is_not_lost(tmp_path: Path, tag: str) -> None:
    """Between our last look and our write, where the tag is led to a good image and where it is taken away."""
    async with quarantine_bench(tmp_path) as bench:
        await bench.known_good()
        failing = await bench.pushed_bad(BAD, "latest", "main")

        async def push(name: str, arguments: tuple[object, ...]) -> None:
            if name in {"put_manifest", "remove_tag"} and arguments[1] == tag:
                bench.put(FIXED, tag)

        await bench.tell(failing, bench.publisher(interposed(bench.context, before=push)))
        assert bench.tags.get(tag) == (GOOD.digest if tag == "latest" else None)
        bench.clock.advance(1)
        await bench.tell(await bench.pushed(FIXED.digest, tag))
        assert bench.tags[tag] == FIXED.digest
        assert (await bench.steps())[tag] == "overtaken"


async def test_who_ends_after_a_write_that_hid_a_push_gives_the_tag_back(tmp_path: Path) -> None:
    """Whichever of the two verdicts is told first afterwards."""
    for first in (0, 1):
        async with quarantine_bench(_made(tmp_path / str(first))) as bench:
            await bench.known_good()
            failing = await bench.pushed_bad()

            async def push(name: str, arguments: tuple[object, ...], bench: MemoryBench = bench) -> None:
                if name == "put_manifest" and arguments[1] == "latest":
                    bench.put(FIXED, "latest")

            async def end(name: str, arguments: tuple[object, ...]) -> None:
                if name == "put_manifest" and arguments[1] == "latest":
                    raise KilledError

            with pytest.raises(KilledError):
                await bench.tell(failing, bench.publisher(interposed(bench.context, before=push, after=end)))
            assert bench.tags["latest"] == GOOD.digest
            told = [failing, await bench.pushed(FIXED.digest, "latest")]
            bench.clock.advance(6)
            for each in (told[first], told[1 - first]):
                await bench.tell(each)
            assert bench.tags["latest"] == FIXED.digest
