"""Attestations when something happens at the wrong moment: an end between two steps, another verdict, another of us."""

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest

from tests.doubles.publishing import Notes
from tests.doubles.referrer_bench import EVERYWHERE, FORMS, IMAGE, AttestingBench, record
from watcher.model.errors import WatcherError
from watcher.model.verdict import Outcome, Verdict
from watcher.testing.faults import Fault
from watcher.testing.registry import Switches

pytestmark = [pytest.mark.enable_socket, pytest.mark.untraced]

WRITES = "PUT|POST|DELETE"
# More than there are in any publication here.
MOST_WRITES = 40


async def end_after(bench: AttestingBench, writes: int, verdict: Verdict) -> bool:
    """Publish, and end after so many writes; whether that was before all was done."""
    if writes:
        bench.registry.faults.add(Fault(method=WRITES, times=writes))
    bench.registry.faults.add(Fault(method=WRITES, status=403, times=999))
    was_cut = False
    try:
        await bench.publisher.publish(verdict, Notes())
    except WatcherError:
        was_cut = True
    bench.registry.faults.clear()
    return was_cut


@EVERYWHERE
@FORMS
async def test_ended_between_any_two_writes_nothing_says_what_is_not_so(attesting: AttestingBench, form: str) -> None:
    """Whoever finds the verdict that it failed finds no attestation; the next attempt ends as if there had been no first."""
    attesting.publisher = attesting.publishing(attestation_format=form)
    for writes in range(MOST_WRITES):
        await attesting.publish(id=f"pass-{writes}")
        failed = attesting.verdict(Outcome.FAIL, id=f"fail-{writes}")
        was_cut = await end_after(attesting, writes, failed)
        if "fail" in await attesting.stranger.outcomes(IMAGE.digest):
            assert await attesting.stranger.counts(IMAGE.digest) == (0, 0)
        await attesting.publisher.publish(failed, Notes())
        assert await attesting.stranger.outcomes(IMAGE.digest) == ["fail"]
        assert await attesting.stranger.counts(IMAGE.digest) == (0, 0)
        if not was_cut:
            return
    pytest.fail("it never comes to an end")


@EVERYWHERE
@FORMS
async def test_ended_while_it_attests_it_attests_once(attesting: AttestingBench, form: str) -> None:
    attesting.publisher = attesting.publishing(attestation_format=form)
    for writes in range(MOST_WRITES):
        passed = attesting.verdict(id=f"pass-{writes}")
        was_cut = await end_after(attesting, writes, passed)
        await attesting.publisher.publish(passed, Notes())
        assert await attesting.stranger.counts(IMAGE.digest) == ((1, 0) if form == "bundle" else (0, 1))
        if not was_cut:
            return
    pytest.fail("it never comes to an end")


@EVERYWHERE
@FORMS
async def test_several_at_once_attest_once(attesting: AttestingBench, form: str) -> None:
    """Two daemons that tell of the same verdict, and others of the next ones."""
    publishers = [attesting.publishing(attestation_format=form) for _ in range(4)]
    verdicts = [attesting.verdict(id=f"v-{number % 3}") for number in range(4)]
    await asyncio.gather(*(each.publish(said, Notes()) for each, said in zip(publishers, verdicts, strict=True)))
    assert sum(await attesting.stranger.counts(IMAGE.digest)) == 1


@EVERYWHERE
async def test_a_pass_that_is_told_late_attests_nothing(attesting: AttestingBench) -> None:
    """What is true now decides: a dead letter of last week that is replayed, a daemon that was stopped in between."""
    late = attesting.verdict(id="v-1")
    await record(attesting, late)
    await attesting.publisher.publish(late, Notes())
    assert await attesting.stranger.counts(IMAGE.digest) == (1, 0)
    await record(attesting, attesting.verdict(Outcome.FAIL, id="v-2"))
    await attesting.publisher.publish(late, Notes())
    assert await attesting.stranger.counts(IMAGE.digest) == (0, 0)


async def elsewhere(bench: AttestingBench, outcome: Outcome, verdict_id: str) -> Verdict:
    """What the image would be in another environment, as somebody asked."""
    verdict = bench.verdict(outcome, id=verdict_id)
    verdict = replace(verdict, subject=replace(verdict.subject, environment="staging"))
    await record(bench, verdict)
    return verdict


async def test_a_question_approves_nothing(attesting: AttestingBench) -> None:
    """Whoever may have an image evaluated could else have it approved by the rules of a laxer environment."""
    await attesting.publisher.publish(await elsewhere(attesting, Outcome.PASS, "v-1"), Notes())
    assert await attesting.stranger.counts(IMAGE.digest) == (0, 0)
    await record(attesting, failed := attesting.verdict(Outcome.FAIL, id="v-2"))
    await attesting.publisher.publish(failed, Notes())
    await attesting.publisher.publish(await elsewhere(attesting, Outcome.PASS, "v-3"), Notes())
    assert await attesting.stranger.counts(IMAGE.digest) == (0, 0)
    assert await attesting.stranger.outcomes(IMAGE.digest) == ["fail"]


async def test_a_question_takes_nothing_back(attesting: AttestingBench) -> None:
    """Of an image that passes where it belongs."""
    await record(attesting, passed := attesting.verdict(id="v-1"))
    await attesting.publisher.publish(passed, Notes())
    await attesting.publisher.publish(await elsewhere(attesting, Outcome.FAIL, "v-2"), Notes())
    assert await attesting.stranger.counts(IMAGE.digest) == (1, 0)
    assert await attesting.stranger.outcomes(IMAGE.digest) == ["pass"]


async def test_where_nothing_else_is_known_a_failure_counts(attesting: AttestingBench) -> None:
    """The environment has another name now: what passed by the old one stays attested, and what fails does not."""
    await attesting.publish()
    await attesting.publisher.publish(await elsewhere(attesting, Outcome.PASS, "v-2"), Notes())
    assert await attesting.stranger.counts(IMAGE.digest) == (1, 0)
    await attesting.publisher.publish(await elsewhere(attesting, Outcome.FAIL, "v-3"), Notes())
    assert await attesting.stranger.counts(IMAGE.digest) == (0, 0)


@pytest.mark.parametrize("switches", [Switches(referrers_api=True)])
async def test_a_verdict_that_comes_while_it_attests_is_seen(attesting: AttestingBench) -> None:
    """Stopped for so long that its lock was lost, and that another of us told of the failure meanwhile."""
    passed = attesting.verdict(id="v-1")
    await record(attesting, passed)
    attesting.registry.faults.add(Fault(method="PUT", path=".*/manifests/.*", times=1))
    attesting.registry.faults.add(Fault(method="PUT", path=".*/manifests/.*", delay_seconds=0.5))
    async with asyncio.TaskGroup() as group:
        publishing = group.create_task(attesting.publisher.publish(passed, Notes()))
        while attesting.registry.requests["PUT manifests"] < 1:
            await asyncio.sleep(0.01)
        await record(attesting, attesting.verdict(Outcome.FAIL, id="v-2"))
    with suppress(WatcherError):
        await publishing
    assert await attesting.stranger.counts(IMAGE.digest) == (0, 0)
