"""One budget of time for all that is fetched for an index. Time is virtual."""

import asyncio
from dataclasses import dataclass

import pytest

from tests.doubles.image_sources import MemoryImages
from tests.doubles.virtual_time import now, virtual_time
from watcher.model.digest import Digest
from watcher.model.errors import TimedOutError
from watcher.model.image import FetchedManifest
from watcher.model.reference import Tag
from watcher.pipeline.index_budget import Budgeted
from watcher.testing.images import build_image, build_layer

TAG = Tag("v1")


@dataclass
class Slow(MemoryImages):
    """Takes its time to answer."""

    seconds: float = 3.0

    async def manifest(self, reference: Tag | Digest) -> FetchedManifest:
        await asyncio.sleep(self.seconds)
        return await super().manifest(reference)


def slow(seconds: float) -> Slow:
    images = Slow(seconds=seconds)
    images.add(build_image([build_layer({"a": "a"})]), TAG)
    return images


@virtual_time
async def test_what_is_fetched_together_is_counted_once() -> None:
    """Ten answers of three seconds at the same time take three seconds."""
    source = Budgeted(source=slow(3), seconds=10)
    for _ in range(3):
        await asyncio.gather(*(source.manifest(TAG) for _ in range(10)))
    with pytest.raises(TimedOutError, match="10 s for the index"):
        await source.manifest(TAG)
    assert now() == 10


@virtual_time
async def test_when_it_is_spent_nothing_is_asked_any_more() -> None:
    """What is under way ends, and what comes after costs nothing."""
    source = Budgeted(source=slow(60), seconds=10)
    for _ in range(500):
        with pytest.raises(TimedOutError):
            await source.manifest(TAG)
    assert now() == 10


@virtual_time
async def test_what_is_done_between_two_answers_costs_nothing() -> None:
    """Waiting for a worker is our business, not the index's."""
    source = Budgeted(source=slow(3), seconds=10)
    for _ in range(3):
        await source.manifest(TAG)
        await asyncio.sleep(3600)
