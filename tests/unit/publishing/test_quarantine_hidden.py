"""A registry that keeps an image back gives it to nobody, us included: what that says of it, and what it does not."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.doubles.quarantine_bench import BAD, GOOD, MemoryBench, quarantine_bench
from watcher.model.errors import RegistryRefusedError, RetryableError
from watcher.model.quarantine import Measure, QuarantineState, marker_tag
from watcher.model.reference import RepositoryName, Tag
from watcher.model.verdict import Outcome
from watcher.publishing.quarantine.protocol import Condemned
from watcher.testing.faults import Fault

pytestmark = pytest.mark.enable_socket

MARKER = marker_tag(BAD.digest)
MEASURES = (Measure.MARK, Measure.UNPUBLISH, Measure.NATIVE)


class KeepingBack:
    """What it has of an image is refused while that is kept back: by its digest as by its tags."""

    def __init__(self, bench: MemoryBench) -> None:
        self.bench = bench
        self.refuses = False
        self.blocked = False
        self.admitted: list[str] = []

    async def block(self, image: Condemned) -> None:
        if self.refuses:
            raise RegistryRefusedError("may not")
        self.blocked = True
        for name in (BAD.digest, MARKER, "v2"):
            self.bench.registry.faults.add(Fault(method="GET|HEAD", path=f".*/{name}", status=405, times=1000))

    async def unblock(self, image: Condemned) -> None:
        if self.refuses:
            raise RegistryRefusedError("may not")
        self.blocked = False
        self.bench.registry.faults.clear()

    async def is_blocked(self, image: Condemned) -> bool:
        return self.blocked

    async def admit(self, image: Condemned) -> None:
        self.admitted.append(image.reason)

    async def remove_tag(self, repository: RepositoryName, tag: Tag) -> bool:
        return await self.bench.context.registries.access(self.bench.host).uploads.delete_tag(repository, tag)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[MemoryBench]:
    async with quarantine_bench(tmp_path, kind="acr") as opened:
        driver = KeepingBack(opened)
        opened.context = replace(opened.context, driver=lambda _access: driver)
        yield opened


def driver(bench: MemoryBench) -> KeepingBack:
    access = bench.context.registries.access(bench.host)
    found = bench.context.driver(access)
    assert isinstance(found, KeepingBack)
    return found


async def test_what_is_kept_back_is_marked_and_unpublished_first(bench: MemoryBench) -> None:
    """Afterwards nobody could read what the marker is to be; told again, nothing is changed and nothing fails."""
    await bench.known_good()
    verdict = await bench.pushed_bad(BAD, "latest", "v2")
    publisher = bench.publisher(actions=MEASURES, movable_tags="latest|v2")
    for _ in range(2):
        await bench.tell(verdict, publisher)
        assert bench.tags == {"latest": GOOD.digest, MARKER: BAD.digest}
        assert await bench.steps() == {"native": "done", "mark": "done", "latest": "done", "v2": "done"}


async def test_what_is_kept_back_is_not_gone(bench: MemoryBench) -> None:
    """Though the registry says so; once it says that it keeps back nothing, it is."""
    verdict = await bench.pushed_bad(BAD, "latest", "v2")
    await bench.tell(verdict, bench.publisher(actions=MEASURES))
    await bench.gone(verdict)
    assert (await bench.found()).state is QuarantineState.IN_FORCE
    driver(bench).blocked = False
    await bench.gone(verdict)
    assert (await bench.found()).state is QuarantineState.RELEASED


async def test_what_is_kept_back_is_given_out_before_all_else(bench: MemoryBench) -> None:
    """Its tags need its bytes."""
    await bench.known_good()
    publisher = bench.publisher(actions=MEASURES)
    await bench.tell(await bench.pushed_bad(BAD, "latest", "v2"), publisher)
    await bench.judged(BAD.digest, Outcome.FAIL, "v2")
    passing = await bench.judged(BAD.digest, Outcome.PASS, "v2")
    with pytest.raises(RetryableError):
        await bench.tell(passing, publisher)
    bench.clock.advance(600)
    await bench.tell(passing, publisher)
    assert bench.tags == {"latest": BAD.digest, "v2": BAD.digest}
    assert await bench.steps() == {"native": "undone", "mark": "undone", "latest": "undone"}


async def test_a_registry_that_refuses_to_keep_it_back_is_said_to(bench: MemoryBench) -> None:
    """The other measures are taken all the same."""
    driver(bench).refuses = True
    await bench.tell(await bench.pushed_bad(BAD, "latest", "v2"), bench.publisher(actions=MEASURES))
    assert await bench.steps() == {"native": "impossible", "mark": "done", "latest": "done"}
    assert (await bench.found()).steps[Measure.NATIVE].detail == "may not"
    assert (await bench.found()).state is QuarantineState.IN_FORCE


async def test_what_waits_to_be_seen_is_let_through_when_it_passes(bench: MemoryBench) -> None:
    """By who may do what the registry itself can, not in a dry run; what failed before has to have passed for a while."""
    bench.put(GOOD, "v1")
    passing = await bench.judged(GOOD.digest, Outcome.PASS, "v1")
    for settings in ({"actions": (Measure.MARK,)}, {"actions": MEASURES, "dry_run": True}):
        await bench.tell(passing, bench.publisher(**settings))
    assert not driver(bench).admitted
    publisher = bench.publisher(actions=MEASURES)
    await bench.tell(passing, publisher)
    assert driver(bench).admitted == ["the verdict is pass"]
    await bench.tell(await bench.pushed_bad(BAD, "v2"), publisher)
    with pytest.raises(RetryableError):
        await bench.tell(await bench.judged(BAD.digest, Outcome.PASS, "v2"), publisher)
    assert len(driver(bench).admitted) == 1


async def test_what_others_have_blocked_stays_blocked(bench: MemoryBench) -> None:
    """An operator's lock is not ours to take back; when he opens it and the image still fails, we close it ourselves."""
    await bench.known_good()
    verdict = await bench.pushed_bad(BAD, "latest", "v2")
    driver(bench).blocked = True
    await bench.tell(verdict, bench.publisher(actions=MEASURES))
    assert await bench.steps() == {"native": "overtaken", "mark": "done", "latest": "done"}
    assert "by somebody else" in (await bench.found()).steps[Measure.NATIVE].detail
    await bench.judged(BAD.digest, Outcome.FAIL, "v2")
    passing = await bench.judged(BAD.digest, Outcome.PASS, "v2")
    with pytest.raises(RetryableError):
        await bench.tell(passing, bench.publisher(actions=MEASURES))
    bench.clock.advance(600)
    await bench.tell(passing, bench.publisher(actions=MEASURES))
    assert ((await bench.found()).state, driver(bench).blocked) == (QuarantineState.RELEASED, True)
    for locked, state in ((True, "overtaken"), (False, "done")):
        driver(bench).blocked = locked
        failing = await bench.judged(BAD.digest, Outcome.FAIL, "latest", "v2")
        await bench.tell(failing, bench.publisher(actions=MEASURES))
        assert ((await bench.steps())["native"], driver(bench).blocked) == (state, True)


async def test_what_others_keep_back_is_in_force(bench: MemoryBench) -> None:
    """Though nothing else can be done about an image that nobody may read, and it is not taken for gone."""
    verdict = await bench.pushed_bad(BAD, "latest", "v2")
    await driver(bench).block(Condemned(repository=verdict.subject.repository, digest=BAD.digest, reason=""))
    await bench.tell(verdict, bench.publisher(actions=MEASURES))
    await bench.gone(verdict)
    assert (await bench.found()).state is QuarantineState.IN_FORCE
    assert (await bench.steps())["native"] == "overtaken"
