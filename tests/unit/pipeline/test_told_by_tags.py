"""What people read of an image and of those that take its tag, over a real judge, store and outbox."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from tests.doubles.evaluators import WrittenEvaluator
from tests.doubles.judges import JudgeBench, an_image, open_judge
from tests.doubles.verdicts import FINDING
from watcher.backlog.protocol import Lane
from watcher.model.errors import RetryableError
from watcher.model.publication import PublishLater
from watcher.model.verdict import Outcome, Verdict
from watcher.pipeline.announce import Announcer
from watcher.pipeline.destinations import Destination
from watcher.pipeline.routing import Route
from watcher.publishing.protocol import Progress
from watcher.testing.images import BuiltImage

pytestmark = pytest.mark.enable_socket

GOOD, BAD, WORSE = an_image("good"), an_image("bad"), an_image("worse")


class People:
    """Read one message for each verdict."""

    name = "chat"

    def __init__(self) -> None:
        self.read: list[Verdict] = []

    async def open(self) -> None: ...

    async def aclose(self) -> None: ...

    async def publish(self, verdict: Verdict, progress: Progress) -> None:
        self.read.append(verdict)


class Bench:
    def __init__(self, judging: JudgeBench) -> None:
        self.judging, self.people = judging, People()
        judging.judge.routes = [
            Route(publisher="chat", outcomes=(Outcome.FAIL,), only_changes=True, follows_tags=True, parts=False)
        ]
        self.destination = Destination(publisher=self.people, outcomes=[Outcome.FAIL], in_registry=False, only_changes=True)
        self.announcer = Announcer(
            outbox=judging.outbox,
            verdicts=judging.verdicts,
            destinations={"chat": self.destination},
            counted=lambda _publisher, _result: None,
            clock=judging.clock,
        )

    @property
    def evaluator(self) -> WrittenEvaluator:
        return self.judging.evaluator

    async def push(self, image: BuiltImage, outcome: Outcome, tag: str = "v1", **more: object) -> None:
        self.evaluator.outcome = outcome
        self.judging.clock.advance(60.0)
        await self.judging.settled(self.judging.put(image, tag), tag=tag, **more)

    async def told(self) -> Sequence[tuple[str, str]]:
        """What is read now: (image, outcome)."""
        names = {GOOD.digest: "good", BAD.digest: "bad", WORSE.digest: "worse"}
        before = len(self.people.read)
        while due := await self.judging.outbox.due(9):
            for each in due:
                await self.announcer.announce(each)
        return [(names[each.subject.digest], each.outcome.value) for each in self.people.read[before:]]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_judge(tmp_path) as judging:
        yield Bench(judging)


async def test_a_fix_by_the_same_tag_is_told_once(bench: Bench) -> None:
    """And what comes after it is told against what was read."""
    await bench.push(BAD, Outcome.FAIL)
    assert await bench.told() == [("bad", "fail")]
    await bench.push(GOOD, Outcome.PASS)
    assert await bench.told() == [("good", "pass")]
    await bench.push(WORSE, Outcome.FAIL)
    assert await bench.told() == [("worse", "fail")]


async def test_a_tag_that_goes_back_is_followed(bench: Bench) -> None:
    """To an image that was judged before: to the last good one, and to the bad one again."""
    await bench.push(GOOD, Outcome.PASS)
    assert await bench.told() == []
    await bench.push(BAD, Outcome.FAIL)
    assert await bench.told() == [("bad", "fail")]
    await bench.push(GOOD, Outcome.PASS)
    assert await bench.told() == [("good", "pass")]
    await bench.push(BAD, Outcome.FAIL)
    assert await bench.told() == [("bad", "fail")]


async def test_what_is_said_anew_while_it_waits_is_told(bench: Bench) -> None:
    """An image that passes, and then passes with another finding, has passed all the same."""
    await bench.push(BAD, Outcome.FAIL)
    assert await bench.told() == [("bad", "fail")]
    await bench.push(BAD, Outcome.PASS)
    bench.evaluator.findings = (FINDING,)
    await bench.push(BAD, Outcome.PASS)
    assert await bench.told() == [("bad", "pass")]


async def test_a_fix_that_is_judged_again_while_it_waits_is_told(bench: Bench) -> None:
    """It still takes the place of what its tag led to."""
    await bench.push(BAD, Outcome.FAIL)
    assert await bench.told() == [("bad", "fail")]
    await bench.push(GOOD, Outcome.PASS)
    bench.evaluator.findings = (FINDING,)
    await bench.push(GOOD, Outcome.PASS)
    assert await bench.told() == [("good", "pass")]


async def test_the_failure_is_read_before_its_fix(bench: Bench) -> None:
    """Also where it had to be tried again."""
    await bench.push(BAD, Outcome.FAIL)
    (publication,) = await bench.judging.outbox.due(1)
    later = PublishLater(reason="receiver-unavailable", detail="503", outside=True, delay_seconds=30.0)
    await bench.judging.outbox.settle(publication, later)
    await bench.push(GOOD, Outcome.PASS)
    bench.judging.clock.advance(30.0)
    assert await bench.told() == [("bad", "fail"), ("good", "pass")]


async def test_what_was_cut_off_between_two_steps_is_told(bench: Bench) -> None:
    """The tag had been taken from the image before when the store failed; the second attempt knows it all the same."""
    await bench.push(BAD, Outcome.FAIL)
    assert await bench.told() == [("bad", "fail")]
    digest = bench.judging.put(GOOD, "v1")
    bench.evaluator.outcome = Outcome.PASS
    job = await bench.judging.job(digest)
    record = bench.judging.verdicts.record

    async def full(*_arguments: object) -> None:
        raise RetryableError("the disk is full")

    bench.judging.verdicts.record = full  # type: ignore[method-assign,assignment]
    await bench.judging.judge.judge(job)
    bench.judging.verdicts.record = record  # type: ignore[method-assign]
    await bench.judging.judge.judge(job)
    assert await bench.told() == [("good", "pass")]


async def test_another_environment_is_another_matter(bench: Bench) -> None:
    """What CI asked for another one does not hide what was told of this."""
    await bench.push(BAD, Outcome.FAIL)
    assert await bench.told() == [("bad", "fail")]
    await bench.push(BAD, Outcome.PASS, environment="staging", lane=Lane.CI)
    assert await bench.told() == []
    await bench.push(GOOD, Outcome.PASS)
    assert await bench.told() == [("good", "pass")]


async def test_a_filter_is_asked_again_when_an_image_has_a_tag(bench: Bench) -> None:
    """It was first seen without one."""
    bench.destination.wants = lambda verdict: bool(verdict.subject.tags)
    bench.evaluator.outcome = Outcome.FAIL
    await bench.judging.settled(bench.judging.put(BAD, "v1"), tag=None, environment="production")
    first = await bench.told()
    await bench.push(BAD, Outcome.FAIL, tag="v2")
    assert [*first, *await bench.told()] == [("bad", "fail")]
