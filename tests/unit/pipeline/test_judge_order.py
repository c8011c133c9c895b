"""Events come late, twice, in any order and about what is gone: one current verdict comes of them, and nothing is lost."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.doubles.judges import REPOSITORY, JudgeBench, an_image, open_judge
from watcher.backlog.protocol import Arrival, Dead, Demoted, Done, Lane, Retry
from watcher.model.digest import Digest
from watcher.model.push import Deleted
from watcher.model.reference import Tag
from watcher.model.verdict import Outcome
from watcher.testing.faults import Fault

pytestmark = pytest.mark.enable_socket

NOWHERE = Digest("sha256:" + "0" * 64)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[JudgeBench]:
    async with open_judge(tmp_path) as opened:
        yield opened


async def announce_delete(bench: JudgeBench, *, tag: str | None = None, digest: Digest | None = None) -> None:
    decision = Deleted(registry=bench.registry.host, repository=REPOSITORY, tag=Tag(tag) if tag else None, digest=digest)
    await bench.backlog.put([Arrival(source="main", decision=decision, delivery_key="delete", received_at=bench.clock())])


async def test_what_was_announced_and_is_not_there_is_unknown(bench: JudgeBench) -> None:
    """A replica may serve a manifest late; after three looks there is a verdict that says that nobody could look."""
    job = await bench.job(NOWHERE, tag=None)
    for attempt in (1, 2):
        settlement = await bench.judge.judge(replace(job, attempt=attempt))
        assert isinstance(settlement, Retry)
        assert settlement.reason == "not-found"
    assert await bench.judge.judge(replace(job, attempt=3)) == Done(result="unknown")
    verdict = await bench.verdicts.verdict(job.id)
    assert verdict is not None
    assert verdict.outcome is Outcome.UNKNOWN
    assert verdict.reason.startswith("not-found: ")
    assert await bench.verdicts.judged(bench.registry.host, REPOSITORY) == {}  # so that a sweep finds it when it appears


async def test_what_was_deleted_since_is_no_loss(bench: JudgeBench) -> None:
    """A tombstone explains why a manifest is not there."""
    job = await bench.job(NOWHERE, tag=None)
    await announce_delete(bench, digest=NOWHERE)
    assert await bench.judge.judge(replace(job, attempt=3)) == Done(result="gone")
    assert not bench.recorded


async def test_a_delete_that_overtook_its_push_counts(bench: JudgeBench) -> None:
    """No carrier promises order."""
    await announce_delete(bench, tag="v1")
    bench.clock.advance(30)
    job = await bench.job(None)
    assert await bench.judge.judge(replace(job, attempt=3)) == Done(result="gone")


async def test_a_tombstone_stops_nothing_that_is_there(bench: JudgeBench) -> None:
    """The registry is the truth: what it serves is judged, whatever was said of it."""
    job = await bench.job(bench.put(an_image()))
    await announce_delete(bench, digest=job.push.digest)
    assert await bench.judge.judge(job) == Done(result="pass")


async def test_a_tag_that_never_was_is_put_before_a_person(bench: JudgeBench) -> None:
    """Without a digest there is nothing that a verdict could be about."""
    job = await bench.job(None, tag="nowhere")
    settlement = await bench.judge.judge(replace(job, attempt=3))
    assert isinstance(settlement, Dead)
    assert settlement.reason == "not-found"


async def test_a_push_that_was_overtaken_is_judged_later_without_its_tag(bench: JudgeBench) -> None:
    """It is looked at again, because an event can come before its tag; then it waits behind what is wanted now."""
    old, new = bench.put(an_image("old")), bench.put(an_image("new"))
    job = await bench.job(old)
    settlement = await bench.judge.judge(job)
    assert isinstance(settlement, Retry)
    assert settlement.reason == "tag-moved"
    await bench.backlog.settle(job, settlement)
    bench.clock.advance(2)
    (job,) = await bench.backlog.lease(tuple(Lane), 1)
    settlement = await bench.judge.judge(job)
    assert isinstance(settlement, Demoted)
    await bench.backlog.settle(job, settlement)
    wanted = await bench.job(new)
    assert wanted.push.digest == new
    assert await bench.judge.judge(wanted) == Done(result="pass")
    (job,) = await bench.backlog.lease(tuple(Lane), 1)
    assert job.lane is Lane.SWEEP
    assert await bench.judge.judge(job) == Done(result="pass")
    verdict = await bench.verdicts.verdict(job.id)
    assert verdict is not None
    assert (verdict.subject.digest, verdict.subject.tags, verdict.tag) == (old, (), None)


async def test_one_tag_of_many_that_moved_is_left_out(bench: JudgeBench) -> None:
    """A digest that is still wanted by another tag is judged where it stands."""
    digest = bench.put(an_image("old"))
    bench.put(an_image("old"), "v2")
    bench.put(an_image("new"))
    await bench.job(digest)
    await bench.backlog.recover()
    job = await bench.job(digest, tag="v2")
    assert job.tags == ("v1", "v2")
    assert await bench.judge.judge(replace(job, attempt=2)) == Done(result="pass")
    verdict = await bench.verdicts.verdict(job.id)
    assert verdict is not None
    assert (verdict.subject.tags, verdict.tag) == (("v2",), "v2")


async def test_an_event_that_came_before_its_tag_keeps_it(bench: JudgeBench) -> None:
    """The second look finds the tag where the event said."""
    bench.put(an_image("old"))
    image = an_image("new")
    digest = bench.put(image, "elsewhere")
    job = await bench.job(digest)
    assert isinstance(await bench.judge.judge(job), Retry)
    bench.put(image)
    assert await bench.judge.judge(replace(job, attempt=2)) == Done(result="pass")
    verdict = await bench.verdicts.verdict(job.id)
    assert verdict is not None
    assert verdict.subject.tags == ("v1",)


async def test_a_registry_that_will_not_say_where_a_tag_leads_is_not_believed_less(bench: JudgeBench) -> None:
    """A refusal says nothing about the tag."""
    digest = bench.put(an_image())
    bench.registry.faults.add(Fault(path=".*/manifests/v1", status=405, times=1))
    job = await bench.job(digest)
    assert await bench.judge.judge(job) == Done(result="pass")
    verdict = await bench.verdicts.verdict(job.id)
    assert verdict is not None
    assert verdict.subject.tags == ("v1",)


async def test_a_loop_is_broken_after_five_evaluations(bench: JudgeBench) -> None:
    """The sixth of one digest within ten minutes is counted and ended; afterwards there is room again."""
    digest = bench.put(an_image())
    for _ in range(5):
        assert await bench.settled(digest) == Done(result="pass")
        bench.clock.advance(30)
    assert await bench.settled(digest) == Done(result="suppressed")
    assert [each.push.digest for each in bench.suppressed] == [digest]
    bench.clock.advance(600)
    assert await bench.settled(digest) == Done(result="pass")


async def test_a_new_tag_in_a_loop_waits_and_is_not_lost(bench: JudgeBench) -> None:
    """A tag that no verdict names yet is judged as soon as there is room."""
    digest = bench.put(an_image())
    for _ in range(5):
        await bench.settled(digest)
        bench.clock.advance(60)
    bench.put(an_image(), "v2")
    settlement = await bench.settled(digest, tag="v2")
    assert isinstance(settlement, Retry)
    assert (settlement.reason, settlement.delay_seconds) == ("suppressed", 300.0)


async def test_in_a_loop_the_registry_is_heard_at_once(bench: JudgeBench) -> None:
    """A held job is looked at when an event joins it: tags leave what they left, what is gone stands no more; nothing is judged."""
    digest, other = bench.put(an_image()), bench.put(an_image("other"), "v2")
    await bench.settled(other, tag="v2")
    for _ in range(5):
        await bench.settled(digest)
        bench.clock.advance(30)
    judged = len(bench.recorded)
    bench.put(an_image(), "v2")
    assert isinstance(await bench.settled(digest, tag="v2"), Retry)
    place = bench.registry.host, REPOSITORY
    assert await bench.verdicts.led_to(*place, [Tag("v2")]) == frozenset()
    held = bench.registry.content.existing(REPOSITORY)
    held.delete_manifest("v1")
    (again,) = await bench.backlog.lease(tuple(Lane), 1)
    await bench.backlog.settle(again, Done(result="pass"))
    for _ in range(15):
        assert isinstance(await bench.settled(digest, tag=None), Retry)
    assert await bench.verdicts.tags(*place, digest) == ()
    held.delete_manifest(digest)
    job = await bench.job(digest, tag=None)
    assert isinstance(await bench.judge.judge(replace(job, lane=Lane.SWEEP, attempt=3)), Done)
    assert await bench.judge.standing.known(*place, digest) is None
    await bench.backlog.settle(job, Done(result="unknown"))
    bench.clock.advance(30)
    bench.put(an_image(), "v3")
    assert isinstance(await bench.settled(digest, tag=None), Retry)  # back, and nothing stands for it
    assert len(bench.recorded) == judged + 1


async def test_a_tag_that_comes_back_in_a_loop_waits_and_is_not_lost(bench: JudgeBench) -> None:
    """Verdicts have named it, but another image had it since."""
    digest = bench.put(an_image())
    for _ in range(5):
        await bench.settled(digest)
        bench.clock.advance(30)
    await bench.settled(bench.put(an_image("other")))
    bench.put(an_image())
    bench.clock.advance(30)
    assert isinstance(await bench.settled(digest), Retry)
    bench.clock.advance(600)
    (job,) = await bench.backlog.lease(tuple(Lane), 1)
    assert await bench.judge.judge(job) == Done(result="pass")
    assert await bench.verdicts.tags(bench.registry.host, REPOSITORY, digest) == ("v1",)


async def test_what_is_not_there_takes_no_tag_from_what_is(bench: JudgeBench) -> None:
    """It keeps the tags that it was announced by and that lead nowhere."""
    there = bench.put(an_image())
    await bench.settled(there)
    await bench.job(NOWHERE)
    await bench.backlog.recover()
    job = await bench.job(NOWHERE, tag="v2")
    assert await bench.judge.judge(replace(job, lane=Lane.SWEEP, attempt=3)) == Done(result="unknown")
    said = await bench.verdicts.verdict(job.id)
    assert said is not None
    assert said.subject.tags == ("v2",)
    assert await bench.verdicts.tags(bench.registry.host, REPOSITORY, there) == ("v1",)


async def test_ci_is_never_suppressed(bench: JudgeBench) -> None:
    """Somebody asked, and waits for the answer."""
    digest = bench.put(an_image())
    for _ in range(7):
        assert await bench.settled(digest, lane=Lane.CI) == Done(result="pass")
        bench.clock.advance(30)
    assert not bench.suppressed


async def test_another_policy_is_no_loop(bench: JudgeBench) -> None:
    """What changed since may change the verdict."""
    digest = bench.put(an_image())
    for number in range(12):
        bench.evaluator.revision = f"sha256:{number // 4}"
        await bench.settled(digest, environment=str(number))
    assert len(bench.recorded) == 12
