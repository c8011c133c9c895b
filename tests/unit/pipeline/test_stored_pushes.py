"""What events said of pushes, whatever the registry says since."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.doubles.databases import open_database
from tests.doubles.hand_clock import HandClock
from tests.doubles.verdicts import IMAGE, LAYER, SUBJECT
from watcher.backlog.protocol import Arrival, Lane
from watcher.backlog.sqlite import SqliteBacklog
from watcher.model.push import Push, Pushed
from watcher.model.reference import RepositoryName, Tag
from watcher.pipeline.stored_pushes import StoredPushes
from watcher.publishing.protocol import PushedAs

PUSH = Push(registry=SUBJECT.registry, repository=SUBJECT.repository, tag=Tag("latest"), digest=IMAGE)


class Bench:
    def __init__(self, backlog: SqliteBacklog, clock: HandClock) -> None:
        self.backlog, self.clock, self.pushes = backlog, clock, StoredPushes(backlog)
        self.count = 0

    async def put(self, push: Push) -> str:
        self.count += 1
        arrival = Arrival(
            source="main", decision=Pushed(push=push), delivery_key=str(self.count), received_at=self.clock(), lane=Lane.PUSH
        )
        (receipt,) = await self.backlog.put([arrival])
        assert receipt.job_id is not None
        return receipt.job_id


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    clock = HandClock()
    async with open_database(tmp_path / "watcher.db") as database:
        yield Bench(SqliteBacklog(database, clock), clock)


async def test_it_is_known_how_the_image_of_a_verdict_was_pushed(bench: Bench) -> None:
    """By every tag of the events that led to it, and when; None of what no event led to."""
    occurred_at = bench.clock() - timedelta(seconds=3)
    job = await bench.put(replace(PUSH, occurred_at=occurred_at))
    assert await bench.put(replace(PUSH, tag=Tag("v1"))) == job
    known = PushedAs(tags=(Tag("latest"), Tag("v1")), received_at=bench.clock(), occurred_at=occurred_at)
    assert await bench.pushes.pushed_as(job) == known
    assert await bench.pushes.pushed_as("another") is None


async def test_what_was_just_pushed_by_a_tag_is_known(bench: Bench) -> None:
    """By this tag of this repository, and not long ago."""
    asked = PUSH.registry, PUSH.repository, Tag("latest")
    assert await bench.pushes.last_pushed(*asked, bench.clock()) is None
    await bench.put(replace(PUSH, digest=LAYER))
    await bench.put(PUSH)
    await bench.put(replace(PUSH, tag=Tag("v1"), digest=LAYER))
    await bench.put(replace(PUSH, repository=RepositoryName("team/web"), digest=LAYER))
    await bench.put(replace(PUSH, digest=None))
    assert await bench.pushes.last_pushed(*asked, bench.clock()) == IMAGE
    bench.clock.advance(10)
    assert await bench.pushes.last_pushed(*asked, bench.clock() - timedelta(seconds=5)) is None
    assert await bench.pushes.last_pushed(*asked, bench.clock() - timedelta(seconds=10)) == IMAGE
