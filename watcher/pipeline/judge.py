"""The second loop: lease → fetch → inspect → evaluate → record. Any job may run twice; the second time changes nothing."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog

from watcher.backlog.protocol import Backlog, Dead, Done, Job, Lane, Retry, Settlement
from watcher.kit.clock import Clock
from watcher.kit.wakeup import Wakeup
from watcher.model.digest import Digest
from watcher.model.errors import NotFoundError, PermanentError, RetryableError
from watcher.model.image import FetchedManifest, Index
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.model.verdict import Action, Origin, Subject
from watcher.pipeline.environments import EnvironmentSettings, environment_of
from watcher.pipeline.judging import Judging, Task
from watcher.pipeline.routing import Route, publishers_of
from watcher.registry.protocol import ImageSource
from watcher.store.protocol import Judged, VerdictStore

log = structlog.get_logger(__name__)

IDLE_SECONDS = 1.0
RENEW_SECONDS = 15.0
# A manifest can be announced a moment before every replica of its registry serves it; this many looks tell late from gone.
LOOKS_BEFORE_GONE = 3

# Of every five slots one is kept for CI and two are closed to bulk work: a push never waits behind a sweep.
SHARES: Mapping[Lane, float] = {Lane.CI: 1.0, Lane.PUSH: 0.8, Lane.REEVALUATE: 0.6, Lane.SWEEP: 0.4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """`images` gives the client of a registry; `wakeup` is rung when there may be work, by others and by a job that ends."""

    backlog: Backlog
    verdicts: VerdictStore
    judging: Judging
    images: Callable[[Host], ImageSource]
    resolve: Callable[[Host, RepositoryName, Tag], Awaitable[Digest | None]]
    environments: Sequence[EnvironmentSettings]
    routes: Sequence[Route]
    clock: Clock
    slots: int
    wakeup: Wakeup
    recorded: Callable[[Job, Sequence[Judged], float], None]
    running: dict[str, Job] = field(default_factory=dict)
    covered: set[tuple[Host, RepositoryName, Digest]] = field(default_factory=set)

    async def run(self) -> None:
        """Judge until cancelled. Jobs under way when cancelled keep their lease and are released at the next start."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._renew(), name="judge-renew")
            while True:
                lanes = self._open_lanes()
                leased = await self.backlog.lease(lanes, 1) if lanes else ()
                if not leased:
                    await self.wakeup.wait(IDLE_SECONDS)
                for job in leased:
                    self.running[job.id] = job
                    group.create_task(self._work(job), name=f"judge-{job.id}")

    async def judge(self, job: Job) -> Settlement:
        """Do one job; everything that can go wrong becomes a settlement."""
        try:
            return await self._judge(job)
        except NotFoundError as error:
            if job.attempt < LOOKS_BEFORE_GONE:
                return Retry(reason=error.reason, detail=str(error), delay_seconds=job.attempt * 1.0)
            return Done(result="gone")
        except RetryableError as error:
            return Retry(reason=error.reason, detail=str(error), delay_seconds=error.retry_after_seconds)
        except PermanentError as error:
            return Dead(reason=error.reason, detail=str(error))
        except Exception as error:  # the job boundary: one bad image must not stop the others
            log.exception("job.crashed", job=job.id)
            return Retry(reason="internal", detail=type(error).__name__)

    async def _judge(self, job: Job) -> Settlement:
        push = job.push
        already = await self.verdicts.verdict(job.id)
        if already is not None:
            return Done(result=already.outcome.value)
        digest = push.digest
        if digest is None and push.tag is not None:
            digest = await self.resolve(push.registry, push.repository, push.tag)
        if digest is None:
            raise NotFoundError(f"{push.registry}/{push.repository}:{push.tag} does not exist")
        # A child of an index that is being judged has its verdict from there, unless somebody asked for it by itself.
        alone = bool(job.tags) or job.environment is not None or job.lane is Lane.CI
        if not alone and (push.registry, push.repository, digest) in self.covered:
            return Done(result="absorbed")
        started = time.monotonic()
        source = self.images(push.registry)
        tags = {*job.tags, *await self.verdicts.tags(push.registry, push.repository, digest)}
        task = Task(
            id=job.id,
            subject=Subject(
                registry=push.registry,
                repository=push.repository,
                digest=digest,
                tags=tuple(sorted(tags)),
                environment=job.environment or environment_of(self.environments, push.registry, push.repository),
            ),
            tag=push.tag or next(iter(sorted(tags)), None),
            now=self.clock(),
            origin=Origin(source=job.source, received_at=job.received_at),
        )
        try:
            manifest = await source.manifest(push.repository, digest)
        except NotFoundError:
            raise
        except PermanentError as error:
            judged: Sequence[Judged] = [self.judging.unknown(task, push.media_type or "", error)]
            return await self._record(job, judged, started, children=())
        children = tuple(entry.digest for entry in manifest.content.manifests) if isinstance(manifest.content, Index) else ()
        return await self._judge_covering(job, task, source, manifest, children, started)

    async def _judge_covering(
        self,
        job: Job,
        task: Task,
        source: ImageSource,
        manifest: FetchedManifest,
        children: tuple[Digest, ...],
        started: float,
    ) -> Settlement:
        """Judge while the jobs of an index's children, should they come up now, are left to this one."""
        covering = {(task.subject.registry, task.subject.repository, child) for child in children}
        self.covered.update(covering)
        try:
            judged = await self.judging.judge(task, source, manifest)
            return await self._record(job, judged, started, children=children)
        finally:
            self.covered.difference_update(covering)

    async def _record(self, job: Job, judged: Sequence[Judged], started: float, *, children: tuple[Digest, ...]) -> Settlement:
        await self.verdicts.record(judged, partial(publishers_of, self.routes))
        seconds = time.monotonic() - started
        self.recorded(job, judged, seconds)
        verdict = judged[-1].verdict
        layers = [layer for each in judged if each.inventory for layer in each.inventory.layers]
        log.info(
            "verdict.recorded",
            image=verdict.subject.name,
            tag=verdict.tag,
            outcome=verdict.outcome.value,
            fail=verdict.count(Action.FAIL),
            warn=verdict.count(Action.WARN),
            unknown=verdict.count(Action.UNKNOWN),
            reason=verdict.reason or None,
            platforms=len(judged),
            layers=len(layers),
            layers_read=sum(1 for layer in layers if not layer.cached),
            packages=sum(len(each.inventory.packages) for each in judged if each.inventory),
            seconds=round(seconds, 3),
            attempt=job.attempt,
            verdict_id=verdict.id,
        )
        return Done(result=verdict.outcome.value, absorbed=children)

    async def _work(self, job: Job) -> None:
        try:
            with structlog.contextvars.bound_contextvars(job=job.id):
                settlement = await self.judge(job)
                if isinstance(settlement, (Retry, Dead)):
                    log.warning("job.postponed", reason=settlement.reason, detail=settlement.detail, attempt=job.attempt)
                await self.backlog.settle(job, settlement)
        except RetryableError as error:
            # The lease runs out by itself and the job is done again, which is harmless.
            log.warning("job.unsettled", job=job.id, reason=error.reason, detail=str(error))
        finally:
            del self.running[job.id]
            self.wakeup.ring()

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                await self.backlog.renew(tuple(self.running))
            except RetryableError as error:
                log.warning("lease.unrenewed", reason=error.reason)

    def _open_lanes(self) -> Sequence[Lane]:
        """Lanes that still have a slot: a lane shares its slots with every lane less urgent than itself."""
        running = Counter(job.lane for job in self.running.values())
        order = tuple(SHARES)
        return [
            lane
            for position, lane in enumerate(order)
            if sum(running[other] for other in order[position:]) < max(1, round(self.slots * SHARES[lane]))
            and sum(running.values()) < self.slots
        ]
