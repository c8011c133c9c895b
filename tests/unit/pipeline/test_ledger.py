"""The ledger over a real store and backlog: what is held, minus what has a verdict, and why."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.databases import open_database
from tests.doubles.hand_clock import HandClock
from tests.doubles.routes import nobody
from tests.doubles.verdicts import MOMENT, SUBJECT, a_verdict
from watcher.backlog.protocol import Arrival, Dead, Lane
from watcher.backlog.sqlite import SqliteBacklog
from watcher.model.digest import Digest
from watcher.model.holding import Holding, Look
from watcher.model.ledger import LedgerEntry, LedgerState
from watcher.model.push import Push, Pushed
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.model.verdict import Outcome
from watcher.pipeline.ledger import Ledger
from watcher.store.holdings import StoredHoldings
from watcher.store.ledger import StoredLedger
from watcher.store.protocol import Judged
from watcher.store.verdicts import StoredVerdicts

HOST, APP, WEB = SUBJECT.registry, SUBJECT.repository, RepositoryName("team/web")
POLICIES = a_verdict().policy_revision
OLD = {"policy_revision": "sha256:old"}
UNDECIDED = {"outcome": Outcome.UNKNOWN, "reason": "timed-out: nobody answered"}
NOT_THERE = {"outcome": Outcome.UNKNOWN, "reason": "not-found: nobody has it", "looked": False}


def digest(number: int) -> Digest:
    return Digest(f"sha256:{number:064d}")


@dataclass(kw_only=True)
class Bench:
    holdings: StoredHoldings
    verdicts: StoredVerdicts
    backlog: SqliteBacklog
    ledger: Ledger
    clock: HandClock

    async def holds(self, *numbers: int, repository: RepositoryName = APP, **changes: Any) -> None:
        came = [Holding(digest=digest(number), tag=Tag(f"v{number}")) for number in numbers]
        look = Look(registry=HOST, repository=repository, by="catch-up", at=self.clock(), came=came)
        await self.holdings.looked(replace(look, **changes))

    async def judge(
        self,
        number: int,
        *,
        repository: RepositoryName = APP,
        environment: str | None = SUBJECT.environment,
        looked: bool = True,
        **changes: Any,
    ) -> None:
        subject = replace(SUBJECT, digest=digest(number), repository=repository, environment=environment)
        verdict = a_verdict(
            **{"id": f"{repository}-{number}-{self.clock()}", "subject": subject, "outcome": Outcome.PASS, **changes}
        )
        await self.verdicts.record([Judged(verdict=verdict, looked=looked)], nobody)
        self.clock.advance(1)

    async def wait(self, number: int, lane: Lane = Lane.PUSH) -> None:
        push = Push(registry=HOST, repository=APP, digest=digest(number))
        arrival = Arrival(source="main", decision=Pushed(push=push), delivery_key=f"{number}", received_at=self.clock(), lane=lane)
        await self.backlog.put([arrival])

    async def give_up(self, number: int) -> None:
        await self.wait(number, Lane.CI)
        (job,) = await self.backlog.lease((Lane.CI,), 1)
        await self.backlog.settle(job, Dead(reason="internal", detail="a fault"))

    async def entries(self) -> Mapping[int, LedgerEntry]:
        return {int(each.digest.removeprefix("sha256:")): each for each in await self.ledger.entries(HOST, APP)}


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    clock = HandClock()
    async with open_database(tmp_path / "watcher.db") as database:
        backlog = SqliteBacklog(database, clock)
        yield Bench(
            holdings=StoredHoldings(database),
            verdicts=StoredVerdicts(database, clock),
            backlog=backlog,
            ledger=Ledger(held=StoredLedger(database), jobs=backlog, policy_revision=lambda: POLICIES),
            clock=clock,
        )


async def test_every_image_has_a_state_and_why(bench: Bench) -> None:
    """Judged now or by earlier policies; waiting with a job or without; given up, undecided, or gone when it was judged."""
    await bench.holds(*range(1, 9))
    await bench.judge(1)
    await bench.judge(2, policy_revision="sha256:old")
    await bench.wait(3)
    await bench.give_up(5)
    await bench.judge(6, outcome=Outcome.UNKNOWN, reason="damaged: layer 2 ends early")
    await bench.judge(7, outcome=Outcome.UNKNOWN, reason="not-found: nobody has it", looked=False)
    await bench.judge(8, outcome=Outcome.NOT_APPLICABLE, policy_revision="sha256:old")
    found = await bench.entries()
    assert {number: each.state.value for number, each in found.items()} == {
        1: "judged",
        2: "outdated",
        3: "waiting",
        4: "waiting",
        5: "cannot",
        6: "cannot",
        7: "waiting",
        8: "judged",
    }
    assert (found[1].outcome, found[1].since, found[1].tags) == (Outcome.PASS, MOMENT, (Tag("v1"),))
    assert (found[3].outcome, found[3].reason) == (None, "in the lane push")
    assert found[4].reason == "seen by a sweep, no job yet"
    assert (found[5].outcome, found[5].reason) == (None, "given up: internal: a fault")
    assert found[7].reason == "not-found: nobody has it"
    assert (found[6].outcome, found[6].reason) == (Outcome.UNKNOWN, "damaged: layer 2 ends early")
    (line,) = await bench.ledger.lines()
    assert (line.images, line.judged, line.outdated, line.waiting, line.cannot) == (8, 2, 1, 3, 2)
    assert line.without_verdict == 4


async def test_the_newest_verdict_of_the_repository_counts(bench: Bench) -> None:
    """A later one that could not look stands for nothing; one of another repository says nothing of this one."""
    await bench.holds(1, 2)
    await bench.judge(1)
    await bench.judge(1, outcome=Outcome.UNKNOWN, reason="registry-refused: 403", looked=False)
    await bench.judge(2, repository=WEB)
    assert {number: each.state for number, each in (await bench.entries()).items()} == {
        1: LedgerState.JUDGED,
        2: LedgerState.WAITING,
    }


@pytest.mark.parametrize(
    ("first", "then", "state"),
    [
        (UNDECIDED, {}, "cannot"),
        ({}, UNDECIDED, "cannot"),
        ({}, OLD, "outdated"),
        (OLD, UNDECIDED, "cannot"),
        (UNDECIDED | OLD, OLD, "cannot"),
        (NOT_THERE, {}, "judged"),
        ({}, NOT_THERE, "judged"),
        (NOT_THERE, UNDECIDED, "cannot"),
        (NOT_THERE, NOT_THERE, "waiting"),
        ({}, {}, "judged"),
    ],
)
async def test_an_image_stands_as_in_its_worst_environment(
    bench: Bench, first: Mapping[str, Any], then: Mapping[str, Any], state: str
) -> None:
    """A verdict of one hides none of another; one that stands in any is a verdict. Each image is counted once."""
    await bench.holds(1)
    await bench.judge(1, environment="production", **first)
    await bench.judge(1, environment=None, **then)
    (line,) = await bench.ledger.lines()
    assert (await bench.entries())[1].state.value == state
    assert {"judged": line.judged, "outdated": line.outdated, "waiting": line.waiting, "cannot": line.cannot}[state] == 1
    assert (line.images, await bench.ledger.held.totals()) == (1, {HOST: (1, int(state == "waiting"))})
    for environment in ("production", None):
        await bench.judge(1, environment=environment)
    assert (await bench.entries())[1].state is LedgerState.JUDGED


async def test_one_image_is_counted_once_by_all_its_names(bench: Bench) -> None:
    """And an image that waits to be judged again has a verdict all the same."""
    await bench.holds(1)
    await bench.holds(came=[Holding(digest=digest(1), tag=Tag("latest"))])
    await bench.judge(1)
    await bench.wait(1, Lane.REEVALUATE)
    (line,) = await bench.ledger.lines()
    assert (line.images, line.judged) == (1, 1)
    assert (await bench.entries())[1].tags == (Tag("latest"), Tag("v1"))


async def test_repositories_come_in_pages(bench: Bench) -> None:
    """In order of registry and repository, one that could not be read with why, and of one registry alone when that is asked."""
    for name in ("b/app", "a/app", "c/app"):
        await bench.holds(1, repository=RepositoryName(name))
    await bench.holds(repository=RepositoryName("d/app"), problem="answered 403")
    await bench.holds(1, registry=Host("another.example.com"))
    first = await bench.ledger.lines(limit=2)
    assert [each.repository for each in first] == ["team/app", "a/app"]
    rest = await bench.ledger.lines(after=first[-1].place)
    assert [(each.repository, each.images, each.problem) for each in rest] == [
        ("b/app", 1, ""),
        ("c/app", 1, ""),
        ("d/app", 0, "answered 403"),
    ]
    assert [each.registry for each in await bench.ledger.lines(registry=Host("another.example.com"))] == ["another.example.com"]
    assert await bench.ledger.lines(after=(Host("z.example.com"), APP)) == []


async def test_totals_are_shown_for_as_long_as_it_runs(bench: Bench) -> None:
    """By registry: how many there are, and without a verdict."""
    await bench.holds(1, 2)
    await bench.judge(1)
    await bench.holds(3, registry=Host("another.example.com"))
    shown: asyncio.Future[Mapping[str, tuple[int, int]]] = asyncio.get_running_loop().create_future()
    counting = asyncio.create_task(bench.ledger.count(shown.set_result), name="count")
    assert await asyncio.wait_for(shown, 20) == {HOST: (2, 1), "another.example.com": (1, 1)}
    counting.cancel()
    await asyncio.wait([counting])


async def test_a_job_that_waits_longer_is_told_since_it_came(bench: Bench) -> None:
    """Not since it was seen."""
    since = bench.clock()
    await bench.wait(1)
    bench.clock.advance(3600)
    await bench.holds(1, 2)
    found = await bench.entries()
    assert (found[1].since, found[2].since) == (since, since + timedelta(hours=1))
