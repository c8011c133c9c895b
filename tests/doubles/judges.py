"""A judge over a real store and a registry in memory; only the inspector and the evaluator are written down."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.doubles.databases import open_database
from tests.doubles.evaluators import WrittenEvaluator
from tests.doubles.hand_clock import HandClock
from tests.doubles.inventories import an_inventory
from tests.doubles.verdicts import MOMENT
from watcher.backlog.protocol import Arrival, Job, Lane, Settlement
from watcher.backlog.sqlite import SqliteBacklog
from watcher.inspection.image.merge import merged_files
from watcher.kit.sqlite import Database
from watcher.model.digest import Digest
from watcher.model.image import FetchedManifest
from watcher.model.inventory import Inventory
from watcher.model.push import Push, Pushed
from watcher.model.reference import RepositoryName, Tag
from watcher.model.verdict import Outcome
from watcher.pipeline.environments import EnvironmentSettings
from watcher.pipeline.gathering import Gathering
from watcher.pipeline.jobs import Jobs
from watcher.pipeline.judge import Judge
from watcher.pipeline.judging import Judging
from watcher.pipeline.owners import OwnerSettings
from watcher.pipeline.routing import Route
from watcher.registry.access import RegistryClients
from watcher.registry.protocol import ImageSource
from watcher.store.images import StoredImages
from watcher.store.outbox import StoredOutbox
from watcher.store.own_writes import OwnWriteStore
from watcher.store.protocol import Judged
from watcher.store.standing import StoredStanding
from watcher.store.verdicts import StoredVerdicts
from watcher.testing.images import BuiltImage, build_image, build_layer, put_image
from watcher.testing.registry import MemoryRegistry, serve_registry

REPOSITORY = RepositoryName("team/app")


@dataclass
class WrittenInspector:
    """Gives an inventory of the manifest it is handed, or raises what it is told to."""

    error: Exception | None = None
    seen: list[Digest] = field(default_factory=list)
    hold: asyncio.Event | None = None
    platforms: dict[Digest, str] = field(default_factory=dict)
    inventory: Inventory = field(default_factory=an_inventory)

    async def inspect(self, source: ImageSource, manifest: FetchedManifest, index: FetchedManifest | None = None) -> Inventory:
        self.seen.append(manifest.digest)
        if self.hold is not None:
            await self.hold.wait()
        if self.error is not None:
            raise self.error
        platform = self.platforms.get(manifest.digest, self.inventory.platform)
        return replace(self.inventory, digest=manifest.digest, platform=platform)


@dataclass
class JudgeBench:
    registry: MemoryRegistry
    backlog: SqliteBacklog
    verdicts: StoredVerdicts
    outbox: StoredOutbox
    own_writes: OwnWriteStore
    inspector: WrittenInspector
    evaluator: WrittenEvaluator
    judge: Judge
    jobs: Jobs
    recorded: list[Sequence[Judged]]
    suppressed: list[Job]
    ended: list[tuple[str, str]]
    clock: HandClock

    def put(self, image: BuiltImage, tag: str = "v1") -> Digest:
        return put_image(self.registry, REPOSITORY, image, tag)

    async def job(self, digest: Digest | None, *, tag: str | None = "v1", **changes: Any) -> Job:
        push = Push(registry=self.registry.host, repository=REPOSITORY, digest=digest, tag=Tag(tag) if tag else None)
        arrival = Arrival(source="main", decision=Pushed(push=push), delivery_key=uuid4().hex, received_at=self.clock(), **changes)
        await self.backlog.put([arrival])
        (job,) = await self.backlog.lease(tuple(Lane), 1)
        return job

    async def settled(self, digest: Digest | None, **changes: Any) -> Settlement:
        job = await self.job(digest, **changes)
        settlement = await self.judge.judge(job)
        await self.backlog.settle(job, settlement)
        return settlement


@asynccontextmanager
async def open_judge(tmp_path: Path) -> AsyncIterator[JudgeBench]:
    async with open_database(tmp_path / "w.db") as database, serve_registry() as registry, RegistryClients.of([]) as registries:
        yield judge_over(database, registry, registries, HandClock(MOMENT))


def judge_over(database: Database, registry: MemoryRegistry, registries: RegistryClients, clock: HandClock) -> JudgeBench:
    """One that begins with what is in the database."""
    inspector, evaluator, recorded = WrittenInspector(), WrittenEvaluator(), list[Sequence[Judged]]()
    suppressed, ended = list[Job](), list[tuple[str, str]]()
    backlog = SqliteBacklog(database, clock)
    verdicts, outbox = StoredVerdicts(database, clock), StoredOutbox(database, clock)
    own_writes = OwnWriteStore(database, clock)

    judge = Judge(
        backlog=backlog,
        verdicts=verdicts,
        own_writes=own_writes,
        judging=Judging(inspector=inspector, gathering=Gathering(), evaluator=evaluator, engine_version="1"),
        registries=registries,
        environments=[EnvironmentSettings(name="production", images=(f"{registry.host}/team/**",))],
        owners=OwnerSettings(),
        routes=[Route(publisher="log", outcomes=(Outcome.PASS, Outcome.FAIL))],
        standing=StoredStanding(database),
        images=StoredImages(database, merged_files),
        clock=clock,
        recorded=lambda _job, judged, _seconds: recorded.append(judged),
        suppressed=suppressed.append,
    )
    jobs = Jobs(backlog=backlog, work=judge.judge, slots=5, done=lambda lane, result: ended.append((lane, result)))
    return JudgeBench(
        registry, backlog, verdicts, outbox, own_writes, inspector, evaluator, judge, jobs, recorded, suppressed, ended, clock
    )


def an_image(text: str = "a", **changes: Any) -> BuiltImage:
    return build_image([build_layer({"a": text})], **changes)
