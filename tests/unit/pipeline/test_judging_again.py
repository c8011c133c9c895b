"""An image that was judged is judged again by what is stored of it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from tests.doubles.gatherers import WrittenGatherer, knowing
from tests.doubles.inventories import an_inventory, layers_of
from tests.doubles.judges import REPOSITORY, JudgeBench, an_image, open_judge
from tests.doubles.verdicts import FINDING
from watcher.backlog.protocol import Arrival, Done, Lane, Settlement
from watcher.evaluation.protocol import Case
from watcher.model.digest import Digest
from watcher.model.errors import NotFoundError
from watcher.model.publication import Published
from watcher.model.push import Push, Pushed
from watcher.model.verdict import INSPECTED, REEVALUATION, Finding, Outcome, Section, Verdict
from watcher.model.verdict_json import verdict_bytes
from watcher.pipeline.gathering import Gathering
from watcher.store.facts import LayerStore
from watcher.store.outbox import StoredOutbox
from watcher.store.tables import verdict
from watcher.testing.images import build_index

pytestmark = pytest.mark.enable_socket


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[JudgeBench]:
    async with open_judge(tmp_path) as opened:
        yield opened


async def again(bench: JudgeBench, digest: Digest, **changes: Any) -> Settlement:
    push = Push(registry=bench.registry.host, repository=REPOSITORY, digest=digest)
    arrival = Arrival(
        source=REEVALUATION,
        decision=Pushed(push=push),
        delivery_key=None,
        received_at=bench.clock(),
        lane=Lane.REEVALUATE,
        **changes,
    )
    await bench.backlog.put([arrival])
    (job,) = await bench.backlog.lease(tuple(Lane), 1)
    settlement = await bench.judge.judge(job)
    await bench.backlog.settle(job, settlement)
    return settlement


async def latest(bench: JudgeBench, digest: Digest) -> Verdict:
    found = await bench.verdicts.latest(digest)
    assert found is not None
    return found


async def published(bench: JudgeBench) -> int:
    """How many publications became due since this was asked last."""
    outbox = StoredOutbox(bench.verdicts._database, bench.clock)
    due = await outbox.due(100)
    for each in due:
        await outbox.settle(each, Published())
    return len(due)


def always(_case: Case) -> Sequence[Finding]:
    return [FINDING]


async def test_nothing_is_asked_of_the_registry(bench: JudgeBench) -> None:
    """Neither for a manifest nor where a tag leads; the verdict is of the same image, under the same names."""
    digest = bench.put(an_image())
    await bench.settled(digest)
    first = await latest(bench, digest)
    asked, looked = bench.registry.requests.total(), len(bench.inspector.seen)
    bench.evaluator.outcome, bench.evaluator.finds = Outcome.FAIL, always
    bench.clock.advance(3600)
    assert await again(bench, digest) == Done(result="fail")
    said = await latest(bench, digest)
    assert (bench.registry.requests.total(), len(bench.inspector.seen)) == (asked, looked)
    assert said.id != first.id
    assert said.outcome is Outcome.FAIL
    assert (said.subject, said.tag, said.platform, said.facts_revision, said.media_type) == (
        first.subject,
        first.tag,
        first.platform,
        first.facts_revision,
        first.media_type,
    )
    assert said.evaluated_at == bench.clock()


async def test_it_is_judged_by_the_same_facts(bench: JudgeBench) -> None:
    """The policies are asked the very same question, and say byte for byte the same; also when packages are read once for all."""
    inventory = an_inventory(sections={name: Section() for name in INSPECTED})
    bench.inspector.inventory = inventory
    layers = LayerStore(bench.verdicts._database)
    for facts in layers_of(inventory):
        await layers.keep_layer(facts)
    digests = [bench.put(an_image(tag), tag) for tag in "ab"]
    for digest, tag in zip(digests, "ab", strict=True):
        await bench.settled(digest, tag=tag)
    fresh = [await latest(bench, digest) for digest in digests]
    for _ in range(2):
        for digest in digests:
            await again(bench, digest)
    asked = bench.evaluator.cases
    assert asked[0].inventory is not None
    assert len(asked[0].inventory.files) == len(inventory.files) > 0
    assert asked == asked[:2] * 3
    for digest, first in zip(digests, fresh, strict=True):
        said = await latest(bench, digest)
        assert said.origin != first.origin
        assert verdict_bytes(replace(said, id=first.id, origin=first.origin)) == verdict_bytes(first)


async def test_what_is_recorded_of_the_image_stays(bench: JudgeBench) -> None:
    """It says what was found when it was inspected, also to those who ask later."""
    digest = bench.put(an_image())
    await bench.settled(digest)
    before = await bench.judge.images.inventory(digest)
    await again(bench, digest)
    assert await bench.judge.images.inventory(digest) == before is not None


async def test_what_only_repeats_is_told_to_nobody(bench: JudgeBench) -> None:
    """It is recorded, since it says that the image was looked at now."""
    digest = bench.put(an_image())
    await bench.settled(digest)
    assert await published(bench) == 1
    bench.clock.advance(3600)
    await again(bench, digest)
    assert await published(bench) == 0
    assert (await latest(bench, digest)).evaluated_at == bench.clock()
    bench.evaluator.outcome, bench.evaluator.finds = Outcome.FAIL, always
    await again(bench, digest)
    assert await published(bench) == 1


async def test_what_is_known_besides_is_gathered_anew(bench: JudgeBench) -> None:
    """That is what it is judged again for."""
    gatherer = WrittenGatherer(name="data", sections=("vulnerabilities",), knowledge=knowing("vulnerabilities", revision="1"))
    bench.judge.judging = replace(bench.judge.judging, gathering=Gathering(gatherers=[gatherer]))
    digest = bench.put(an_image())
    await bench.settled(digest)
    gatherer.knowledge = knowing("vulnerabilities", revision="2")
    await again(bench, digest)
    assert (await latest(bench, digest)).data_revision == "data:2"


async def test_an_index_is_judged_with_all_its_images(bench: JudgeBench) -> None:
    """Each anew, and the index by what they come to."""
    images = [an_image("a", platform="linux/amd64"), an_image("b", platform="linux/arm64")]
    bench.inspector.platforms = {images[0].digest: "linux/amd64", images[1].digest: "linux/arm64"}
    index = build_index(images)
    digest = bench.put(index)
    await bench.settled(digest)
    first, asked = await latest(bench, digest), bench.registry.requests.total()
    bench.evaluator.outcome, bench.evaluator.finds = Outcome.FAIL, always
    bench.clock.advance(3600)
    assert await again(bench, digest) == Done(result="fail")
    said = await latest(bench, digest)
    assert bench.registry.requests.total() == asked
    assert (said.media_type, said.facts_revision, said.platform) == (first.media_type, first.facts_revision, None)
    assert {finding.platform for finding in said.findings} == {"linux/amd64", "linux/arm64"}
    for image in images:
        assert (await latest(bench, image.digest)).index_digest == digest
        assert (await latest(bench, image.digest)).evaluated_at == bench.clock()


async def test_what_nobody_could_look_at_is_looked_at(bench: JudgeBench) -> None:
    """There is nothing stored to judge it by, and the registry may have it by now."""
    bench.inspector.error = NotFoundError("a layer is not there")
    digest = bench.put(an_image())
    await bench.settled(digest)
    bench.inspector.error = None
    looked = len(bench.inspector.seen)
    await again(bench, digest)
    assert len(bench.inspector.seen) == looked + 1
    assert (await latest(bench, digest)).outcome is Outcome.PASS


async def test_an_index_of_which_an_image_is_not_stored_any_more_is_looked_at(bench: JudgeBench) -> None:
    """It must not look as if it listed less."""
    images = [an_image("a"), an_image("b")]
    index = build_index(images)
    digest = bench.put(index)
    await bench.settled(digest)
    looked = len(bench.inspector.seen)
    # As retention does with a verdict that was replaced: what is left of the image was judged by itself.
    alone = update(verdict).where(verdict.c.digest == images[0].digest).values(index_digest=None)
    await bench.verdicts._database.write(lambda connection: connection.execute(alone))
    await again(bench, digest)
    assert len(bench.inspector.seen) == looked + 2


async def test_a_push_that_joined_is_a_push(bench: JudgeBench) -> None:
    """The registry is asked, and everybody is told."""
    digest = bench.put(an_image())
    await bench.settled(digest)
    push = Push(registry=bench.registry.host, repository=REPOSITORY, digest=digest)
    asked = bench.registry.requests.total()
    common = {"decision": Pushed(push=push), "received_at": bench.clock()}
    await bench.backlog.put([Arrival(source=REEVALUATION, delivery_key=None, lane=Lane.REEVALUATE, **common)])  # type: ignore[arg-type]
    bench.clock.advance(60)
    await bench.backlog.put([Arrival(source="main", delivery_key="1", **common)])  # type: ignore[arg-type]
    (job,) = await bench.backlog.lease(tuple(Lane), 1)
    await bench.judge.judge(job)
    assert bench.registry.requests.total() > asked
    said = await latest(bench, digest)
    assert said.origin is None


async def test_day_after_day_leaves_two_verdicts(bench: JudgeBench) -> None:
    """Of the image and of the index that it is part of: the push's own, and the last."""
    image = an_image()
    index = build_index([image])
    digest = bench.put(index)
    await bench.settled(digest)
    first = await latest(bench, digest)
    await published(bench)
    for _ in range(4):
        bench.clock.advance(86400)
        await again(bench, digest)
    images = bench.judge.images
    for each in (digest, image.digest):
        assert [said.evaluated_at for said in await images.verdicts(each)] == [bench.clock(), first.evaluated_at]
