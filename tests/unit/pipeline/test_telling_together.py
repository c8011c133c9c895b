"""Destinations that read: several verdicts are told together, and some are held until they are wanted."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.databases import open_database
from tests.doubles.hand_clock import HandClock
from tests.doubles.routes import sending
from tests.doubles.verdicts import MOMENT, SUBJECT, a_verdict
from watcher.kit.wakeup import Wakeup
from watcher.model.digest import Digest
from watcher.model.errors import PermanentError, RetryableError
from watcher.model.publication import Window
from watcher.model.verdict import REEVALUATION, Origin, Verdict
from watcher.pipeline.announce import GIVEN_UP_AFTER, Announcer
from watcher.pipeline.destinations import Destination
from watcher.pipeline.holding import BUDGET, DIGEST, QUIET, Holding, QuietHours
from watcher.publishing.protocol import News, Progress
from watcher.store.outbox import StoredOutbox
from watcher.store.protocol import Judged
from watcher.store.standing import StoredStanding
from watcher.store.verdicts import StoredVerdicts


class Channel:
    """Remembers its messages: the ids of the verdicts of each, and why they were held."""

    name = "chat"

    def __init__(self) -> None:
        self.messages: list[tuple[list[str], str]] = []
        self.told: list[str | None] = []
        self.errors: list[Exception] = []
        self.refuses, self.refused = "none", 0

    async def open(self) -> None: ...

    async def aclose(self) -> None: ...

    async def publish(self, verdict: Verdict, progress: Progress) -> None:
        await self.publish_together([News(verdict=verdict)], "")

    async def publish_together(self, news: Sequence[News], held: str) -> None:
        if self.errors:
            raise self.errors.pop(0)
        if any(each.verdict.id.startswith(self.refuses) for each in news):
            self.refused += 1
            raise PermanentError("400")
        self.messages.append(([each.verdict.id for each in news], held))
        self.told += [each.told.id if each.told else None for each in news]


class Bench:
    def __init__(self, verdicts: StoredVerdicts, outbox: StoredOutbox, clock: HandClock, holding: Holding) -> None:
        self.verdicts, self.outbox, self.clock, self.channel = verdicts, outbox, clock, Channel()
        self.destination = Destination(publisher=self.channel, in_registry=False, holding=holding, clock=clock)
        self.announcer = Announcer(
            outbox=outbox,
            verdicts=verdicts,
            destinations={"chat": self.destination},
            counted=lambda _publisher, _result: None,
            clock=clock,
        )

    async def record(self, *numbers: int, by: str = "v", source: str = "main") -> None:
        for number in numbers:
            origin, digest = Origin(source=source, received_at=MOMENT), Digest(f"sha256:{number:064}")
            said = a_verdict(id=f"{by}-{number}", subject=replace(SUBJECT, digest=digest), origin=origin)
            await self.verdicts.record([Judged(verdict=said)], sending({said.id: ["chat"]}))

    async def sent(self, count: int) -> list[tuple[list[str], str]]:
        """So many messages, once they are out and what they told of is settled."""
        while len(self.channel.messages) < count or self.announcer._running:
            await asyncio.sleep(0.01)
        return self.channel.messages


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with opened(tmp_path / "w.db") as opened_bench:
        yield opened_bench


@asynccontextmanager
async def opened(path: Path, **held: Any) -> AsyncIterator[Bench]:
    """It is noon of a day when it begins."""
    async with open_database(path) as database, asyncio.TaskGroup() as group:
        bell, clock = Wakeup(), HandClock(datetime(2026, 11, 25, 12, 0, tzinfo=UTC))
        marks, window = StoredStanding(database), Window(pushed=5.0, reevaluated=60.0)
        holding = Holding(name="chat", marks=marks, zone=UTC, **{"window": window, "per_hour": 3, **held})
        running = Bench(
            StoredVerdicts(database, clock, bell=bell), StoredOutbox(database, clock, bell=bell, jitter=lambda: 0.5), clock, holding
        )
        loop = group.create_task(running.announcer.run(group))
        yield running
        loop.cancel()


async def nothing_more(bench: Bench, count: int) -> None:
    """Several looks of the loop later there are as many messages as before."""
    for _ in range(3):
        bench.outbox._bell.ring()
        await asyncio.sleep(0.05)
    assert len(bench.channel.messages) == count


async def test_what_comes_within_the_window_is_one_message(bench: Bench) -> None:
    """It begins with the first; a single one is told like any other."""
    await bench.record(1, 2)
    await nothing_more(bench, 0)
    bench.clock.advance(4.0)
    await bench.record(3)
    bench.clock.advance(1.0)
    bench.outbox._bell.ring()
    assert await bench.sent(1) == [(["v-1", "v-2", "v-3"], "")]
    await bench.record(4)
    bench.clock.advance(5.0)
    bench.outbox._bell.ring()
    assert (await bench.sent(2))[-1] == (["v-4"], "")


async def test_what_nobody_pushed_is_waited_with_for_longer(bench: Bench) -> None:
    """Other data make hundreds of images fail within minutes: one thing to know. A push is told at once, and takes it along."""
    await bench.record(1, 2, source=REEVALUATION)
    bench.clock.advance(50.0)
    await nothing_more(bench, 0)
    await bench.record(3, source=REEVALUATION)
    bench.clock.advance(10.0)
    bench.outbox._bell.ring()
    assert await bench.sent(1) == [(["v-1", "v-2", "v-3"], "")]
    await bench.record(4, source=REEVALUATION)
    await bench.record(5)
    bench.clock.advance(5.0)
    bench.outbox._bell.ring()
    assert (await bench.sent(2))[-1] == (["v-4", "v-5"], "")


async def test_what_is_over_the_budget_comes_as_one_summary(bench: Bench) -> None:
    """When the hour allows for it; nothing is lost, and it says why it comes late."""
    for number in range(1, 4):
        await bench.record(number)
        bench.clock.advance(5.0)
        bench.outbox._bell.ring()
        await bench.sent(number)
    await bench.record(4, 5)
    bench.clock.advance(600.0)
    await nothing_more(bench, 3)
    await bench.record(6)
    bench.clock.advance(3000.0)
    bench.outbox._bell.ring()
    assert (await bench.sent(4))[-1] == (["v-4", "v-5", "v-6"], BUDGET)
    await bench.record(7)
    bench.clock.advance(10.0)
    bench.outbox._bell.ring()
    assert (await bench.sent(5))[-1] == (["v-7"], "")


@pytest.mark.parametrize(
    ("held", "why"),
    [({"digest": time(13)}, DIGEST), ({"quiet": QuietHours(begins=time(11), ends=time(13))}, QUIET)],
)
async def test_what_is_not_to_be_told_now_comes_together_later(tmp_path: Path, held: dict[str, Any], why: str) -> None:
    """All of it in one message, at its time, with the reason; what passed meanwhile is not told at all."""
    async with opened(tmp_path / "w.db", **held) as bench:
        await bench.record(1, 2)
        bench.clock.advance(1800.0)
        await nothing_more(bench, 0)
        await bench.record(3)
        await bench.record(2, by="w")
        bench.clock.advance(1800.0)
        bench.outbox._bell.ring()
        assert await bench.sent(1) == [(["v-1", "v-3", "w-2"], why)]
        assert bench.destination.standing(bench.clock(), reachable=True).last_published_at == bench.clock()


async def test_a_message_that_fails_is_sent_again_as_a_whole(bench: Bench) -> None:
    """It spends nothing of the budget."""
    bench.channel.errors += [RetryableError("busy"), RetryableError("busy")]
    await bench.record(1, 2)
    for _ in range(20):
        bench.clock.advance(5.0)
        bench.outbox._bell.ring()
        await asyncio.sleep(0.02)
    assert await bench.sent(1) == [(["v-1", "v-2"], "")]


async def test_one_that_cannot_be_told_keeps_no_other_from_it(bench: Bench) -> None:
    """What failed together is told apart, until three in a row have failed: then it is about the destination."""
    bench.channel.refuses = "v-2"
    await bench.record(1, 2, 3)
    bench.clock.advance(5.0)
    bench.outbox._bell.ring()
    assert await bench.sent(2) == [(["v-1"], ""), (["v-3"], "")]
    bench.channel.refuses = "v"
    bench.channel.refused = 0
    await bench.record(*range(10, 20))
    bench.clock.advance(5.0)
    bench.outbox._bell.ring()
    while not bench.channel.refused or bench.announcer._running:
        await asyncio.sleep(0.01)
    assert bench.channel.refused == 1 + GIVEN_UP_AFTER


async def test_a_digest_is_at_its_time_only(tmp_path: Path) -> None:
    """What comes after it is for the next day, though nothing waited when it was time."""
    async with opened(tmp_path / "w.db", digest=time(13)) as bench:
        bench.clock.advance(5400.0)
        await nothing_more(bench, 0)
        await bench.record(1)
        bench.clock.advance(3600.0)
        await nothing_more(bench, 0)
        bench.clock.advance(23 * 3600.0)
        bench.outbox._bell.ring()
        assert await bench.sent(1) == [(["v-1"], DIGEST)]


async def test_what_was_told_before_is_at_hand(bench: Bench) -> None:
    """So that a message can say what is new."""
    await bench.record(1)
    bench.clock.advance(5.0)
    bench.outbox._bell.ring()
    await bench.sent(1)
    await bench.record(1, 2, by="w")
    bench.clock.advance(5.0)
    bench.outbox._bell.ring()
    assert (await bench.sent(2))[-1] == (["w-1", "w-2"], "")
    assert bench.channel.told == [None, "v-1", None]
