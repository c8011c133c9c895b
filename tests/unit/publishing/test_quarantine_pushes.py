"""Whose a tag is that was led away from a bad image, by what events say of pushes since."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.doubles.quarantine_bench import BAD, FIXED, GOOD, MemoryBench, quarantine_bench
from watcher.backlog.protocol import Lane
from watcher.model.errors import RetryableError
from watcher.model.verdict import Outcome, Verdict
from watcher.testing.images import build_image, build_layer

pytestmark = pytest.mark.enable_socket

LATER = build_image([build_layer({"app": "four"})])


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[MemoryBench]:
    async with quarantine_bench(tmp_path) as opened:
        yield opened


async def in_quarantine(bench: MemoryBench) -> Verdict:
    await bench.known_good()
    verdict = await bench.pushed_bad(BAD, "latest", "v2")
    await bench.tell(verdict)
    assert bench.tags["latest"] == GOOD.digest
    await bench.judged(BAD.digest, Outcome.FAIL, "v2")
    return verdict


async def passes(bench: MemoryBench) -> None:
    """It is let go as soon as it may be."""
    passing = await bench.judged(BAD.digest, Outcome.PASS, "v2")
    with pytest.raises(RetryableError):
        await bench.tell(passing)
    bench.clock.advance(600)
    await bench.tell(passing)


async def test_who_rolls_back_to_where_we_led_a_tag_has_it(bench: MemoryBench) -> None:
    """The tag had gone on and came back: it is his, and stays when the image passes."""
    await in_quarantine(bench)
    bench.clock.advance(3600)
    bench.put(FIXED, "latest")
    await bench.tell(await bench.pushed(FIXED.digest, "latest", Outcome.PASS, "latest"))
    assert (await bench.steps())["latest"] == "overtaken"
    bench.put(GOOD, "latest")
    await passes(bench)
    assert bench.tags["latest"] == GOOD.digest


async def test_a_push_counts_before_its_verdict(bench: MemoryBench) -> None:
    """Nobody was told of what was pushed when the image is let go."""
    await in_quarantine(bench)
    bench.clock.advance(3600)
    bench.put(FIXED, "latest")
    await bench.heard(FIXED.digest, "latest")
    bench.clock.advance(60)
    bench.put(GOOD, "latest")
    await passes(bench)
    (move,) = (await bench.found()).tags
    assert (bench.tags["latest"], move.state) == (GOOD.digest, "left")
    assert move.detail == f"{FIXED.digest} was pushed by it since"


async def test_who_pushes_what_we_led_the_tag_to_has_it(bench: MemoryBench) -> None:
    """Long after our own write, whose event is no news."""
    await in_quarantine(bench)
    bench.clock.advance(1)
    await bench.tell(await bench.pushed(GOOD.digest, "latest", Outcome.PASS, "latest"))
    assert (await bench.steps())["latest"] == "done"
    bench.clock.advance(3600)
    await bench.tell(await bench.pushed(GOOD.digest, "latest", Outcome.PASS, "latest"))
    assert (await bench.steps())["latest"] == "overtaken"


async def test_a_push_that_we_hide_is_decided_by_its_own_verdict(bench: MemoryBench) -> None:
    """That of what we led the tag to may come sooner, since our own write is told of as well."""
    await in_quarantine(bench)
    bench.put(FIXED, "other")
    bench.clock.advance(1)
    hidden = await bench.heard(FIXED.digest, "latest")
    await bench.tell(await bench.pushed(GOOD.digest, "latest", Outcome.PASS, "latest"))
    assert (bench.tags["latest"], (await bench.steps())["latest"]) == (GOOD.digest, "done")
    await bench.tell(await bench.judged(FIXED.digest, Outcome.PASS, id=hidden))
    assert (bench.tags["latest"], (await bench.steps())["latest"]) == (FIXED.digest, "overtaken")


async def test_our_own_write_is_no_push_of_others(bench: MemoryBench) -> None:
    """Nor what a sweep finds where we led the tag, however late, nor another tag."""
    await in_quarantine(bench)
    bench.clock.advance(2)
    await bench.heard(GOOD.digest, "latest")
    bench.clock.advance(3600)
    await bench.heard(GOOD.digest, "latest", Lane.SWEEP)
    await bench.heard(FIXED.digest, "v3")
    await passes(bench)
    assert bench.tags["latest"] == BAD.digest


async def test_the_image_itself_overtakes_nothing(bench: MemoryBench) -> None:
    """Who pushes it again by the tag wants it there."""
    verdict = await in_quarantine(bench)
    bench.clock.advance(3600)
    bench.put(FIXED, "latest")
    await bench.heard(FIXED.digest, "latest")
    bench.clock.advance(60)
    bench.put(BAD, "latest")
    await bench.heard(BAD.digest, "latest")
    await bench.tell(verdict)
    assert bench.tags["latest"] == GOOD.digest
    await passes(bench)
    assert bench.tags["latest"] == BAD.digest


async def test_an_older_push_gets_no_tag_back(bench: MemoryBench) -> None:
    """What was pushed after it, and is where we led the tag, has replaced it: whoever pushed says so."""
    bench.put(FIXED, "latest")
    slow = await bench.heard(FIXED.digest, "latest")
    bench.clock.advance(5)
    bench.put(GOOD, "latest")
    await bench.pushed(GOOD.digest, "latest", Outcome.PASS, "latest")
    bench.clock.advance(5)
    bench.put(BAD, "latest")
    failing = await bench.pushed(BAD.digest, "latest", Outcome.FAIL, "latest")
    bench.clock.advance(6)
    await bench.tell(failing)
    assert bench.tags["latest"] == GOOD.digest
    bench.clock.advance(44)
    await bench.tell(await bench.judged(FIXED.digest, Outcome.PASS, id=slow))
    assert bench.tags["latest"] == GOOD.digest


async def test_of_two_hidden_pushes_the_later_gets_the_tag_back(bench: MemoryBench) -> None:
    """Whichever is judged first."""
    await bench.known_good()
    failing = await bench.pushed_bad(BAD, "latest", "v2")
    await bench.tell(failing)
    bench.clock.advance(1)
    bench.put(FIXED, None)
    earlier = await bench.pushed(FIXED.digest, "latest")
    bench.clock.advance(1)
    later = await bench.heard(LATER.digest, "latest")
    bench.put(LATER, None)
    await bench.tell(earlier)
    assert bench.tags["latest"] == GOOD.digest
    await bench.tell(await bench.judged(LATER.digest, Outcome.PASS, id=later))
    assert bench.tags["latest"] == LATER.digest


async def test_a_protected_repository_is_given_nothing_back(bench: MemoryBench) -> None:
    """It stays a dry run, whatever was done before it was one."""
    await in_quarantine(bench)
    bench.put(FIXED, None)
    bench.clock.advance(1)
    hidden, writes = await bench.pushed(FIXED.digest, "latest"), bench.writes()
    await bench.tell(hidden, bench.publisher(protected=("**",)))
    assert (bench.writes(), bench.tags["latest"]) == (writes, GOOD.digest)
    await bench.tell(hidden)
    assert bench.tags["latest"] == FIXED.digest
