"""What is true of every backlog, whatever keeps it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.doubles.backlogs import ALL, APP, BACKLOGS, DAY, HOST, A, B, BacklogBench, C, open_backlog
from watcher.backlog.protocol import Arrival, Dead, Done, Fate, Job, Lane, Receipt, Retry
from watcher.model.digest import Digest
from watcher.model.push import Handshake, Ignored, Push, Pushed, Rejected
from watcher.model.reference import RepositoryName, Tag


@pytest.fixture(params=sorted(BACKLOGS))
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BacklogBench]:
    async with open_backlog(request.param, tmp_path) as opened:
        yield opened


async def test_a_push_becomes_a_job_with_all_it_said(bench: BacklogBench) -> None:
    """What the event said reaches whoever leases the job, unchanged."""
    push = Push(
        registry=HOST,
        repository=APP,
        tag=Tag("v1"),
        digest=A,
        media_type="application/vnd.oci.image.manifest.v1+json",
        actor="me",
        occurred_at=datetime(1, 1, 1, 0, 0, 0, 7, tzinfo=UTC),  # some senders write the year 1
        event_id="e-1",
    )
    received_at = bench.clock() - timedelta(seconds=3.000001)
    arrival = Arrival(
        source="main",
        decision=Pushed(push=push),
        delivery_key="k",
        received_at=received_at,
        lane=Lane.CI,
        environment="qa",
        job_id="j",
    )
    (receipt,) = await bench.backlog.put([arrival])
    assert receipt == Receipt(fate=Fate.ACCEPTED, job_id="j")
    assert await bench.lease() == Job(
        id="j", lane=Lane.CI, push=push, tags=(Tag("v1"),), source="main", received_at=received_at, attempt=1, environment="qa"
    )


async def test_receipts_are_in_the_order_of_arrivals(bench: BacklogBench) -> None:
    """One delivery can hold anything; each event has its own fate, at its own place."""
    arrivals = [
        bench.arrival(A),
        bench.arrival(decision=Ignored(reason="pull")),
        bench.arrival(decision=Rejected(reason="invalid-json", detail="line 1")),
        bench.arrival(A),
        bench.arrival(decision=Handshake()),
        bench.arrival(B),
    ]
    receipts = await bench.backlog.put(arrivals)
    assert [receipt.fate.value for receipt in receipts] == ["accepted", "ignored", "rejected", "duplicate", "ignored", "accepted"]
    assert receipts[3].job_id == receipts[0].job_id != receipts[5].job_id
    assert [receipt.reason for receipt in receipts] == ["", "pull", "invalid-json", "joined", "handshake", ""]


async def test_work_rings_the_bell(bench: BacklogBench) -> None:
    """The judge finds a push at once, and what it may do after a job has ended; for a pull nobody wakes."""

    async def rung() -> bool:
        try:
            async with asyncio.timeout(0.05):
                await bench.backlog.wait(3600)
        except TimeoutError:
            return False
        return True

    await bench.put(decision=Ignored(reason="pull"))
    assert not await rung()
    await bench.put(A, "v1")
    assert await rung()
    (job,) = await bench.backlog.lease(ALL, 1)
    assert not await rung()
    await bench.backlog.settle(job, Dead(reason="damaged", detail=""))
    assert await rung()
    assert await bench.backlog.replay(job.id)
    assert await rung()


async def test_dead_letters_are_read_page_by_page(bench: BacklogBench) -> None:
    """However many there are, each is listed once."""
    for number in range(5):
        await bench.put(Digest(f"sha256:{number:064}"), f"v{number}")
    for job in await bench.backlog.lease(ALL, 5):
        await bench.backlog.settle(job, Dead(reason="damaged", detail=""))
    first = await bench.backlog.dead_letters(limit=2)
    rest = await bench.backlog.dead_letters(before_id=first[-1].id)
    assert [row.tag for row in (*first, *rest)] == ["v4", "v3", "v2", "v1", "v0"]


async def test_every_event_is_listed_with_its_fate(bench: BacklogBench) -> None:
    """The inbox shows what was taken in, joined, ignored and rejected, newest first, page by page."""
    await bench.put(A, "v1", received_at=bench.clock() - timedelta(seconds=1))
    await bench.put(A, "v2")
    await bench.put(decision=Ignored(reason="pull", event_id="e"))
    await bench.put(decision=Rejected(reason="invalid-json"), excerpt=b"{" * 9999, body_sha256="ff", body_bytes=9999)
    rows = await bench.backlog.events()
    assert [(row.fate, row.reason, row.tag, row.digest) for row in rows] == [
        ("rejected", "invalid-json", "", ""),
        ("ignored", "pull", "", ""),
        ("duplicate", "joined", "v2", A),
        ("accepted", "", "v1", A),
    ]
    assert [(row.excerpt[:2], row.body_bytes) for row in rows[:2]] == [(b"{{", 9999), (b"", 0)]
    assert rows[-1].received_at == bench.clock() - timedelta(seconds=1)
    assert (rows[-1].source, rows[-1].registry, rows[-1].repository) == ("main", HOST, APP)
    assert [row.id for row in await bench.backlog.events(before_id=rows[1].id, limit=1)] == [rows[2].id]


async def test_a_repeated_delivery_is_a_duplicate_for_eight_days(bench: BacklogBench) -> None:
    """A sender that repeats a delivery changes nothing, whatever became of the job; after eight days it is news again."""
    first = await bench.put(delivery_key="same")
    await bench.backlog.settle(await bench.lease(), Done(result="pass"))
    bench.clock.advance(8 * DAY - 1)
    assert await bench.put(delivery_key="same") == Receipt(fate=Fate.DUPLICATE, reason="delivery", job_id=first.job_id)
    assert (await bench.put(B, delivery_key="same", source="other")).fate is Fate.ACCEPTED
    bench.clock.advance(2)
    assert (await bench.put(delivery_key="same")).fate is Fate.ACCEPTED


async def test_old_events_and_finished_jobs_are_removed(bench: BacklogBench) -> None:
    """After eight days nothing of a finished job is kept; what waits or died stays however old it is."""
    done, dead, waiting = await bench.put(A), await bench.put(B), await bench.put(C, wait_seconds=99 * DAY)
    await bench.backlog.settle(await bench.lease(), Done(result="pass"))
    await bench.backlog.settle(await bench.lease(), Dead(reason="worker-failed", detail=""))
    bench.clock.advance(8 * DAY + 1)
    await bench.put(decision=Ignored(reason="pull"))
    assert len(await bench.backlog.events()) == 1
    assert await bench.backlog.job(done.job_id or "") is None
    assert [await bench.state(each.job_id) for each in (dead, waiting)] == ["dead", "waiting"]


async def test_pushes_of_a_digest_that_waits_join_its_job(bench: BacklogBench) -> None:
    """However many events announce a digest before its job begins, there is one job, which knows every tag."""
    first = await bench.put(A, "v1")
    bench.clock.advance(3600)
    for tag in ("latest", None, "v1"):
        receipt = await bench.put(A, tag)
        assert (receipt.fate, receipt.job_id) == (Fate.DUPLICATE, first.job_id)
    assert (await bench.lease()).tags == ("latest", "v1")
    assert await bench.backlog.lease(ALL, 9) == []


async def test_one_digest_in_two_repositories_is_two_jobs(bench: BacklogBench) -> None:
    """Verdicts are per registry, repository and digest, and so is the queue."""
    other = Push(registry=HOST, repository=RepositoryName("team/copy"), digest=A)
    await bench.put(A)
    assert (await bench.put(decision=Pushed(push=other))).fate is Fate.ACCEPTED
    assert len(await bench.backlog.lease(ALL, 9)) == 2


async def test_another_environment_is_another_job(bench: BacklogBench) -> None:
    """A submission for one environment is not answered by a verdict for another; but one digest is worked on once at a time."""
    push = await bench.put(A)
    submission = await bench.put(A, environment="staging", lane=Lane.CI)
    assert submission.job_id != push.job_id
    first = await bench.lease()
    assert first.id == submission.job_id
    assert await bench.backlog.lease(ALL, 9) == []
    await bench.backlog.settle(first, Done(result="pass"))
    assert (await bench.lease()).id == push.job_id


@pytest.mark.parametrize("settled", [False, True])
@pytest.mark.parametrize("tag", [None, "v1"])
async def test_within_the_window_an_event_that_brings_nothing_new_is_a_duplicate(
    bench: BacklogBench, settled: bool, tag: str | None
) -> None:
    """While a job is worked on, and just after, a push with no tag or a known one is that job; later it is a new one."""
    first = await bench.put(A, "v1")
    job = await bench.lease()
    if settled:
        await bench.backlog.settle(job, Done(result="pass"))
    bench.clock.advance(9)
    assert await bench.put(A, tag) == Receipt(fate=Fate.DUPLICATE, reason="window", job_id=first.job_id)
    bench.clock.advance(2)
    assert (await bench.put(A, tag)).fate is Fate.ACCEPTED


async def test_a_new_tag_of_a_digest_under_way_is_a_new_job(bench: BacklogBench) -> None:
    """A tag that the running job does not know has to be judged; it waits until that job has ended."""
    await bench.put(A, "v1")
    job = await bench.lease()
    second = await bench.put(A, "v2")
    assert second.fate is Fate.ACCEPTED
    assert await bench.backlog.lease(ALL, 9) == []
    await bench.backlog.settle(job, Done(result="pass"))
    again = await bench.lease()
    assert (again.id, again.tags) == (second.job_id, ("v2",))
    # Both tags are known now, each by a job of its own.
    assert (await bench.put(A, "v1")).reason == "window"


async def test_an_event_after_a_job_found_nothing_is_news(bench: BacklogBench) -> None:
    """A job that came too early for its registry does not hide the event that comes in time."""
    await bench.put(A, "v1")
    await bench.backlog.settle(await bench.lease(), Done(result="gone"))
    assert (await bench.put(A, "v1")).fate is Fate.ACCEPTED


async def test_a_dead_job_hides_nothing(bench: BacklogBench) -> None:
    """A push of a digest whose job has died is judged."""
    await bench.put(A, "v1")
    await bench.backlog.settle(await bench.lease(), Dead(reason="worker-failed", detail=""))
    assert (await bench.put(A, "v1")).fate is Fate.ACCEPTED


async def test_a_push_without_digest_is_never_hidden_by_one_under_way(bench: BacklogBench) -> None:
    """A tag may have moved since the running job looked it up, so only a job that still waits is joined."""
    first = await bench.put(None, "v1")
    assert (await bench.put(None, "v1")).job_id == first.job_id
    assert (await bench.put(None, "v2")).fate is Fate.ACCEPTED
    await bench.lease()
    assert (await bench.put(None, "v1")).fate is Fate.ACCEPTED


async def test_a_reevaluation_is_not_hidden_by_a_recent_job(bench: BacklogBench) -> None:
    """Another policy asks for another look, however recent the last one."""
    await bench.put(A)
    await bench.backlog.settle(await bench.lease(), Done(result="pass"))
    again = await bench.put(A, lane=Lane.REEVALUATE)
    assert again.fate is Fate.ACCEPTED
    assert (await bench.put(A, lane=Lane.REEVALUATE)).job_id == again.job_id


async def test_a_job_id_that_exists_is_a_duplicate(bench: BacklogBench) -> None:
    """A submission repeated under its own id is the same submission."""
    await bench.put(A, job_id="mine")
    assert await bench.put(B, job_id="mine") == Receipt(fate=Fate.DUPLICATE, reason="job", job_id="mine")


async def test_an_untagged_push_waits_and_a_tagged_one_ends_its_wait(bench: BacklogBench) -> None:
    """A manifest pushed by digest waits for an index; the tag that arrives for it makes it due at once."""
    await bench.put(A, wait_seconds=5.0)
    await bench.put(B, wait_seconds=5.0)
    assert await bench.backlog.lease(ALL, 9) == []
    await bench.put(B, "v1")
    assert (await bench.lease()).push.digest == B
    await bench.put(A, wait_seconds=60.0)  # joining never makes it later
    bench.clock.advance(5)
    assert (await bench.lease()).push.digest == A


async def test_a_lease_that_is_not_renewed_runs_out(bench: BacklogBench) -> None:
    """A job whose worker is gone runs again within a minute; one that is renewed stays where it is."""
    await bench.put(A)
    await bench.put(B)
    renewed, lost = await bench.backlog.lease(ALL, 2)
    for _ in range(4):
        bench.clock.advance(15)
        await bench.backlog.renew([renewed])
    await bench.backlog.renew([])
    again = await bench.lease()
    assert (again.id, again.attempt) == (lost.id, 2)


async def test_whoever_lost_a_lease_settles_nothing(bench: BacklogBench) -> None:
    """A settlement that comes after the lease has passed on changes nothing, and neither does a repeated one."""
    await bench.put(A)
    await bench.put(B, wait_seconds=999)
    stale = await bench.lease()
    bench.clock.advance(61)
    fresh = await bench.lease()
    await bench.backlog.settle(stale, Done(result="pass", absorbed=(B,)))
    assert await bench.state(stale.id) == "leased"
    await bench.backlog.settle(fresh, Done(result="fail"))
    await bench.backlog.settle(fresh, Retry(reason="late", detail=""))
    row = await bench.backlog.job(fresh.id)
    assert row is not None
    assert (row.state, row.reason, row.attempts, row.settled_at) == ("done", "fail", 2, bench.clock())
    assert (await bench.backlog.depth()).jobs == {("push", "waiting"): 1}


async def test_a_late_settlement_counts_when_nobody_took_over(bench: BacklogBench) -> None:
    """A lease that ran out a moment ago is still its holder's as long as nobody has asked for work."""
    await bench.put(A)
    job = await bench.lease()
    bench.clock.advance(61)
    await bench.backlog.settle(job, Done(result="pass"))
    assert await bench.state(job.id) == "done"


async def test_a_retry_waits_longer_each_time_and_then_is_dead(bench: BacklogBench) -> None:
    """The backlog's own delay doubles from two seconds; after the last attempt the job is a dead letter with its reason."""
    receipt = await bench.put(A)
    for delay in (2, 4):
        await bench.backlog.settle(await bench.lease(), Retry(reason="registry-unavailable", detail="timed out"))
        assert await bench.state(receipt.job_id) == "waiting"
        bench.clock.advance(delay - 0.1)
        assert await bench.backlog.lease(ALL, 1) == []
        bench.clock.advance(0.1)
    await bench.backlog.settle(await bench.lease(), Retry(reason="registry-unavailable", detail="timed out", delay_seconds=1.0))
    (dead,) = await bench.backlog.dead_letters()
    assert (dead.id, dead.reason, dead.detail, dead.attempts) == (receipt.job_id, "registry-unavailable", "timed out", 3)


async def test_a_retry_keeps_the_delay_it_was_asked_for(bench: BacklogBench) -> None:
    """What a registry asked for with Retry-After is kept, and a tag that joins meanwhile does not shorten it."""
    await bench.put(A)
    await bench.backlog.settle(await bench.lease(), Retry(reason="registry-throttled", detail="", delay_seconds=30.0))
    await bench.put(A, "v1")
    bench.clock.advance(29)
    assert await bench.backlog.lease(ALL, 1) == []
    bench.clock.advance(1)
    assert (await bench.lease()).tags == ("v1",)


async def test_a_job_that_takes_its_worker_down_again_and_again_is_dead(bench: BacklogBench) -> None:
    """Losing the lease counts as an attempt, so that one poisonous image cannot keep the daemon from its work."""
    await bench.put(A)
    for attempt in (1, 2, 3):
        assert (await bench.lease()).attempt == attempt
        bench.clock.advance(61)
    assert await bench.backlog.lease(ALL, 1) == []
    (dead,) = await bench.backlog.dead_letters()
    assert (dead.reason, dead.settled_at) == ("lease-lost", bench.clock())


async def test_a_dead_letter_can_be_replayed(bench: BacklogBench) -> None:
    """A replayed job has all its attempts before it; only dead letters can be replayed."""
    receipt = await bench.put(A)
    assert receipt.job_id is not None
    assert not await bench.backlog.replay(receipt.job_id)
    await bench.backlog.settle(await bench.lease(), Dead(reason="worker-failed", detail="x"))
    assert await bench.backlog.replay(receipt.job_id)
    assert not await bench.backlog.replay(receipt.job_id)
    assert await bench.backlog.dead_letters() == []
    assert (await bench.lease()).attempt == 1


async def test_an_index_absorbs_the_children_that_wait(bench: BacklogBench) -> None:
    """Children that wait for their index are done with it; what they alone would say is still judged."""
    child = await bench.put(A, wait_seconds=5.0)
    tagged = await bench.put(B, "arm64", wait_seconds=5.0)
    asked = await bench.put(C, lane=Lane.CI, wait_seconds=5.0)
    stranger = await bench.put(
        decision=Pushed(push=Push(registry=HOST, repository=RepositoryName("other"), digest=A)), wait_seconds=5.0
    )
    await bench.put(Digest("sha256:" + "9" * 64), "v1")
    index = await bench.lease()
    await bench.backlog.settle(index, Done(result="pass", absorbed=(A, B, C)))
    row = await bench.backlog.job(child.job_id or "")
    assert row is not None
    assert (row.state, row.reason) == ("done", "absorbed")
    assert [await bench.state(each.job_id) for each in (tagged, asked, stranger)] == ["waiting"] * 3


async def test_recovery_releases_every_lease_at_once(bench: BacklogBench) -> None:
    """After a restart nobody holds a lease: jobs that were under way run again at once."""
    await bench.put(A)
    await bench.put(B)
    await bench.backlog.lease(ALL, 2)
    assert await bench.backlog.lease(ALL, 2) == []
    assert await bench.backlog.recover() == 2
    assert [job.attempt for job in await bench.backlog.lease(ALL, 9)] == [2, 2]


async def test_depth_counts_what_is_not_done(bench: BacklogBench) -> None:
    """Per lane and state, and how long the oldest that waits has waited."""
    await bench.put(A, lane=Lane.SWEEP)
    bench.clock.advance(10)
    await bench.put(B)
    await bench.put(C)
    bench.clock.advance(5)
    await bench.lease()
    await bench.backlog.settle(await bench.lease(), Done(result="pass"))
    depth = await bench.backlog.depth()
    assert depth.jobs == {("sweep", "waiting"): 1, ("push", "leased"): 1}
    assert depth.oldest_seconds == {"sweep": 15.0}


async def test_a_job_shows_the_tag_that_joined_it(bench: BacklogBench) -> None:
    """People see the tag an image is known by, even when the first event had none."""
    receipt = await bench.put(A)
    await bench.put(A, "v1")
    row = await bench.backlog.job(receipt.job_id or "")
    assert row is not None
    assert (row.tag, row.settled_at, row.received_at) == ("v1", None, bench.clock())
    assert await bench.backlog.job("no-such-job") is None


async def test_many_producers_lose_and_double_nothing(bench: BacklogBench) -> None:
    """Events put at the same time each have their own receipt and their own job."""
    arrivals = [bench.arrival(Digest(f"sha256:{number:064x}")) for number in range(300)]
    receipts = await asyncio.gather(*(bench.backlog.put([arrival]) for arrival in arrivals))
    ids = {receipt.job_id for (receipt,) in receipts}
    assert len(ids) == 300
    jobs = await bench.backlog.lease(ALL, 1000)
    assert {job.id for job in jobs} == ids
