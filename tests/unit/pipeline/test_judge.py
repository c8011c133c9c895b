"""One job, end to end over a real store and a registry in memory; only the inspector and the evaluator are written down."""

import asyncio
import errno
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.doubles.inventories import an_inventory
from tests.doubles.judges import REPOSITORY, JudgeBench, an_image, open_judge
from tests.doubles.registries import MemoryRegistries
from tests.doubles.verdicts import FINDING, MOMENT
from watcher.backlog.protocol import Arrival, Dead, Done, Lane, Retry
from watcher.evaluation.protocol import EvaluationFailedError
from watcher.inspection.image.base_image import listed_in
from watcher.kit.processes import FrameTooLargeError
from watcher.model.errors import InvalidManifestError, NotFoundError, PermanentError, RegistryUnavailableError
from watcher.model.inventory import Base
from watcher.model.publication import Published
from watcher.model.push import Push, Pushed
from watcher.model.reference import Tag
from watcher.model.verdict import Outcome, Section, SectionState
from watcher.pipeline.judge import LAST_ATTEMPT
from watcher.pipeline.owners import OwnedImages, OwnerSettings
from watcher.pipeline.patience import LOOKS, HeardOnceError
from watcher.pipeline.routing import Route
from watcher.testing.faults import Fault
from watcher.testing.images import build_image, build_index

pytestmark = pytest.mark.enable_socket


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[JudgeBench]:
    async with open_judge(tmp_path) as opened:
        yield opened


async def test_a_job_becomes_a_verdict(bench: JudgeBench) -> None:
    """The verdict carries the job's id, its subject, its environment and where it came from."""
    digest = bench.put(an_image())
    job = await bench.job(digest)
    assert await bench.judge.judge(job) == Done(result="pass")
    verdict = await bench.verdicts.verdict(job.id)
    assert verdict is not None
    assert verdict.subject.environment == "production"
    assert verdict.subject.tags == ("v1",)
    assert verdict.origin is not None
    assert verdict.origin.source == "main"


async def test_a_verdict_says_whose_the_image_is_and_who_pushed_it(bench: JudgeBench) -> None:
    """It is told to those who are for the owner, and only to those."""
    owned = (OwnedImages(name="payments", images=(f"{bench.registry.host}/team/*",)),)
    bench.judge.owners = OwnerSettings(map=owned)
    bench.judge.routes = [
        Route(publisher=name, outcomes=tuple(Outcome), owned_by=lambda owner, name=name: owner == name)  # type: ignore[misc]  # a default binds it
        for name in ("payments", "search")
    ]
    job = await bench.job(bench.put(an_image()))
    job = replace(job, push=replace(job.push, actor="jane"))
    await bench.judge.judge(job)
    verdict = await bench.verdicts.verdict(job.id)
    assert verdict is not None
    assert verdict.origin is not None
    assert (verdict.owner, verdict.origin.actor) == ("payments", "jane")
    assert [each.publisher for each in await bench.outbox.due(9)] == ["payments"]


async def test_a_tag_that_leads_to_something_better_is_news_to_people(bench: JudgeBench) -> None:
    """They are told by it that what they were told of is over, though it is another image."""
    bench.judge.routes = [Route(publisher="chat", outcomes=(Outcome.FAIL,), only_changes=True, follows_tags=True)]
    bench.evaluator.outcome = Outcome.FAIL
    await bench.settled(bench.put(an_image("bad")))
    (failed,) = await bench.outbox.due(9)
    await bench.outbox.settle(failed, Published())
    bench.evaluator.outcome = Outcome.PASS
    await bench.settled(bench.put(an_image("elsewhere"), tag="v2"), tag="v2")
    assert await bench.outbox.due(9) == []
    await bench.settled(bench.put(an_image("good")))
    (fixed,) = await bench.outbox.due(9)
    assert fixed.told == failed.verdict_id


async def test_a_job_that_runs_twice_is_judged_once(bench: JudgeBench) -> None:
    """After a crash between recording and settling, the second run finds its verdict and ends."""
    job = await bench.job(bench.put(an_image()))
    await bench.judge.judge(job)
    assert await bench.judge.judge(job) == Done(result="pass")
    assert len(bench.inspector.seen) == 1


async def test_a_push_without_a_digest_is_resolved(bench: JudgeBench) -> None:
    """The tag is asked for, and what it names is judged."""
    digest = bench.put(an_image())
    assert await bench.settled(None) == Done(result="pass")
    assert bench.inspector.seen == [digest]


async def test_what_we_wrote_ourselves_is_not_judged(bench: JudgeBench) -> None:
    """An event that names only a tag, that of a fallback index, is known by what the tag leads to. CI asks, and is answered."""
    digest = bench.put(an_image())
    await bench.own_writes.claim([digest])
    assert await bench.settled(None) == Done(result="published-by-us")
    assert not bench.inspector.seen
    assert await bench.settled(digest, lane=Lane.CI) == Done(result="pass")


async def test_a_registry_that_is_down_is_no_verdict(bench: JudgeBench) -> None:
    """The job is tried again; nothing is said about the image."""
    digest = bench.put(an_image())
    bench.registry.faults.add(Fault(path=".*/manifests/.*", status=403, times=2))
    settlement = await bench.settled(digest)
    assert isinstance(settlement, Retry)
    assert settlement.reason == "registry-authentication"
    assert not bench.recorded


@pytest.mark.parametrize("error", [NotFoundError("layer 0 is gone"), InvalidManifestError("the configuration is no configuration")])
async def test_an_image_that_cannot_be_looked_at_is_unknown(bench: JudgeBench, error: PermanentError) -> None:
    """With the reason, and every section missing."""
    bench.inspector.error = error
    job = await bench.job(bench.put(an_image()))
    assert await bench.judge.judge(job) == Done(result="unknown")
    verdict = await bench.verdicts.verdict(job.id)
    assert verdict is not None
    assert verdict.reason.startswith(error.reason)


async def test_what_a_registry_answered_once_is_asked_for_again(bench: JudgeBench) -> None:
    """In the words and by the name of what it would come to, and it counts as an attempt; the last look is believed."""
    bench.inspector.error = HeardOnceError(NotFoundError("layer 0 is gone"))
    job = await bench.job(bench.put(an_image()))
    again = Retry(reason="not-found", detail="layer 0 is gone", delay_seconds=1.0)
    assert await bench.judge.judge(job) == again
    bench.registry.faults.add(Fault(path=".*/manifests/.*", corrupt=True, times=20))
    settlement = await bench.judge.judge(job)
    assert isinstance(settlement, Retry)
    assert (settlement.reason, settlement.outside) == ("digest-mismatch", False)


async def test_a_manifest_that_cannot_be_read_is_unknown(bench: JudgeBench) -> None:
    """A registry that serves other bytes than the digest says gets no verdict about them."""
    digest = bench.put(an_image())
    bench.registry.faults.add(Fault(path=".*/manifests/.*", corrupt=True, times=20))
    job = replace(await bench.job(digest), attempt=LOOKS)
    assert await bench.judge.judge(job) == Done(result="unknown")
    verdict = await bench.verdicts.verdict(job.id)
    assert verdict is not None
    assert "digest-mismatch" in verdict.reason


async def test_a_layer_that_comes_later_is_waited_for(bench: JudgeBench) -> None:
    """What may pass releases the job."""
    bench.inspector.error = RegistryUnavailableError("down", retry_after_seconds=7)
    settlement = await bench.settled(bench.put(an_image()))
    assert settlement == Retry(reason="registry-unavailable", detail="down", delay_seconds=7, outside=True)


async def test_a_fault_of_ours_stops_nobody_else(bench: JudgeBench) -> None:
    """A crash is one job's, tried again."""
    bench.inspector.error = RuntimeError("a bug")
    assert await bench.settled(bench.put(an_image())) == Retry(reason="internal", detail="RuntimeError")


@pytest.mark.parametrize(
    "error", [OSError(errno.EMFILE, "many"), OSError(errno.ENOMEM, ""), RuntimeError("can't start new thread")]
)
async def test_a_machine_that_has_nothing_left_is_waited_for(bench: JudgeBench, error: Exception) -> None:
    """No files, memory or threads: not the image's fault, and no attempt of its own."""
    bench.inspector.error = error
    settlement = await bench.settled(bench.put(an_image()))
    assert isinstance(settlement, Retry)
    assert (settlement.reason, settlement.outside) == ("shortage", True)


async def test_a_fault_of_ours_that_stays_is_said_of_the_image(bench: JudgeBench) -> None:
    """After some attempts it is unknown, with what went wrong; nothing is tried for ever, and nothing goes without a verdict."""
    bench.inspector.error = RecursionError("deep")
    job = replace(await bench.job(bench.put(an_image())), attempt=LAST_ATTEMPT)
    assert await bench.judge.judge(job) == Done(result="unknown")
    verdict = await bench.verdicts.verdict(job.id)
    assert verdict is not None
    assert verdict.reason == "internal: the watcher fails over this image by a mistake of its own: RecursionError"


async def test_facts_that_cannot_be_stored_are_said_of_the_image(bench: JudgeBench) -> None:
    """The store refuses them every time, so the verdict goes without."""
    bench.inspector.inventory = replace(bench.inspector.inventory, layers=(object(),))  # type: ignore[arg-type]
    job = replace(await bench.job(bench.put(an_image())), attempt=LAST_ATTEMPT)
    assert await bench.judge.judge(job) == Done(result="unknown")
    verdict = await bench.verdicts.verdict(job.id)
    assert verdict is not None
    assert verdict.reason.startswith("internal: ")


@pytest.mark.parametrize("error", [EvaluationFailedError("no"), FrameTooLargeError("1 GiB")])
async def test_an_image_that_cannot_be_evaluated_is_unknown(bench: JudgeBench, error: PermanentError) -> None:
    """With the reason, and with what the inspection has found."""
    bench.evaluator.error = error
    digest = bench.put(an_image())
    assert await bench.settled(digest) == Done(result="unknown")
    verdict = await bench.verdicts.latest(digest)
    assert verdict is not None
    assert verdict.reason == f"{error.reason}: {error}"
    assert (verdict.platform, verdict.sections) == (bench.inspector.inventory.platform, bench.inspector.inventory.sections)


async def test_a_signature_is_not_applicable_and_told_to_nobody(bench: JudgeBench) -> None:
    """It has an end in the store and no publication."""
    artefact = build_image(config={}, annotations={"a": "b"})
    raw = artefact.raw.replace(b"application/vnd.oci.image.config.v1+json", b"application/vnd.dev.cosign.simplesigning")
    held = bench.registry.content.writable(REPOSITORY)
    for digest, content in artefact.blobs.items():
        held.put_blob(content, digest)
    signature = held.put_manifest(raw, artefact.media_type, "sha256-x.sig").digest
    assert await bench.settled(signature, tag="sha256-x.sig") == Done(result="not-applicable")


async def test_an_index_is_as_bad_as_its_worst_platform(bench: JudgeBench) -> None:
    """Its children have verdicts of their own, and their waiting jobs are taken along."""
    good, bad = an_image(), an_image("b", platform="linux/arm64")
    index = build_index([good, bad])
    bench.evaluator.findings = (FINDING,)
    job = await bench.job(bench.put(index))
    settlement = await bench.judge.judge(job)
    assert settlement == Done(result="pass", absorbed=(good.digest, bad.digest))
    assert [each.verdict.subject.digest for each in bench.recorded[0]] == [good.digest, bad.digest, index.digest]
    assert {each.verdict.index_digest for each in bench.recorded[0][:2]} == {index.digest}


async def test_a_child_that_comes_up_meanwhile_is_left_to_its_index(bench: JudgeBench) -> None:
    """Unless somebody asked for it by name: a tag or a CI submission is answered for itself."""
    child = an_image()
    index_digest = bench.put(build_index([child]))
    bench.inspector.hold = asyncio.Event()
    running = asyncio.create_task(bench.settled(index_digest))
    while not bench.inspector.seen:
        await asyncio.sleep(0)
    alone = await bench.job(child.digest, tag=None)
    settlement = await bench.judge.judge(alone)
    assert settlement == Done(result="absorbed")
    await bench.backlog.settle(alone, settlement)
    asked = asyncio.create_task(bench.settled(child.digest, tag=None, lane=Lane.CI, environment="staging"))
    bench.inspector.hold.set()
    assert (await running).__class__ is Done
    assert await asked == Done(result="pass")


async def test_a_trusted_base_is_a_base_itself(bench: JudgeBench) -> None:
    """It is built on nothing that is known, and rules that ask for its base are answered; what is kept of it says no more."""
    unknown = replace(an_inventory(), base=Base(), sections={"base": Section(state=SectionState.MISSING, reason="not seen")})
    bench.inspector.inventory = unknown
    listed = listed_in([f"{bench.registry.host}/team/app:v1"])
    judge = replace(bench.judge, judging=replace(bench.judge.judging, is_base=listed))
    await judge.judge(await bench.job(bench.put(an_image())))
    (case,) = bench.evaluator.cases
    assert case.inventory is not None
    assert (case.inventory.base.known, case.inventory.base.how, case.inventory.base.layer_count) == (True, "itself", 0)
    assert "/team/app:v1@sha256:" in case.inventory.base.reference
    assert case.inventory.sections["base"] == Section()
    assert bench.recorded[0][0].inventory == replace(unknown, digest=case.inventory.digest)
    await judge.judge(await bench.job(bench.put(an_image("b"), "v2"), tag="v2"))
    again = bench.evaluator.cases[1].inventory
    assert again is not None
    assert not again.base.known


async def test_a_broken_reference_is_listed(bench: JudgeBench) -> None:
    """What can never work ends as a dead letter."""
    job = await bench.job(bench.put(an_image()))
    broken = replace(bench.judge, registries=MemoryRegistries(trouble=PermanentError("no such thing")))
    assert await broken.judge(replace(job, push=replace(job.push, digest=None))) == Dead(reason="permanent", detail="no such thing")


async def test_the_loop_judges_what_is_put_until_it_is_cancelled(bench: JudgeBench) -> None:
    """Put, woken, judged, settled."""
    digest = bench.put(an_image())
    push = Push(registry=bench.registry.host, repository=REPOSITORY, digest=digest, tag=Tag("v1"))
    await bench.backlog.put([Arrival(source="main", decision=Pushed(push=push), delivery_key="k", received_at=MOMENT)])
    async with asyncio.TaskGroup() as jobs:
        loop = jobs.create_task(bench.jobs.run(jobs))
        while not bench.recorded:
            await asyncio.sleep(0.01)
        loop.cancel()
    assert not bench.jobs._running
