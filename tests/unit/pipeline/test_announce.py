import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.doubles.databases import open_database
from tests.doubles.hand_clock import HandClock
from tests.doubles.routes import sending
from tests.doubles.verdicts import SUBJECT, a_verdict
from watcher.kit.retry_after import LONGEST_PAUSE_SECONDS
from watcher.kit.wakeup import Wakeup
from watcher.model.digest import Digest
from watcher.model.errors import PermanentError, RetryableError, ThrottledError
from watcher.model.verdict import Outcome, Verdict
from watcher.pipeline.announce import Announcer
from watcher.pipeline.destinations import SLOTS, Destination
from watcher.pipeline.outages import TOLERATED
from watcher.publishing.protocol import Progress
from watcher.publishing.receiver import ReceiverUnavailableError
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
    def __init__(self, verdicts: StoredVerdicts, outbox: StoredOutbox, clock: HandClock) -> None:
        self.verdicts, self.outbox, self.clock, self.publisher = verdicts, outbox, clock, WrittenPublisher()
        self.counted: list[tuple[str, str]] = []
        self.announcer = Announcer(
            outbox=outbox,
            verdicts=verdicts,
            destinations={"written": Destination(publisher=self.publisher)},
            counted=lambda publisher, result: self.counted.append((publisher, result)),
            clock=clock,
        )

    async def announce(self, publisher: str = "written") -> str:
        await self.verdicts.record([Judged(verdict=a_verdict())], sending({"v-1": [publisher]}))
        (publication,) = await self.outbox.due(1)
        await self.announcer.announce(publication)
        return self.counted[-1][1]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_database(tmp_path / "w.db") as database:
        bell, clock = Wakeup(), HandClock()
        yield Bench(StoredVerdicts(database, clock, bell=bell), StoredOutbox(database, clock, bell=bell), clock)


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


async def test_a_destination_that_says_nothing_holds_up_no_other(bench: Bench) -> None:
    """However much waits for it: its own places are full, and the others have theirs."""
    silent, asked = asyncio.Event(), list[str]()

    class Silent(WrittenPublisher):
        name = "silent"

        async def publish(self, verdict: Verdict, progress: Progress) -> None:
            asked.append(verdict.id)
            await silent.wait()

    bench.announcer.destinations = {**bench.announcer.destinations, "silent": Destination(publisher=Silent())}
    for number in range(3 * SLOTS):
        said = a_verdict(id=f"v-{number}", subject=replace(SUBJECT, digest=Digest(f"sha256:{number:064}")))
        await bench.verdicts.record([Judged(verdict=said)], sending({said.id: ["silent", "written"]}))
    async with asyncio.TaskGroup() as publications:
        loop = publications.create_task(bench.announcer.run(publications))
        while len(bench.publisher.published) < 3 * SLOTS:
            await asyncio.sleep(0.01)
        assert len(asked) == SLOTS
        silent.set()
        while len(asked) < 3 * SLOTS:
            await asyncio.sleep(0.01)
        loop.cancel()


async def test_a_verdict_that_comes_while_the_one_before_is_sent_is_sent_after_it(bench: Bench) -> None:
    """The destination ends with what is true."""
    begun, answer = asyncio.Event(), asyncio.Event()

    class Slow(WrittenPublisher):
        async def publish(self, verdict: Verdict, progress: Progress) -> None:
            begun.set()
            await answer.wait()
            await super().publish(verdict, progress)

    slow = Slow()
    bench.announcer.destinations = {"written": Destination(publisher=slow)}
    async with asyncio.TaskGroup() as publications:
        loop = publications.create_task(bench.announcer.run(publications))
        await bench.verdicts.record([Judged(verdict=a_verdict())], sending({"v-1": ["written"]}))
        await begun.wait()
        for name in ("v-2", "v-3"):
            said = a_verdict(id=name, outcome=Outcome.PASS if name == "v-3" else Outcome.UNKNOWN)
            await bench.verdicts.record([Judged(verdict=said)], sending({name: ["written"]}))
        answer.set()
        while len(slow.published) < 2:
            await asyncio.sleep(0.01)
        loop.cancel()
    assert [each.id for each in slow.published] == ["v-1", "v-3"]


@pytest.mark.parametrize(("told", "result"), [(True, "published"), (False, "unwanted")])
async def test_who_heard_of_a_failure_is_told_that_it_has_passed(bench: Bench, told: bool, result: str) -> None:
    """Who never heard of it is not: the failure was overtaken while it waited, or was filtered."""
    destination = Destination(
        publisher=bench.publisher,
        outcomes=[Outcome.FAIL],
        in_registry=False,
        only_changes=True,
        wants=lambda verdict: told and verdict.id == "v-1",
    )
    bench.announcer.destinations = {"written": destination}
    assert await bench.announce() == ("published" if told else "unwanted")
    passed = a_verdict(id="v-2", outcome=Outcome.PASS)
    await bench.verdicts.record([Judged(verdict=passed)], sending({"v-2": ["written"]}))
    (publication,) = await bench.outbox.due(1)
    await bench.announcer.announce(publication)
    assert bench.counted[-1] == ("written", result)
    assert [each.id for each in bench.publisher.published] == (["v-1", "v-2"] if told else [])
    assert destination.problem is None
    assert (destination.last_published_at is not None) is told


async def test_what_a_destination_was_not_asked_says_nothing_of_it(bench: Bench) -> None:
    """One that is down stays down for whoever asks, however much it is not told because nobody wants that."""
    destination = Destination(publisher=bench.publisher, in_registry=False, wants=lambda verdict: verdict.id != "unwanted")
    bench.announcer.destinations = {"written": destination}
    bench.publisher.errors += [ReceiverUnavailableError("down")] * TOLERATED
    for number, name in enumerate(["a", "b", "c", "unwanted"]):
        said = a_verdict(id=name, subject=replace(SUBJECT, digest=Digest(f"sha256:{number:064}")))
        await bench.verdicts.record([Judged(verdict=said)], sending({name: ["written"]}))
        (publication,) = await bench.outbox.due(1)
        await bench.announcer.announce(publication)
    assert bench.counted[-1] == ("written", "unwanted")
    assert not bench.announcer.standings()["written"].reachable


async def test_a_receiver_cannot_ask_for_an_absurd_time(bench: Bench) -> None:
    """Whatever it asks for, it is tried again within minutes."""
    bench.publisher.errors.append(ThrottledError("busy", retry_after_seconds=1e9))
    assert await bench.announce() == "retried"
    bench.clock.advance(LONGEST_PAUSE_SECONDS)
    (publication,) = await bench.outbox.due(1)
    await bench.announcer.announce(publication)
    assert bench.publisher.published == [a_verdict()]


async def test_the_loop_announces_until_it_is_cancelled(bench: Bench) -> None:
    """Recorded, woken, published."""
    async with asyncio.TaskGroup() as publications:
        loop = publications.create_task(bench.announcer.run(publications))
        await bench.verdicts.record([Judged(verdict=a_verdict())], sending({"v-1": ["written"]}))
        while not bench.counted:
            await asyncio.sleep(0.01)
        loop.cancel()
    assert bench.publisher.published == [a_verdict()]
