"""An index and the images it lists: each keeps its own name, and the index says what all of them come to."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.doubles.judges import REPOSITORY, JudgeBench, an_image, open_judge
from tests.doubles.verdicts import FINDING
from watcher.backlog.protocol import Done
from watcher.evaluation.protocol import Case
from watcher.model.digest import Digest
from watcher.model.errors import TimedOutError
from watcher.model.image import MAX_INDEX_DEPTH
from watcher.model.reference import Tag
from watcher.model.verdict import Finding, Outcome, Verdict
from watcher.pipeline.patience import LOOKS
from watcher.testing.faults import Fault
from watcher.testing.images import BuiltImage, build_index

pytestmark = pytest.mark.enable_socket


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[JudgeBench]:
    async with open_judge(tmp_path) as opened:
        yield opened


async def latest(bench: JudgeBench, digest: Digest) -> Verdict:
    found = await bench.verdicts.latest(digest)
    assert found is not None
    return found


def tags_forbidden(case: Case) -> Sequence[Finding]:
    return [replace(FINDING, key=case.tag)] if case.tag == "latest" else []


async def test_an_image_keeps_its_own_tags_and_platform(bench: JudgeBench) -> None:
    """What lists it, and under which platform, is its author's to write."""
    image = an_image(platform="linux/arm64")
    await bench.settled(bench.put(image, "arm"), tag="arm")
    index = build_index([image])
    claims = json.loads(index.raw)
    claims["manifests"][0]["platform"] = {"os": "linux", "architecture": "s390x"}
    lying = replace(index, raw=json.dumps(claims).encode())
    await bench.settled(bench.put(lying, "latest"), tag="latest")
    said = await latest(bench, image.digest)
    assert (said.tag, said.subject.tags, said.platform) == ("arm", ("arm",), "linux/amd64")
    assert said.index_digest == lying.digest
    assert await bench.verdicts.tags(bench.registry.host, REPOSITORY, image.digest) == ("arm",)
    about = await latest(bench, lying.digest)
    assert (about.tag, about.subject.tags, about.platform) == ("latest", ("latest",), None)


async def test_rules_that_read_tags_see_those_of_the_index(bench: JudgeBench) -> None:
    """The finding is the index's; its images have no such tag."""
    bench.evaluator.finds, bench.evaluator.reads_tags = tags_forbidden, True
    image = an_image()
    index = build_index([image])
    await bench.settled(bench.put(index, "latest"), tag="latest")
    assert [(each.key, each.platform) for each in (await latest(bench, index.digest)).findings] == [("latest", "linux/amd64")]
    assert (await latest(bench, image.digest)).findings == ()
    assert len(bench.inspector.seen) == 1


async def test_an_index_has_the_findings_of_every_platform(bench: JudgeBench) -> None:
    """Each with its platform, and in the sections what any of them lacks."""
    bench.evaluator.findings = (FINDING,)
    one, other = an_image(), an_image("b")
    index = build_index([one, other])
    bench.inspector.platforms = {one.digest: "linux/amd64", other.digest: "linux/arm64"}
    assert await bench.settled(bench.put(index)) == Done(result="pass", absorbed=(one.digest, other.digest))
    said = await latest(bench, index.digest)
    assert [(each.rule, each.platform) for each in said.findings] == [
        (FINDING.rule, "linux/amd64"),
        (FINDING.rule, "linux/arm64"),
    ]
    assert {each.platform for each in (await latest(bench, one.digest)).findings} == {None}


async def test_an_index_within_an_index_is_followed(bench: JudgeBench) -> None:
    """Every image in it is judged once, however often it is listed, and every index has its verdict."""
    first, second = an_image(), an_image("b")
    inner = build_index([first, second])
    outer = build_index([inner, first])
    await bench.settled(bench.put(outer))
    (recorded,) = bench.recorded
    assert [each.verdict.subject.digest for each in recorded] == [first.digest, second.digest, inner.digest, outer.digest]
    assert [each.verdict.index_digest for each in recorded] == [inner.digest, inner.digest, outer.digest, None]
    assert bench.inspector.seen == [first.digest, second.digest]
    assert recorded[-1].verdict.outcome is Outcome.PASS


async def test_indexes_are_followed_so_deep_and_no_deeper(bench: JudgeBench) -> None:
    """What is below is unknown, and so is what contains it."""
    deep: BuiltImage = an_image()
    for _ in range(MAX_INDEX_DEPTH):
        deep = build_index([deep])
    assert (await bench.settled(bench.put(deep))) == Done(result="pass", absorbed=(deep.children[0].digest,))
    deeper = build_index([deep])
    await bench.settled(bench.put(deeper, "v2"), tag="v2")
    said = await latest(bench, deeper.digest)
    assert said.outcome is Outcome.UNKNOWN
    assert f"more than {MAX_INDEX_DEPTH} deep" in said.reason


async def test_what_could_not_be_looked_at_replaces_nothing(bench: JudgeBench) -> None:
    """Of an image, and of an index with it: the bytes are what they were, and nobody is told otherwise."""
    image = an_image()
    index = build_index([image])
    await bench.settled(bench.put(index))
    bench.inspector.error = TimedOutError("took too long")
    await bench.settled(bench.put(index, "v2"), tag="v2")
    blind = bench.recorded[-1]
    assert [each.verdict.outcome for each in blind] == [Outcome.UNKNOWN, Outcome.UNKNOWN]
    for digest in (image.digest, index.digest):
        assert (await latest(bench, digest)).outcome is Outcome.PASS


async def test_a_platform_that_is_bad_counts_although_another_cannot_be_looked_at(bench: JudgeBench) -> None:
    """A failure is known whatever else is not."""
    good, gone = an_image(), an_image("b")
    index = build_index([good, gone])
    await bench.settled(bench.put(index))
    bench.evaluator.outcome = Outcome.FAIL
    bench.registry.faults.add(Fault(method="GET", path=f".*/manifests/{gone.digest}", status=404, times=99))
    job = replace(await bench.job(bench.put(index, "v2"), tag="v2"), attempt=LOOKS)
    await bench.judge.judge(job)
    assert (await latest(bench, index.digest)).outcome is Outcome.FAIL
    assert (await latest(bench, gone.digest)).outcome is Outcome.PASS


async def test_tags_of_an_index_name_no_image_of_it(bench: JudgeBench) -> None:
    """A tag leads to one digest."""
    image = an_image()
    index = build_index([image])
    await bench.settled(bench.put(index, "v1"))
    assert await bench.verdicts.tags(bench.registry.host, REPOSITORY, image.digest) == ()
    assert await bench.verdicts.tags(bench.registry.host, REPOSITORY, index.digest) == (Tag("v1"),)


async def test_an_index_has_one_budget_of_time(bench: JudgeBench) -> None:
    """What could not be fetched in time is `unknown` for this reason, and costs nothing more."""
    bench.judge.judging = replace(bench.judge.judging, index_seconds=0.0)
    images = [an_image(str(number)) for number in range(3)]
    settlement = await bench.settled(bench.put(build_index(images)))
    assert isinstance(settlement, Done)
    assert (settlement.result, bench.inspector.seen) == ("unknown", [])
    for image in images:
        assert (await latest(bench, image.digest)).reason.startswith("timed-out: ")
