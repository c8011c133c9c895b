import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.doubles.databases import open_database
from tests.doubles.routes import sending
from tests.doubles.verdicts import MOMENT, a_verdict
from watcher.kit.wakeup import Wakeup
from watcher.model.errors import PermanentError, RetryableError
from watcher.model.verdict import Verdict
from watcher.pipeline.announce import Announcer
from watcher.publishing.protocol import Progress
from watcher.store.outbox import StoredOutbox
from watcher.store.protocol import Judged
from watcher.store.verdicts import StoredVerdicts


class WrittenPublisher:
    """Remembers verdicts; raises what it is told to, once each."""

    name = "written"

    def __init__(self) -> None:
        self.errors: list[Exception] = []
        self.published: list[Verdict] = []

    async def open(self) -> None:
        if self.errors:
            raise self.errors.pop(0)

    async def aclose(self) -> None: ...

    async def publish(self, verdict: Verdict, progress: Progress) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.published.append(verdict)


class Bench:
    def __init__(self, verdicts: StoredVerdicts, outbox: StoredOutbox) -> None:
        self.verdicts, self.outbox, self.publisher = verdicts, outbox, WrittenPublisher()
        self.counted: list[tuple[str, str]] = []
        self.announcer = Announcer(
            outbox=outbox,
            verdicts=verdicts,
            publishers={"written": self.publisher},
            counted=lambda publisher, result: self.counted.append((publisher, result)),
        )

    async def announce(self, publisher: str = "written") -> str:
        await self.verdicts.record([Judged(verdict=a_verdict())], sending({"v-1": [publisher]}))
        (publication,) = await self.outbox.due(1)
        await self.announcer.announce(publication)
        return self.counted[-1][1]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_database(tmp_path / "w.db") as database:
        bell = Wakeup()
        yield Bench(StoredVerdicts(database, lambda: MOMENT, bell=bell), StoredOutbox(database, lambda: MOMENT, bell=bell))


async def test_a_publication_is_made_once(bench: Bench) -> None:
    """When it is settled it is not due again."""
    assert await bench.announce() == "published"
    assert bench.publisher.published == [a_verdict()]
    assert not await bench.outbox.due(1)


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (RetryableError("busy"), "retried"),
        (PermanentError("never"), "failed"),
        (TimeoutError(), "retried"),
        (RuntimeError("a bug"), "retried"),
    ],
)
async def test_what_goes_wrong_is_settled(bench: Bench, error: Exception, result: str) -> None:
    """What may pass is tried again, what may not is listed, and a bug of one publisher is not the end of the loop."""
    bench.publisher.errors.append(error)
    assert await bench.announce() == result
    assert not bench.publisher.published


async def test_a_publisher_that_is_no_longer_configured_ends_its_publications(bench: Bench) -> None:
    """They do not wait for ever."""
    assert await bench.announce("former") == "failed"


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (None, "publisher.ready"),
        (RetryableError("refused"), "publisher.unavailable"),
        (PermanentError("wrong password"), "publisher.unavailable"),
        (RuntimeError("a bug"), "publisher.unavailable"),
    ],
)
async def test_a_destination_says_at_start_how_it_is(bench: Bench, error: Exception | None, event: str) -> None:
    """Whatever it says, what has to be published is."""
    bench.publisher.errors += [error] if error else []
    await bench.verdicts.record([Judged(verdict=a_verdict())], sending({"v-1": ["written"]}))
    with capture_logs() as lines:
        async with asyncio.TaskGroup() as publications:
            publications.create_task(bench.announcer.open())
            loop = publications.create_task(bench.announcer.run(publications))
            while not bench.publisher.published:
                await asyncio.sleep(0.01)
            loop.cancel()
    assert [line["event"] for line in lines if line.get("publisher") == "written"] == [event]


async def test_the_loop_announces_until_it_is_cancelled(bench: Bench) -> None:
    """Recorded, woken, published."""
    async with asyncio.TaskGroup() as publications:
        loop = publications.create_task(bench.announcer.run(publications))
        await bench.verdicts.record([Judged(verdict=a_verdict())], sending({"v-1": ["written"]}))
        while not bench.counted:
            await asyncio.sleep(0.01)
        loop.cancel()
    assert bench.publisher.published == [a_verdict()]
