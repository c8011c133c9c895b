"""A registry in memory, a store, and publishers that quarantine in the one by what the other says."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.doubles.databases import opened_beside
from tests.doubles.hand_clock import HandClock
from tests.doubles.publishing import Notes, publisher_context
from tests.doubles.routes import nobody
from tests.doubles.verdicts import FINDING, a_verdict
from watcher.backlog.protocol import Arrival, Lane
from watcher.backlog.sqlite import SqliteBacklog
from watcher.model.digest import Digest
from watcher.model.publication import GONE
from watcher.model.push import Push, Pushed
from watcher.model.quarantine import Measure, Quarantine
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.model.registry_kind import RegistryKind
from watcher.model.verdict import Outcome, Subject, Verdict
from watcher.pipeline.stored_pushes import StoredPushes
from watcher.publishing.context import PublisherContext
from watcher.publishing.quarantine.publisher import QuarantinePublisher
from watcher.publishing.quarantine.settings import QuarantinePublisherSettings
from watcher.registry.access import RegistryClients
from watcher.registry.settings import RegistrySettings
from watcher.store.protocol import Judged
from watcher.store.verdicts import StoredVerdicts
from watcher.testing.images import BuiltImage, build_image, build_layer, put_image
from watcher.testing.registry import MemoryRegistry, Switches, serve_registry

APP = RepositoryName("team/app")
GOOD = build_image([build_layer({"app": "one"})])
BAD = build_image([build_layer({"app": "two"})])
FIXED = build_image([build_layer({"app": "three"})])
ALL = (Measure.MARK, Measure.UNPUBLISH)


@dataclass(kw_only=True)
class QuarantineBench:
    """`host` is the registry's; `put` holds an image there."""

    context: PublisherContext
    host: Host
    put: Callable[[BuiltImage, str | None], Digest]
    verdicts: StoredVerdicts
    backlog: SqliteBacklog
    clock: HandClock
    environment: str | None = None
    _count: int = field(default=0, init=False)

    def publisher(self, context: PublisherContext | None = None, **settings: Any) -> QuarantinePublisher:
        asked = {"name": "block", "actions": ALL, "dry_run": False, **settings}
        return QuarantinePublisher(QuarantinePublisherSettings(**asked), context or self.context)

    async def judged(self, digest: Digest, outcome: Outcome, *tags: str, **changes: Any) -> Verdict:
        """A verdict of it is the newest, and its tags lead to it and to nothing else."""
        self._count += 1
        subject = Subject(
            registry=self.host,
            repository=changes.pop("repository", APP),
            digest=digest,
            tags=tuple(sorted(Tag(tag) for tag in tags)),
            environment=self.environment,
        )
        findings = (FINDING,) if outcome is Outcome.FAIL else ()
        said = {"id": f"v-{self._count}", "outcome": outcome, "subject": subject, "tag": next(iter(subject.tags), None), **changes}
        verdict = a_verdict(**{"findings": findings, **said})
        for other in await self.verdicts.led_to(subject.registry, subject.repository, subject.tags):
            if other != digest:
                await self.verdicts.left(subject.registry, subject.repository, other, subject.tags)
        await self.verdicts.record([Judged(verdict=verdict)], nobody)
        return verdict

    async def known_good(self, image: BuiltImage = GOOD, tag: str = "latest", **changes: Any) -> None:
        """Pushed and passed."""
        self.put(image, tag)
        await self.judged(image.digest, Outcome.PASS, tag, **changes)

    async def pushed_bad(self, image: BuiltImage = BAD, *tags: str, **changes: Any) -> Verdict:
        """Pushed and failed."""
        for tag in tags or ("latest",):
            self.put(image, tag)
        return await self.judged(image.digest, Outcome.FAIL, *(tags or ("latest",)), **changes)

    async def pushed(self, digest: Digest, tag: str, outcome: Outcome = Outcome.PASS, *tags: str) -> Verdict:
        """The event of a push by a tag that leads elsewhere by now, and the verdict it led to; `tags` lead to it still."""
        return await self.judged(digest, outcome, *tags, id=await self.heard(digest, tag))

    async def heard(self, digest: Digest, tag: str, lane: Lane = Lane.PUSH) -> str:
        """The event of a push by a tag, or what a sweep found. The id of its job."""
        self._count += 1
        push = Push(registry=self.host, repository=APP, tag=Tag(tag), digest=digest, occurred_at=self.clock())
        key = None if lane is Lane.SWEEP else str(self._count)
        arrival = Arrival(source="main", decision=Pushed(push=push), delivery_key=key, received_at=self.clock(), lane=lane)
        (receipt,) = await self.backlog.put([arrival])
        assert receipt.job_id is not None
        return receipt.job_id

    async def tell(self, verdict: Verdict, publisher: QuarantinePublisher | None = None, noted: str = "") -> None:
        await (publisher or self.publisher()).publish(verdict, Notes(noted))

    async def gone(self, verdict: Verdict) -> None:
        await self.tell(verdict, noted=GONE)

    async def found(self, digest: Digest = BAD.digest, publisher: str = "block") -> Quarantine:
        record = await self.context.quarantines.find(publisher, self.host, APP, digest)
        assert record is not None
        return record

    async def steps(self, digest: Digest = BAD.digest) -> dict[str, str]:
        """What became of every step and tag."""
        record = await self.found(digest)
        tags = {str(each.tag): each.state.value for each in record.tags}
        return {name.value: step.state.value for name, step in record.steps.items()} | tags


@dataclass(kw_only=True)
class MemoryBench(QuarantineBench):
    registry: MemoryRegistry

    @property
    def tags(self) -> dict[str, Digest]:
        return {str(tag): digest for tag, digest in self.registry.content.existing(APP).tags.items()}

    def writes(self) -> int:
        return sum(count for name, count in self.registry.requests.items() if name.startswith(("PUT", "DELETE")))


async def at_once(_seconds: float) -> None:
    """A registry that is to be asked again later is asked now."""


@asynccontextmanager
async def quarantine_bench(
    folder: Path, switches: Switches | None = None, *, kind: RegistryKind = "distribution"
) -> AsyncIterator[MemoryBench]:
    """It is a moment of a clock that stands still; what `put` holds, nobody was told of."""
    clock, path = HandClock(), folder / "watcher.db"
    async with (
        serve_registry(switches=switches) as registry,
        publisher_context(path) as context,
        opened_beside(path) as database,
        RegistryClients.of([RegistrySettings(host=registry.host, kind=kind)], sleep=at_once) as registries,
    ):
        backlog = SqliteBacklog(database, clock)
        bench = MemoryBench(
            context=replace(context, registries=registries, clock=clock, pushes=StoredPushes(backlog)),
            host=registry.host,
            put=lambda image, tag: put_image(registry, APP, image, tag),
            verdicts=StoredVerdicts(database, clock),
            backlog=backlog,
            clock=clock,
            registry=registry,
        )
        bench.context = replace(bench.context, environment=lambda _registry, _repository: bench.environment)
        yield bench
