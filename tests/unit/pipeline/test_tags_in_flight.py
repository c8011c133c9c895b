"""Tags that move, or are deleted, while an image that has them is judged: the last word is the registry's."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.doubles.evaluators import WrittenEvaluator
from tests.doubles.judges import REPOSITORY, JudgeBench, an_image, open_judge
from watcher.backlog.protocol import Done, Job, Lane, Retry, Settlement
from watcher.evaluation.protocol import Case, Judgement
from watcher.model.digest import Digest
from watcher.model.push import Deleted, Push
from watcher.model.reference import Tag
from watcher.model.verdict import REEVALUATION
from watcher.pipeline.second_looks import second_looks
from watcher.testing.images import build_index

pytestmark = pytest.mark.enable_socket


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[JudgeBench]:
    async with open_judge(tmp_path) as opened:
        yield opened


class SlowEvaluator(WrittenEvaluator):
    """Something happens while the first case is evaluated."""

    def __init__(self, meanwhile: Callable[[], Awaitable[object]]) -> None:
        super().__init__()
        self._meanwhile = [meanwhile]

    async def evaluate(self, case: Case) -> Judgement:
        while self._meanwhile:
            await self._meanwhile.pop()()
        return await super().evaluate(case)


async def tags(bench: JudgeBench, digest: Digest) -> Sequence[Tag]:
    return await bench.verdicts.tags(bench.registry.host, REPOSITORY, digest)


async def work(bench: JudgeBench) -> list[Digest | None]:
    """What is still to be judged, judged."""
    done = []
    while jobs := await bench.backlog.lease(tuple(Lane), 1):
        await bench.backlog.settle(jobs[0], await bench.judge.judge(jobs[0]))
        done.append(jobs[0].push.digest)
    return done


async def held(bench: JudgeBench, job: Job) -> tuple[asyncio.Event, asyncio.Task[Settlement]]:
    """The job, under way as far as its inspection; it goes on when the event is set."""
    bench.inspector.hold, before = asyncio.Event(), len(bench.inspector.seen)
    hold, task = bench.inspector.hold, asyncio.create_task(bench.judge.judge(job))
    while len(bench.inspector.seen) == before:
        await asyncio.sleep(0)
    bench.inspector.hold = None
    return hold, task


async def test_a_tag_that_was_taken_meanwhile_stays_with_who_took_it(bench: JudgeBench) -> None:
    """Though the image that had it is recorded last; it is looked at again, and then judged without."""
    job = await bench.job(bench.put(an_image()))
    hold, judging = await held(bench, job)
    second = bench.put(an_image("b"))
    await bench.settled(second)
    hold.set()
    settlement = await judging
    assert isinstance(settlement, Retry)
    assert settlement.reason == "tag-moved"
    await bench.backlog.settle(job, settlement)
    assert await work(bench) == [job.push.digest, job.push.digest]  # demoted, then done
    assert await bench.verdicts.verdict(job.id) is not None
    assert (await tags(bench, job.push.digest or second), await tags(bench, second)) == ((), ("v1",))


async def test_of_two_images_that_end_at_once_one_has_the_tag(bench: JudgeBench) -> None:
    """Whichever is recorded first."""
    first = await bench.job(bench.put(an_image()))
    holds = [await held(bench, first)]
    second = await bench.job(bench.put(an_image("b")))
    holds.append(await held(bench, second))
    for hold, _ in holds:
        hold.set()
    settlements = await asyncio.gather(*(judging for _, judging in holds))
    assert settlements[1] == Done(result="pass")
    assert await tags(bench, second.push.digest or Digest("")) == ("v1",)
    assert await tags(bench, first.push.digest or Digest("")) == ()


async def test_who_is_known_by_a_tag_that_moved_on_is_looked_at(bench: JudgeBench) -> None:
    """The image that took it is deleted before it was judged, so that nobody else tells."""
    first, second = bench.put(an_image()), an_image("b")
    await bench.settled(first)
    bench.put(second)
    bench.registry.content.existing(REPOSITORY).delete_manifest(second.digest)
    job = await bench.job(second.digest)
    assert isinstance(await bench.judge.judge(job), Retry)
    assert await work(bench) == [first]
    assert await tags(bench, first) == ()


@pytest.mark.parametrize("by", ["tag", "digest"])
async def test_what_is_deleted_while_it_is_judged_is_looked_at_again(bench: JudgeBench, by: str) -> None:
    """Nothing is known of it yet that a deletion could be compared with."""
    job = await bench.job(bench.put(an_image()))
    hold, judging = await held(bench, job)
    bench.registry.content.existing(REPOSITORY).delete_manifest("v1")
    gone = Deleted(
        registry=bench.registry.host,
        repository=REPOSITORY,
        tag=Tag("v1") if by == "tag" else None,
        digest=job.push.digest if by == "digest" else None,
    )
    looks = await second_looks(bench.verdicts, bench.judge.under_way, gone)
    hold.set()
    assert await judging == Done(result="pass")
    assert looks == [Push(registry=bench.registry.host, repository=REPOSITORY, digest=job.push.digest)]
    assert not bench.judge.under_way(gone)
    await bench.backlog.settle(job, Done(result="pass"))
    bench.clock.advance(60)
    await bench.settled(job.push.digest, tag=None, lane=Lane.REEVALUATE)
    assert await tags(bench, job.push.digest or Digest("")) == ()


async def test_a_tag_whose_image_is_being_found_is_looked_at_again(bench: JudgeBench) -> None:
    """Where the event names no digest, the tag is all there is."""
    bench.put(an_image())
    job = await bench.job(None)
    bench.judge._under_way[job.id] = job.push, frozenset(job.tags)
    gone = Deleted(registry=bench.registry.host, repository=REPOSITORY, tag=Tag("v1"))
    assert bench.judge.under_way(gone) == [Push(registry=bench.registry.host, repository=REPOSITORY, tag=Tag("v1"))]


async def test_an_index_takes_a_tag_from_what_it_lists(bench: JudgeBench) -> None:
    """The image that had it is judged with it, by the tags of its own, and does not keep this one."""
    image = an_image()
    await bench.settled(bench.put(image))
    index = bench.put(build_index([image]))
    await bench.settled(index)
    assert (await tags(bench, image.digest), await tags(bench, index)) == ((), ("v1",))


async def test_what_is_stored_takes_no_tag_back(bench: JudgeBench) -> None:
    """An image that is judged again loses its tag meanwhile: its registry is not asked, but what is known of it."""
    first = bench.put(an_image())
    await bench.settled(first)
    job = replace(await bench.job(first, tag=None, lane=Lane.REEVALUATE), source=REEVALUATION)
    slow = SlowEvaluator(lambda: bench.settled(bench.put(an_image("b"))))
    bench.judge.judging = replace(bench.judge.judging, evaluator=slow)
    settlement = await bench.judge.judge(job)
    assert isinstance(settlement, Retry)
    assert settlement.reason == "tag-moved"
    assert len(slow.cases) == 2
    assert await tags(bench, first) == ()
