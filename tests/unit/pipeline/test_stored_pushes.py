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
from watcher.model.digest import Digest
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


async def test_what_was_pushed_by_a_tag_is_known(bench: Bench) -> None:
    """By this tag of this repository since a moment, the last first by when it occurred; what names no digest is there, too."""
    place, latest = (PUSH.registry, PUSH.repository), Tag("latest")

    async def known(seconds: float = 0) -> list[Digest | None]:
        return [each.digest for each in await bench.pushes.pushes(*place, latest, bench.clock() - timedelta(seconds=seconds))]

    assert await known() == []
    late = await bench.put(replace(PUSH, digest=LAYER, occurred_at=bench.clock() - timedelta(seconds=3)))
    await bench.put(replace(PUSH, occurred_at=bench.clock() - timedelta(seconds=5)))
    await bench.put(replace(PUSH, tag=Tag("v1"), digest=LAYER))
    await bench.put(replace(PUSH, repository=RepositoryName("team/web"), digest=LAYER))
    assert await known() == [LAYER, IMAGE]
    (newest, _) = await bench.pushes.pushes(*place, latest, bench.clock())
    assert (newest.verdict_id, newest.at, newest.is_heard) == (late, bench.clock() - timedelta(seconds=3), True)
    bench.clock.advance(10)
    await bench.put(replace(PUSH, digest=None))
    assert await known(5) == [None]
    assert await known(10) == [None, LAYER, IMAGE]
