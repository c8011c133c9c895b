"""A tag that moved or was deleted leaves its old digest, whoever learns of it first."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.doubles.judges import REPOSITORY, JudgeBench, an_image, open_judge
from tests.doubles.verdicts import FINDING
from watcher.backlog.protocol import Done, Lane, Retry
from watcher.evaluation.protocol import Case
from watcher.model.digest import Digest
from watcher.model.publication import GONE, Published
from watcher.model.push import Deleted, Push
from watcher.model.reference import Tag
from watcher.model.verdict import Finding, Outcome
from watcher.pipeline.routing import Route
from watcher.pipeline.second_looks import second_looks
from watcher.store.outbox import StoredOutbox
from watcher.store.protocol import SubjectFilter
from watcher.testing.images import build_index

pytestmark = pytest.mark.enable_socket


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[JudgeBench]:
    async with open_judge(tmp_path) as opened:
        yield opened


async def tags(bench: JudgeBench, digest: Digest) -> Sequence[Tag]:
    return await bench.verdicts.tags(bench.registry.host, REPOSITORY, digest)


async def work(bench: JudgeBench) -> list[Digest | None]:
    """What is still to be judged, judged."""
    done = []
    while jobs := await bench.backlog.lease(tuple(Lane), 1):
        await bench.backlog.settle(jobs[0], await bench.judge.judge(jobs[0]))
        done.append(jobs[0].push.digest)
    return done


def by_tag(case: Case) -> Sequence[Finding]:
    return [replace(FINDING, key=tag) for tag in case.subject.tags]


async def test_a_tag_leads_to_what_was_pushed_last(bench: JudgeBench) -> None:
    """And not to what it led to; where no rule reads tags, that is all."""
    first, second = bench.put(an_image()), an_image("b")
    await bench.settled(first)
    await bench.settled(bench.put(second))
    assert (await tags(bench, first), await tags(bench, second.digest)) == ((), ("v1",))
    assert await work(bench) == []


async def test_what_lost_a_tag_is_judged_again_when_rules_read_tags(bench: JudgeBench) -> None:
    """Its verdict no longer rests on the tag."""
    bench.evaluator.finds, bench.evaluator.reads_tags = by_tag, True
    first = bench.put(an_image())
    await bench.settled(first)
    await bench.settled(bench.put(an_image("b")))
    assert await work(bench) == [first]
    said = await bench.verdicts.latest(first)
    assert said is not None
    assert (said.findings, said.subject.tags) == ((), ())


async def test_a_tag_that_comes_back_leads_there_again(bench: JudgeBench) -> None:
    """Moved and moved back."""
    first, second = an_image(), an_image("b")
    await bench.settled(bench.put(first))
    await bench.settled(bench.put(second))
    bench.clock.advance(60)
    await bench.settled(bench.put(first))
    assert (await tags(bench, first.digest), await tags(bench, second.digest)) == (("v1",), ())


async def test_looking_at_a_digest_asks_where_its_tags_lead(bench: JudgeBench) -> None:
    """Nobody told of the move: the next look at the old digest finds it."""
    first = bench.put(an_image())
    await bench.settled(first)
    bench.put(an_image("b"))
    bench.clock.advance(60)
    await bench.settled(first, tag=None, lane=Lane.SWEEP)
    said = await bench.verdicts.latest(first)
    assert said is not None
    assert (await tags(bench, first), said.subject.tags, said.tag) == ((), (), None)


async def test_a_tag_that_leads_nowhere_leaves_what_it_led_to(bench: JudgeBench) -> None:
    """The image under it is still there, and is judged without it."""
    first = bench.put(an_image())
    await bench.settled(first)
    bench.registry.content.writable(REPOSITORY).tags.clear()
    job = await bench.job(None)
    for attempt in (1, 2):
        assert isinstance(await bench.judge.judge(replace(job, attempt=attempt)), Retry)
    await bench.backlog.settle(job, await bench.judge.judge(replace(job, attempt=3)))
    assert await work(bench) == [first]
    assert await tags(bench, first) == ()


async def test_a_deletion_is_looked_at_where_it_may_matter(bench: JudgeBench) -> None:
    """The tag when something was judged by it, the digest when it has any; nothing of what nobody knows."""
    first = bench.put(an_image())
    await bench.settled(first)
    gone = Deleted(registry=bench.registry.host, repository=REPOSITORY, tag=Tag("v1"), digest=first)
    by_its_tag = Push(registry=gone.registry, repository=REPOSITORY, tag=Tag("v1"))
    by_its_digest = Push(registry=gone.registry, repository=REPOSITORY, digest=first)
    assert await second_looks(bench.verdicts, bench.judge.under_way, gone) == [by_its_tag, by_its_digest]
    assert await second_looks(bench.verdicts, bench.judge.under_way, replace(gone, tag=None)) == [by_its_digest]
    assert await second_looks(bench.verdicts, bench.judge.under_way, replace(gone, tag=Tag("v2"), digest=None)) == []


async def test_of_a_deleted_image_no_tag_is_left(bench: JudgeBench) -> None:
    """Its verdict stays what it was."""
    first = bench.put(an_image())
    await bench.settled(first)
    held = bench.registry.content.writable(REPOSITORY)
    held.tags.clear()
    held.manifests.clear()
    bench.clock.advance(60)
    job = await bench.job(first, tag=None, lane=Lane.SWEEP)
    assert isinstance(await bench.judge.judge(replace(job, attempt=3)), Done)
    said = await bench.verdicts.latest(first)
    assert said is not None
    assert (await tags(bench, first), said.outcome.value) == ((), "pass")


async def test_what_is_gone_is_not_among_what_is_true_now(bench: JudgeBench) -> None:
    """What was said of it is still known, what its index listed is looked at by itself, and when it is pushed again it is news."""
    image = an_image()
    index = build_index([image])
    await bench.settled(bench.put(index))

    async def current() -> set[Digest]:
        return {each.subject.digest for each in await bench.judge.images.newest(SubjectFilter())}

    assert await current() == {image.digest, index.digest}
    bench.registry.content.existing(REPOSITORY).delete_manifest(index.digest)
    bench.clock.advance(60)
    job = await bench.job(index.digest, tag=None, lane=Lane.SWEEP)
    settlement = await bench.judge.judge(replace(job, attempt=3))
    assert settlement == Done(result="unknown")  # nobody told of its deletion
    await bench.backlog.settle(job, settlement)
    assert await work(bench) == [image.digest]
    assert await current() == {image.digest}
    said = await bench.verdicts.latest(index.digest)
    assert said is not None
    assert said.outcome is Outcome.PASS
    subjects = [each.digest for each in await bench.judge.standing.subjects()]
    assert subjects == [image.digest]
    bench.clock.advance(60)
    await bench.settled(bench.put(index))
    assert await current() == {image.digest, index.digest}


async def test_who_keeps_something_for_an_image_hears_that_it_is_gone(bench: JudgeBench) -> None:
    """Once the registry has said so often enough; nobody else does, since its verdict is what it was."""
    keeper = Route(publisher="bus", outcomes=(Outcome.FAIL,), keeps_state=True, lets_go=True)
    bench.judge.routes = [*bench.judge.routes, keeper]
    first = bench.put(an_image())
    await bench.settled(first)
    outbox = StoredOutbox(bench.verdicts._database, bench.clock)
    for each in await outbox.due(9):
        await outbox.settle(each, Published())
    held = bench.registry.content.writable(REPOSITORY)
    held.tags.clear()
    held.manifests.clear()
    bench.clock.advance(60)
    job = await bench.job(first, tag=None, lane=Lane.SWEEP)
    assert isinstance(await bench.judge.judge(job), Retry)
    assert await outbox.due(9) == []
    assert isinstance(await bench.judge.judge(replace(job, attempt=3)), Done)
    assert [(each.publisher, each.progress) for each in await outbox.due(9)] == [("bus", GONE)]
