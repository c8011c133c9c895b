"""Whatever is wrong with our credentials is the registry's trouble: the job waits, and no image is judged by it."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import msgspec
import pytest

from tests.doubles.databases import open_database
from tests.doubles.evaluators import WrittenEvaluator
from tests.doubles.verdicts import MOMENT
from watcher.backlog.protocol import Done, Job, Lane, Retry, Settlement
from watcher.backlog.sqlite import SqliteBacklog
from watcher.inspection.cache import MemoryLayerCache
from watcher.inspection.image.merge import merged_files
from watcher.inspection.inspector import Inspector
from watcher.inspection.settings import InspectionSettings
from watcher.model.push import Push
from watcher.model.reference import RepositoryName, Tag
from watcher.pipeline.gathering import Gathering
from watcher.pipeline.judge import Judge
from watcher.pipeline.judging import Judging
from watcher.pipeline.owners import OwnerSettings
from watcher.registry.access import RegistryClients
from watcher.registry.settings import RegistrySettings
from watcher.store.images import StoredImages
from watcher.store.own_writes import OwnWriteStore
from watcher.store.standing import StoredStanding
from watcher.store.verdicts import StoredVerdicts
from watcher.testing.faults import Fault
from watcher.testing.images import build_image, build_layer, put_image
from watcher.testing.registry import MemoryRegistry, serve_registry
from watcher.testing.tokens import Access, Gate

pytestmark = pytest.mark.timeout(60)

APP = RepositoryName("team/app")
IMAGE = build_image([build_layer({"app": b"hello"})])
PASSWORD = "s3cret"


@dataclass
class Bench:
    registry: MemoryRegistry
    verdicts: StoredVerdicts
    judge: Judge
    secret: Path

    def job(self) -> Job:
        push = Push(registry=self.registry.host, repository=APP, digest=IMAGE.digest, tag=Tag("v1"))
        return Job(id="job", lane=Lane.PUSH, push=push, tags=(Tag("v1"),), source="main", received_at=MOMENT)

    async def postponed(self, job: Job) -> Retry:
        """The job is to be done again, and nothing was said about the image."""
        settlement: Settlement = await self.judge.judge(job)
        assert isinstance(settlement, Retry)
        assert await self.verdicts.verdict(job.id) is None
        assert PASSWORD not in settlement.detail
        return settlement


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    # An hour goes by whenever the time is asked for: who is refused a second time has the new credentials at once, and a source
    # that failed is asked again.
    hours = count(step=3600.0)
    secret = tmp_path / "password"
    secret.write_text(PASSWORD)
    async with (
        open_database(tmp_path / "w.db") as database,
        serve_registry(gate=Gate(access=Access.TOKEN)) as registry,
        Inspector(InspectionSettings(workers=1), cache=MemoryLayerCache(), salt=b"salt") as inspector,
    ):
        auth = {"type": "basic", "username": "watcher", "password": f"file:{secret}"}
        settings = msgspec.convert({"host": registry.host, "auth": auth}, RegistrySettings)
        async with RegistryClients.of([settings], monotonic=lambda: next(hours)) as registries:
            registries.open_configured()
            put_image(registry, APP, IMAGE, "v1")
            verdicts = StoredVerdicts(database, lambda: MOMENT)
            judge = Judge(
                backlog=SqliteBacklog(database, lambda: MOMENT),
                verdicts=verdicts,
                own_writes=OwnWriteStore(database, lambda: MOMENT),
                judging=Judging(inspector=inspector, gathering=Gathering(), evaluator=WrittenEvaluator(), engine_version="1"),
                registries=registries,
                environments=[],
                owners=OwnerSettings(),
                routes=[],
                standing=StoredStanding(database),
                images=StoredImages(database, merged_files),
                clock=lambda: MOMENT,
                recorded=lambda _job, _judged, _seconds: None,
                suppressed=lambda _job: None,
            )
            yield Bench(registry, verdicts, judge, secret)


async def test_a_password_that_was_changed_at_the_registry(bench: Bench) -> None:
    """Refused until the file has the new one; then the same job ends well, and nobody restarted anything."""
    job = bench.job()
    bench.registry.gate.password = "changed"
    assert (await bench.postponed(job)).reason == "registry-authentication"
    bench.secret.write_text("changed")
    assert await bench.judge.judge(job) == Done(result="pass")


async def test_a_secret_that_is_missing_for_a_while(bench: Bench) -> None:
    """A file that is being replaced is nobody's fault, the image's least of all."""
    job = bench.job()
    bench.secret.unlink()
    assert (await bench.postponed(job)).reason == "registry-authentication"
    bench.secret.write_text(PASSWORD)
    assert await bench.judge.judge(job) == Done(result="pass")


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("path", [".*/manifests/.*", ".*/blobs/.*"])
async def test_a_refusal_wherever_it_comes(status: int, path: str, bench: Bench) -> None:
    """Of the manifest, of the configuration or of a layer: 401 and 403 alike."""
    job = bench.job()
    bench.registry.faults.add(Fault(path=path, status=status, times=999, headers={"WWW-Authenticate": 'Basic realm="x"'}))
    assert (await bench.postponed(job)).reason == "registry-authentication"
    bench.registry.faults.clear()
    assert await bench.judge.judge(job) == Done(result="pass")


async def test_a_layer_that_is_refused_after_its_configuration(bench: Bench) -> None:
    """The rights may end in the middle of an inspection."""
    job = bench.job()
    layer = json.loads(IMAGE.raw)["layers"][0]["digest"]
    bench.registry.faults.add(Fault(path=f".*/blobs/{layer}", status=403, times=999))
    assert (await bench.postponed(job)).reason == "registry-authentication"
    bench.registry.faults.clear()
    assert await bench.judge.judge(job) == Done(result="pass")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(path="/token", status=404, times=999), "registry-authentication"),
        (Fault(path="/token", status=400, times=999), "registry-authentication"),
        (Fault(path="/token", status=200, body=b"{}", times=999), "registry-authentication"),
        (Fault(path="/token", status=429, headers={"Retry-After": "120"}, times=999), "registry-throttled"),
    ],
)
async def test_a_token_service_that_is_broken(fault: Fault, reason: str, bench: Bench) -> None:
    """In whatever way."""
    job = bench.job()
    bench.registry.faults.add(fault)
    assert (await bench.postponed(job)).reason == reason


async def test_a_realm_that_is_a_stranger(bench: Bench) -> None:
    """Nothing is sent there, and the image is not to blame for where the registry sends us."""
    job = bench.job()
    bench.registry.gate.realm = "https://evil.test/token"
    assert "token_hosts" in (await bench.postponed(job)).detail
