"""One job, end to end over a real store and a registry in memory; only the inspector and the evaluator are written down."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.databases import open_database
from tests.doubles.evaluators import WrittenEvaluator
from tests.doubles.inventories import an_inventory
from tests.doubles.verdicts import FINDING, MOMENT
from watcher.backlog.protocol import Arrival, Dead, Done, Job, Lane, Retry, Settlement
from watcher.backlog.sqlite import SqliteBacklog
from watcher.kit.wakeup import Wakeup
from watcher.model.digest import Digest
from watcher.model.errors import InvalidManifestError, NotFoundError, PermanentError, RegistryUnavailableError
from watcher.model.image import FetchedManifest
from watcher.model.inventory import Inventory
from watcher.model.push import Push, Pushed
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.model.verdict import Outcome
from watcher.pipeline.environments import EnvironmentSettings
from watcher.pipeline.judge import Judge
from watcher.pipeline.judging import Judging
from watcher.pipeline.routing import Route
from watcher.registry.access import Registries
from watcher.registry.protocol import ImageSource
from watcher.store.protocol import Judged
from watcher.store.verdicts import StoredVerdicts
from watcher.testing.faults import Fault
from watcher.testing.images import BuiltImage, build_image, build_index, build_layer, put_image
from watcher.testing.registry import MemoryRegistry, serve_registry

pytestmark = pytest.mark.enable_socket

REPOSITORY = RepositoryName("team/app")


@dataclass
class WrittenInspector:
    """Gives an inventory of the manifest it is handed, or raises what it is told to."""

    error: Exception | None = None
    seen: list[Digest] = field(default_factory=list)
    hold: asyncio.Event | None = None

    async def inspect(self, source: ImageSource, repository: RepositoryName, manifest: FetchedManifest) -> Inventory:
        self.seen.append(manifest.digest)
        if self.hold is not None:
            await self.hold.wait()
        if self.error is not None:
            raise self.error
        return replace(an_inventory(), digest=manifest.digest)


@dataclass
class Bench:
    registry: MemoryRegistry
    backlog: SqliteBacklog
    verdicts: StoredVerdicts
    inspector: WrittenInspector
    evaluator: WrittenEvaluator
    judge: Judge
    recorded: list[Sequence[Judged]]

    def put(self, image: BuiltImage, tag: str = "v1") -> Digest:
        return put_image(self.registry, REPOSITORY, image, tag)

    async def job(self, digest: Digest | None, *, tag: str | None = "v1", **changes: Any) -> Job:
        push = Push(registry=self.registry.host, repository=REPOSITORY, digest=digest, tag=Tag(tag) if tag else None)
        key = f"{digest}/{tag}/{sorted(changes)}"
        arrival = Arrival(source="main", decision=Pushed(push=push), delivery_key=key, received_at=MOMENT, **changes)
        await self.backlog.put([arrival])
        (job,) = await self.backlog.lease(tuple(Lane), 1)
        return job

    async def settled(self, digest: Digest | None, **changes: Any) -> Settlement:
        return await self.judge.judge(await self.job(digest, **changes))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    inspector, evaluator, recorded = WrittenInspector(), WrittenEvaluator(), list[Sequence[Judged]]()
    async with open_database(tmp_path / "w.db") as database, serve_registry() as registry, Registries.of([]) as registries:
        backlog = SqliteBacklog(database, lambda: MOMENT)
        verdicts = StoredVerdicts(database, lambda: MOMENT)

        async def resolve(host: Host, repository: RepositoryName, tag: Tag) -> Digest | None:
            return await registries.access(host).images.head(repository, tag)

        judge = Judge(
            backlog=backlog,
            verdicts=verdicts,
            judging=Judging(inspector=inspector, evaluator=evaluator, engine_version="1"),
            images=registries.images,
            resolve=resolve,
            environments=[EnvironmentSettings(name="production", images=(f"{registry.host}/team/**",))],
            routes=[Route(publisher="log", outcomes=(Outcome.PASS, Outcome.FAIL))],
            clock=lambda: MOMENT,
            slots=5,
            wakeup=Wakeup(),
            recorded=lambda _job, judged, _seconds: recorded.append(judged),
        )
        yield Bench(registry, backlog, verdicts, inspector, evaluator, judge, recorded)


def an_image(text: str = "a", **changes: Any) -> BuiltImage:
    return build_image([build_layer({"a": text})], **changes)


async def test_a_job_becomes_a_verdict(bench: Bench) -> None:
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


async def test_a_job_that_runs_twice_is_judged_once(bench: Bench) -> None:
    """After a crash between recording and settling, the second run finds its verdict and ends."""
    job = await bench.job(bench.put(an_image()))
    await bench.judge.judge(job)
    assert await bench.judge.judge(job) == Done(result="pass")
    assert len(bench.inspector.seen) == 1


async def test_a_push_without_a_digest_is_resolved(bench: Bench) -> None:
    """The tag is asked for, and what it names is judged."""
    digest = bench.put(an_image())
    assert await bench.settled(None) == Done(result="pass")
    assert bench.inspector.seen == [digest]


async def test_what_is_gone_is_looked_for_before_it_is_given_up(bench: Bench) -> None:
    """A replica may serve a manifest late; after three looks the event ends as gone."""
    job = await bench.job(Digest("sha256:" + "0" * 64))
    assert isinstance(await bench.judge.judge(job), Retry)
    assert await bench.judge.judge(replace(job, attempt=3)) == Done(result="gone")


async def test_a_registry_that_is_down_is_no_verdict(bench: Bench) -> None:
    """The job is tried again; nothing is said about the image."""
    digest = bench.put(an_image())
    bench.registry.faults.add(Fault(path=".*/manifests/.*", status=403, times=1))
    settlement = await bench.settled(digest)
    assert isinstance(settlement, Retry)
    assert settlement.reason == "registry-authentication"
    assert not bench.recorded


@pytest.mark.parametrize("error", [NotFoundError("layer 0 is gone"), InvalidManifestError("the configuration is no configuration")])
async def test_an_image_that_cannot_be_looked_at_is_unknown(bench: Bench, error: PermanentError) -> None:
    """With the reason, and every section missing."""
    bench.inspector.error = error
    job = await bench.job(bench.put(an_image()))
    assert await bench.judge.judge(job) == Done(result="unknown")
    verdict = await bench.verdicts.verdict(job.id)
    assert verdict is not None
    assert verdict.reason.startswith(error.reason)


async def test_a_manifest_that_cannot_be_read_is_unknown(bench: Bench) -> None:
    """A registry that serves other bytes than the digest says gets no verdict about them."""
    digest = bench.put(an_image())
    bench.registry.faults.add(Fault(path=".*/manifests/.*", corrupt=True, times=20))
    job = await bench.job(digest)
    assert await bench.judge.judge(job) == Done(result="unknown")
    verdict = await bench.verdicts.verdict(job.id)
    assert verdict is not None
    assert "digest-mismatch" in verdict.reason


async def test_a_layer_that_comes_later_is_waited_for(bench: Bench) -> None:
    """What may pass releases the job."""
    bench.inspector.error = RegistryUnavailableError("down", retry_after_seconds=7)
    settlement = await bench.settled(bench.put(an_image()))
    assert settlement == Retry(reason="registry-unavailable", detail="down", delay_seconds=7)


async def test_a_fault_of_ours_stops_nobody_else(bench: Bench) -> None:
    """A crash is one job's, tried again."""
    bench.inspector.error = RuntimeError("a bug")
    assert await bench.settled(bench.put(an_image())) == Retry(reason="internal", detail="RuntimeError")


async def test_a_signature_is_not_applicable_and_told_to_nobody(bench: Bench) -> None:
    """It has an end in the store and no publication."""
    artefact = build_image(config={}, annotations={"a": "b"})
    raw = artefact.raw.replace(b"application/vnd.oci.image.config.v1+json", b"application/vnd.dev.cosign.simplesigning")
    held = bench.registry.content.writable(REPOSITORY)
    for digest, content in artefact.blobs.items():
        held.put_blob(content, digest)
    signature = held.put_manifest(raw, artefact.media_type, "sha256-x.sig").digest
    assert await bench.settled(signature) == Done(result="not-applicable")


async def test_an_index_is_as_bad_as_its_worst_platform(bench: Bench) -> None:
    """Its children have verdicts of their own, and their waiting jobs are taken along."""
    good, bad = an_image(), an_image("b", platform="linux/arm64")
    index = build_index([good, bad])
    bench.evaluator.findings = (FINDING,)
    job = await bench.job(bench.put(index))
    settlement = await bench.judge.judge(job)
    assert settlement == Done(result="pass", absorbed=(good.digest, bad.digest))
    assert [each.verdict.subject.digest for each in bench.recorded[0]] == [good.digest, bad.digest, index.digest]
    assert {each.verdict.index_digest for each in bench.recorded[0][:2]} == {index.digest}


async def test_a_child_that_comes_up_meanwhile_is_left_to_its_index(bench: Bench) -> None:
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


async def test_a_broken_reference_is_listed(bench: Bench) -> None:
    """What can never work ends as a dead letter."""
    job = await bench.job(bench.put(an_image()))

    async def refuse(*_: object) -> None:
        raise PermanentError("no such thing")

    broken = replace(bench.judge, resolve=refuse)
    assert await broken.judge(replace(job, push=replace(job.push, digest=None))) == Dead(reason="permanent", detail="no such thing")


async def test_the_loop_judges_what_is_put_until_it_is_cancelled(bench: Bench) -> None:
    """Put, woken, judged, settled."""
    digest = bench.put(an_image())
    push = Push(registry=bench.registry.host, repository=REPOSITORY, digest=digest, tag=Tag("v1"))
    await bench.backlog.put([Arrival(source="main", decision=Pushed(push=push), delivery_key="k", received_at=MOMENT)])
    loop = asyncio.create_task(bench.judge.run())
    while not bench.recorded:
        await asyncio.sleep(0.01)
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)
    assert not bench.judge.running
