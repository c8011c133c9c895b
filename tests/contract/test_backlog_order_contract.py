"""Order and multiplicity in every backlog: demoted work, trouble outside, tombstones, batches."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.backlogs import ALL, APP, BACKLOGS, DAY, HOST, A, B, BacklogBench, C, open_backlog
from watcher.backlog.protocol import Dead, Demoted, Done, Fate, Job, Lane, Retry
from watcher.model.digest import Digest
from watcher.model.push import Decision, Deleted, Ignored, Push, Pushed
from watcher.model.reference import Host, RepositoryName, Tag


@pytest.fixture(params=sorted(BACKLOGS))
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BacklogBench]:
    async with open_backlog(request.param, tmp_path) as opened:
        yield opened


async def test_demoted_work_waits_behind_everything_and_is_not_lost(bench: BacklogBench) -> None:
    """It keeps what it is and what joined it; only its lane changes."""
    await bench.put(A, "v1")
    job = await bench.lease()
    await bench.backlog.settle(job, Demoted(reason="superseded", detail="v1 is elsewhere"))
    await bench.put(B, "v1")
    assert (await bench.lease()).push.digest == B
    again = await bench.lease()
    assert (again.id, again.lane, again.tags, again.attempt) == (job.id, Lane.SWEEP, ("v1",), 2)


async def test_trouble_outside_is_waited_out_for_a_day(bench: BacklogBench) -> None:
    """A registry that is down for hours makes no dead letters; what is a day old is put before a person."""
    await bench.put(A)
    for _ in range(10):
        job = await bench.lease()
        await bench.backlog.settle(job, Retry(reason="registry-unavailable", detail="down", outside=True))
        bench.clock.advance(3600)
    job = await bench.lease()
    bench.clock.advance(DAY)
    await bench.backlog.settle(job, Retry(reason="registry-unavailable", detail="down", outside=True))
    assert await bench.state(job.id) == "dead"


async def test_trouble_outside_is_no_attempt(bench: BacklogBench) -> None:
    """However often a registry was down, the image has all its attempts before it; the waits grow all the same, to five minutes."""
    await bench.put(A)
    job, waits = await bench.lease(), list[float]()
    for _ in range(12):
        since = bench.clock()
        assert await bench.backlog.settle(job, Retry(reason="registry-unavailable", detail="", outside=True)) is None
        while not (leased := await bench.backlog.lease(ALL, 1)):
            bench.clock.advance(1)
        (job,) = leased
        assert job.attempt == 1
        waits.append((bench.clock() - since).total_seconds())
    assert waits[0] == 2
    assert waits == sorted(waits)
    assert waits[-1] == 300


async def test_a_long_wait_before_the_first_failure_is_no_trouble(bench: BacklogBench) -> None:
    """What stood in the queue for a day, or while the daemon was off, is looked at again in two seconds."""
    await bench.put(A)
    bench.clock.advance(DAY)
    await bench.backlog.settle(await bench.lease(), Retry(reason="registry-unavailable", detail="", outside=True))
    bench.clock.advance(2)
    await bench.lease()


async def test_a_replayed_letter_has_all_its_patience_before_it(bench: BacklogBench) -> None:
    """Given up for a registry that was down, it waits for it again; what ends it is said to whoever settles it."""
    receipt = await bench.put(A)
    down = Retry(reason="registry-unavailable", detail="down", outside=True)
    for expected in (None, Dead(reason="registry-unavailable", detail="down")):
        assert await bench.backlog.settle(await bench.lease(), down) == expected
        bench.clock.advance(DAY)
    assert await bench.backlog.replay(receipt.job_id or "")
    assert await bench.backlog.settle(await bench.lease(), down) is None


async def test_nobody_is_sent_where_nobody_answers(bench: BacklogBench) -> None:
    """Jobs of registries that are left out stay where they are, and hold up no others."""
    other = Host("other.example.com")
    await bench.put(A)
    push = Push(registry=other, repository=APP, digest=A)
    await bench.backlog.put([replace(bench.arrival(), decision=Pushed(push=push))])
    assert await bench.backlog.lease(ALL, 9, without=[HOST, other]) == []
    (job,) = await bench.backlog.lease(ALL, 9, without=[HOST])
    assert job.push.registry == other
    assert (await bench.lease()).push.registry == HOST


@pytest.mark.parametrize(("reason", "due"), [("suppressed", True), ("timed-out", False)])
async def test_what_the_loop_breaker_holds_is_due_at_every_event(bench: BacklogBench, reason: str, due: bool) -> None:
    """However often that is; what failed keeps its delay."""
    await bench.put(A, "v1")
    job = await bench.lease()
    for _ in range(20):
        await bench.backlog.settle(job, Retry(reason=reason, detail="", delay_seconds=600.0, outside=True))
        assert await bench.backlog.lease(ALL, 1) == []
        assert (await bench.put(A, "v2", lane=Lane.REEVALUATE)).reason == "joined"
        leased = await bench.backlog.lease(ALL, 1)
        assert [each.attempt for each in leased] == [1] * due
        if not leased:
            break
        (job,) = leased


async def test_a_delete_is_remembered_for_what_it_names(bench: BacklogBench) -> None:
    """Of the digest, or of every tag of the job; up to a minute before the push, because no carrier promises order."""

    async def deleted(digest: Digest | None, *tags: str, **place: Any) -> bool:
        job = Job(
            id="j",
            lane=Lane.PUSH,
            push=Push(registry=HOST, repository=APP, digest=digest),
            tags=tuple(map(Tag, tags)),
            source="main",
            received_at=bench.clock(),
        )
        return await bench.backlog.deleted(replace(job, push=replace(job.push, **place)))

    assert not await deleted(A, "v1")
    await bench.put(decision=Deleted(registry=HOST, repository=APP, tag=Tag("v1")))
    await bench.put(decision=Deleted(registry=HOST, repository=APP, digest=B))
    assert await deleted(A, "v1")
    assert await deleted(None, "v1")
    assert await deleted(B, "v2")
    assert not await deleted(A)
    assert not await deleted(A, "v1", "v2")
    assert not await deleted(B, repository=RepositoryName("team/other"))
    bench.clock.advance(59)
    assert await deleted(B)
    bench.clock.advance(2)
    assert not await deleted(B)


async def test_what_a_sweep_finds_is_written_down_when_it_is_work(bench: BacklogBench) -> None:
    """It has no delivery to be recognised by: it joins what waits or runs, asks a dead letter again a day later, else is a job."""

    async def found(digest: Digest, tag: str) -> tuple[str, str]:
        receipt = await bench.put(digest, tag, delivery_key=None, lane=Lane.SWEEP)
        return receipt.fate, receipt.reason

    assert await found(A, "v1") == (Fate.ACCEPTED, "found")
    assert await found(A, "v1") == (Fate.DUPLICATE, "joined")
    job = await bench.lease()
    bench.clock.advance(30)
    await bench.backlog.renew([job])
    assert await found(A, "v1") == (Fate.DUPLICATE, "leased")
    assert await found(A, "v2") == (Fate.ACCEPTED, "found")
    await bench.backlog.settle(job, Dead(reason="registry-refused", detail="no"))
    other = await bench.lease()
    await bench.backlog.settle(other, Done(result="pass"))
    assert await found(A, "v1") == (Fate.DUPLICATE, "dead")
    bench.clock.advance(DAY)
    assert await found(A, "v1") == (Fate.ACCEPTED, "found")
    await bench.put(decision=Ignored(reason="published-by-us"), delivery_key=None)
    assert [row.tag for row in await bench.backlog.events(limit=9)] == ["v1", "v2", "v1"]


async def test_pushes_by_a_tag_are_found_among_all_events(bench: BacklogBench) -> None:
    """Since a moment; what joined a job is one, what only a sweep found is marked as such, and a question or a look is none."""
    for number in range(40):
        bench.clock.advance(1)
        await bench.put(A, f"v{number}")
    since = bench.clock() + timedelta(seconds=1)
    await bench.put(B, "latest")
    bench.clock.advance(1)
    await bench.put(B, "v1")
    await bench.put(B, "latest", lane=Lane.CI, job_id="asked", environment="lax")
    await bench.put(A, "latest", lane=Lane.REEVALUATE, environment="strict")
    bench.clock.advance(1)
    await bench.put(B, "latest")
    bench.clock.advance(60)
    # However urgent it is, as what came since the pass before is.
    await bench.put(C, "latest", delivery_key=None, lane=Lane.PUSH)

    async def found(seconds: float) -> list[tuple[str, bool]]:
        moment = since + timedelta(seconds=seconds)
        return [(each.digest, each.is_heard) for each in await bench.backlog.pushes(HOST, APP, Tag("latest"), moment)]

    assert await found(-60) == [(C, False), (B, True), (B, True)]
    assert await found(0) == [(C, False), (B, True)]
    assert await found(10) == [(C, False)]
    assert await found(100) == []


async def test_one_batch_decides_as_many_would(bench: BacklogBench) -> None:
    """Events of one transaction see each other: the same delivery twice, a tag that joins, a job id that was just given."""
    first = bench.arrival(A, "v1")
    receipts = await bench.backlog.put(
        [first, first, bench.arrival(A, "v2"), bench.arrival(B, job_id="j", lane=Lane.CI), bench.arrival(C, job_id="j")]
    )
    assert [(each.fate, each.reason) for each in receipts] == [
        (Fate.ACCEPTED, ""),
        (Fate.DUPLICATE, "delivery"),
        (Fate.DUPLICATE, "joined"),
        (Fate.ACCEPTED, ""),
        (Fate.DUPLICATE, "job"),
    ]
    assert (await bench.lease(Lane.PUSH)).tags == ("v1", "v2")


async def test_a_batch_of_any_size_is_taken(bench: BacklogBench) -> None:
    """Thousands of events in one call, each with a job of its own."""
    digests = [Digest(f"sha256:{number:064x}") for number in range(1300)]
    receipts = await bench.backlog.put([bench.arrival(digest) for digest in digests])
    assert len({each.job_id for each in receipts}) == 1300
    again = await bench.backlog.put([bench.arrival(digest, "v1") for digest in digests])
    assert [each.job_id for each in again] == [each.job_id for each in receipts]


async def test_the_most_urgent_lane_goes_first_then_the_oldest(bench: BacklogBench) -> None:
    """Lanes are served in their order, each in the order of becoming due; a lane that is not asked for is left alone."""
    order = [(Lane.SWEEP, A), (Lane.PUSH, B), (Lane.REEVALUATE, C), (Lane.CI, Digest("sha256:" + "d" * 64))]
    for lane, digest in order:
        await bench.put(digest, lane=lane)
        bench.clock.advance(1)
    await bench.put(Digest("sha256:" + "e" * 64), lane=Lane.PUSH)
    assert [job.push.digest for job in await bench.backlog.lease([Lane.PUSH], 9)] == [B, "sha256:" + "e" * 64]
    assert [job.lane for job in await bench.backlog.lease(ALL, 2)] == [Lane.CI, Lane.REEVALUATE]
    assert await bench.backlog.lease([], 9) == []
    assert (await bench.lease()).lane is Lane.SWEEP


async def test_a_more_urgent_event_lifts_the_job_it_joins(bench: BacklogBench) -> None:
    """A push of what a sweep has found is a push from then on; the reverse changes nothing."""
    await bench.put(A, lane=Lane.SWEEP)
    await bench.put(A, lane=Lane.PUSH)
    await bench.put(A, lane=Lane.SWEEP)
    assert (await bench.lease()).lane is Lane.PUSH


@pytest.mark.parametrize(
    "between",
    [
        Pushed(push=Push(registry=HOST, repository=APP, digest=B, tag=Tag("v1"))),
        Pushed(push=Push(registry=HOST, repository=APP, tag=Tag("v1"))),
        Deleted(registry=HOST, repository=APP, digest=A),
        Deleted(registry=HOST, repository=APP, tag=Tag("v1")),
    ],
)
async def test_what_was_pushed_again_a_moment_later_is_news(bench: BacklogBench, between: Decision) -> None:
    """Its tag was another's meanwhile, or nobody's, or it was not there: it is judged by it again."""
    await bench.put(A, "v1")
    await bench.backlog.settle(await bench.lease(), Done(result="pass"))
    assert (await bench.put(A, "v1")).reason == "window"
    arrivals = [replace(bench.arrival(), decision=between), bench.arrival(A, "v1"), bench.arrival(A, "v1")]
    receipts = await bench.backlog.put(arrivals)
    assert [(each.fate, each.reason) for each in receipts[1:]] == [(Fate.ACCEPTED, ""), (Fate.DUPLICATE, "joined")]
