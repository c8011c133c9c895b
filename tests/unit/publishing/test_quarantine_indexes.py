"""Images of several platforms: the index is what a tag leads to, and what is quarantined."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.quarantine_bench import ALL, APP, BAD, FIXED, GOOD, MemoryBench, quarantine_bench
from watcher.model.quarantine import Measure, marker_tag
from watcher.model.verdict import Outcome
from watcher.testing.images import build_index

pytestmark = pytest.mark.enable_socket

INDEX = build_index([BAD, FIXED])
MARKER = marker_tag(INDEX.digest)
DELETING: dict[str, Any] = {"actions": (*ALL, Measure.DELETE), "allow_delete": True}


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[MemoryBench]:
    async with quarantine_bench(tmp_path) as opened:
        await opened.known_good(GOOD)
        yield opened


async def judged(bench: MemoryBench, *, other: Outcome) -> None:
    """An index of two images, of which the first fails: its own verdict is the worst of them."""
    bench.put(INDEX, "latest")
    parts = [await bench.judged(BAD.digest, Outcome.FAIL, index_digest=INDEX.digest)]
    parts.append(await bench.judged(FIXED.digest, other, index_digest=INDEX.digest))
    whole = await bench.judged(INDEX.digest, Outcome.FAIL, "latest")
    for verdict in (*parts, whole):
        await bench.tell(verdict, bench.publisher(**DELETING))


async def test_the_index_is_quarantined_and_its_images_are_not(bench: MemoryBench) -> None:
    """The one that fails condemns no other; each can be pulled by its digest as before, and so can the index."""
    await judged(bench, other=Outcome.PASS)
    assert bench.tags == {"latest": GOOD.digest, MARKER: INDEX.digest}
    assert [each.digest for each in await bench.context.quarantines.listed()] == [INDEX.digest]
    assert bench.registry.content.existing(APP).manifests[INDEX.digest].media_type == INDEX.media_type
    assert {BAD.digest, FIXED.digest} <= {*bench.registry.content.existing(APP).manifests}


async def test_an_index_with_a_good_image_is_never_deleted(bench: MemoryBench) -> None:
    """Nor with one of which it is not known."""
    await judged(bench, other=Outcome.UNKNOWN)
    assert (await bench.steps(INDEX.digest))["delete"] == "impossible"
    assert f"its image {FIXED.digest} is not condemned" in (await bench.found(INDEX.digest)).steps[Measure.DELETE].detail


async def test_an_index_of_which_every_image_fails_may_be_deleted(bench: MemoryBench) -> None:
    """Where it was asked for twice; its images stay, since others may be made of them."""
    await judged(bench, other=Outcome.FAIL)
    assert bench.tags == {"latest": GOOD.digest}
    held = {*bench.registry.content.existing(APP).manifests}
    assert INDEX.digest not in held
    assert {BAD.digest, FIXED.digest} <= held
