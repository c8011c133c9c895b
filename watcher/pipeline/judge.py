"""One job, from its lease to its settlement: pin → fetch → judge → record. Any may run twice; the second time changes nothing."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from weakref import WeakValueDictionary

import structlog

from watcher.backlog.protocol import Arrival, Backlog, Dead, Demoted, Done, Job, Lane, Retry, Settlement
from watcher.kit.clock import Clock
from watcher.kit.shortage import shortage
from watcher.model.digest import Digest
from watcher.model.errors import ConfigurationError, NotFoundError, PermanentError, RetryableError
from watcher.model.image import FetchedManifest, Index
from watcher.model.push import Deleted, Push, Pushed
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.model.verdict import REEVALUATION, Action, Origin, Outcome, Subject, Verdict
from watcher.pipeline.attached import attached_to
from watcher.pipeline.environments import EnvironmentSettings, environment_of
from watcher.pipeline.judging import Judging, Sight, Task, own_fault
from watcher.pipeline.owners import OwnerSettings, owned
from watcher.pipeline.patience import LOOKS, HeardOnceError, Patient, seconds_after
from watcher.pipeline.pinning import Pinned, led_elsewhere, pin, require_present
from watcher.pipeline.protocol import Standing
from watcher.pipeline.repetition import WINDOW, suppression
from watcher.pipeline.routing import Route, only_news, publishers_of
from watcher.pipeline.stored_images import NotStoredError, StoredImages, is_again
from watcher.publishing.protocol import OwnWrites
from watcher.registry.protocol import ImageSource, Registries
from watcher.store.protocol import ImageReader, Judged, Routing, VerdictStore

log = structlog.get_logger(__name__)

# From this attempt on, a mistake of ours is said of the image that we make it over: it would be made again.
LAST_ATTEMPT = 3
# An event can be sent before its tag is written: a tag that leads elsewhere is looked at again after this.
LOOK_AGAIN_SECONDS = 2.0
# Of more digests than this that lose a tag at a time, the others are found by a sweep.
JUDGED_AGAIN = 100


@dataclass(slots=True, kw_only=True)
class Judge:
    """`recorded` is told (job, verdicts, seconds), `suppressed` the job that the loop breaker ended or put off."""

    backlog: Backlog
    verdicts: VerdictStore
    own_writes: OwnWrites
    judging: Judging
    registries: Registries
    environments: Sequence[EnvironmentSettings]
    owners: OwnerSettings
    routes: Sequence[Route]
    standing: Standing
    images: ImageReader
    clock: Clock
    recorded: Callable[[Job, Sequence[Judged], float], None]
    suppressed: Callable[[Job], None]
    _covered: set[tuple[Host, RepositoryName, Digest]] = field(default_factory=set, init=False)
    _under_way: dict[str, tuple[Push, frozenset[Tag]]] = field(default_factory=dict, init=False)  # by the job's id
    # Where tags lead is recorded one image of a repository after the other.
    _turns: WeakValueDictionary[tuple[Host, RepositoryName], asyncio.Lock] = field(default_factory=WeakValueDictionary, init=False)

    async def judge(self, job: Job) -> Settlement:
        """Do one job; everything that can go wrong becomes a settlement."""
        self._under_way[job.id] = (job.push, frozenset(job.tags))
        try:
            return await self._settlement(job)
        finally:
            self._under_way.pop(job.id, None)

    def under_way(self, gone: Deleted) -> Sequence[Push]:
        """What is being judged now by the tag, or is the digest, that is said to be deleted; to be looked at again afterwards."""
        place = (gone.registry, gone.repository)
        here = [(push, tags) for push, tags in self._under_way.values() if (push.registry, push.repository) == place]
        found = [push for push, tags in here if gone.tag in tags or (push.digest is not None and push.digest == gone.digest)]
        looks = [(push.digest, None if push.digest else push.tag) for push in found]
        return [Push(registry=gone.registry, repository=gone.repository, digest=digest, tag=tag) for digest, tag in looks]

    async def _settlement(self, job: Job) -> Settlement:
        try:
            return await self._judge(job)
        except NotFoundError as error:
            # A manifest can be announced a moment before every replica of its registry serves it.
            if job.attempt < LOOKS:
                return Retry(reason=error.reason, detail=str(error), delay_seconds=seconds_after(job.attempt))
            return await self._missing(job, error)
        except HeardOnceError as heard:
            return Retry(reason=heard.reason, detail=str(heard), delay_seconds=seconds_after(job.attempt))
        except RetryableError as error:
            return Retry(reason=error.reason, detail=str(error), delay_seconds=error.retry_after_seconds, outside=error.outside)
        except ConfigurationError as error:
            return Retry(reason=error.reason, detail=str(error), outside=True)
        except PermanentError as error:
            return Dead(reason=error.reason, detail=str(error))
        except Exception as error:  # the job boundary: one bad image must not stop the others
            if short := shortage(error):
                return Retry(reason=short.reason, detail=str(short), outside=True)
            log.exception("job.crashed", job=job.id)
            if job.attempt >= LAST_ATTEMPT and (ended := await self._given_up(job, error)):
                return ended
            return Retry(reason="internal", detail=type(error).__name__)

    async def _judge(self, job: Job) -> Settlement:
        push = job.push
        already = await self.verdicts.verdict(job.id)
        if already is not None:
            return Done(result=already.outcome.value)
        if is_again(job):
            with suppress(NotStoredError):
                return await self._judge_stored(job)
        pinned = await pin(job, self.registries, self._tags_of(job))
        self._under_way[job.id] = (replace(push, digest=pinned.digest), frozenset({*job.tags, *pinned.tags}))
        if pinned.left:
            await self.verdicts.left(push.registry, push.repository, pinned.digest, pinned.left)
        for tag, digest in pinned.moved.items():
            # The event of who took it may never come, as of an image that was deleted since.
            await self._judge_again(job, {*await self.verdicts.led_to(push.registry, push.repository, (tag,))} - {digest})
        settlement = await self._ours(job, pinned) or await self._marked(job, pinned) or self._moved(job, pinned)
        settlement = settlement or await self._repeated(job, pinned)
        if settlement is not None:
            return settlement
        # A child of an index that is being judged has its verdict from there, unless somebody asked for it by itself.
        alone = bool(job.tags) or job.environment is not None or job.lane is Lane.CI
        if not alone and (push.registry, push.repository, pinned.digest) in self._covered:
            return Done(result="absorbed")
        started = time.monotonic()
        source = self.registries.images(push.registry, push.repository)
        source = Patient(source=source) if job.attempt < LOOKS else source
        task = self._task(job, pinned)
        try:
            manifest = await source.manifest(pinned.digest)
        except NotFoundError:
            raise
        except PermanentError as error:
            judged: Sequence[Judged] = [self.judging.unknown(task, push.media_type or "", error)]
            return await self._record(job, judged, started, children=())
        await self._look_again(job, pinned, manifest)
        children = tuple(entry.digest for entry in manifest.content.manifests) if isinstance(manifest.content, Index) else ()
        # Those that we have replaced are gone, while somebody's list of referrers still has them.
        ours = [digest for digest, tag in (await self.own_writes.claimed(children)).items() if tag is None]
        return await self._judge_covering(job, replace(task, ours=ours), source, manifest, children, started)

    async def _judge_stored(self, job: Job) -> Settlement:
        """Judge what was judged before by what is stored of it. Who was told hears of it where it says something new.

        Raises:
            NotStoredError: that is not enough.
        """
        push, started = job.push, time.monotonic()
        if push.digest is None:
            raise NotStoredError("a tag names nothing that is stored")
        stored = StoredImages(registry=push.registry, repository=push.repository, standing=self.standing, images=self.images)
        task = self._task(job, Pinned(digest=push.digest, tags=tuple(await self._tags_of(job)(push.digest))))
        sight = Sight(manifest=stored.manifest, inspect=stored.inspect)
        judged = await self.judging.judge_seen(task, sight, await stored.manifest(push.digest))
        await stored.require_same_facts(judged[-1].verdict)
        return await self._record(job, judged, started, children=(), stored=True)

    def _tags_of(self, job: Job) -> Callable[[Digest], Awaitable[Sequence[Tag]]]:
        return partial(self.verdicts.tags, job.push.registry, job.push.repository)

    def _task(self, job: Job, pinned: Pinned) -> Task:
        push, tags = job.push, sorted({*pinned.tags})
        first = push.tag if push.tag in tags else next(iter(tags), None)
        return Task(
            id=job.id,
            subject=Subject(
                registry=push.registry,
                repository=push.repository,
                digest=pinned.digest,
                tags=tuple(tags),
                environment=job.environment or environment_of(self.environments, push.registry, push.repository),
            ),
            tag=first,
            now=self.clock(),
            origin=_origin(job),
            tags_of=self._tags_of(job),
            final=job.attempt >= LAST_ATTEMPT,
        )

    async def _ours(self, job: Job, pinned: Pinned) -> Settlement | None:
        """The end of what we wrote ourselves: intake cannot know it where an event names only a tag."""
        ours = {} if job.lane is Lane.CI else await self.own_writes.claimed([pinned.digest])
        known = pinned.digest in ours and (ours[pinned.digest] is None or {*job.tags, *pinned.tags} == {ours[pinned.digest]})
        return Done(result="published-by-us") if known else None

    async def _marked(self, job: Job, pinned: Pinned) -> Settlement | None:
        """The end of a marker, ours or another's: what it marks has its verdict. What has none is judged, whatever it is called."""
        if not pinned.marked or job.lane is Lane.CI:
            return None
        place = job.push.registry, job.push.repository
        environment = job.environment or environment_of(self.environments, *place)
        said = await self.verdicts.latest(pinned.digest, registry=place[0], repository=place[1], environment=environment or "")
        return Done(result="marker") if said is not None and said.outcome is not Outcome.UNKNOWN else None

    def _moved(self, job: Job, pinned: Pinned) -> Settlement | None:
        """A push that was overtaken by the next one of its tag is judged without it, behind what is wanted now."""
        if not pinned.moved or job.lane is not Lane.PUSH:
            return None
        detail = f"{', '.join(pinned.moved)} of {job.push.registry}/{job.push.repository} not at {pinned.digest}"
        if job.attempt == 1:
            return Retry(reason="tag-moved", detail=detail, delay_seconds=LOOK_AGAIN_SECONDS)
        return None if pinned.tags else Demoted(reason="superseded", detail=detail)

    async def _repeated(self, job: Job, pinned: Pinned) -> Settlement | None:
        if job.lane is Lane.CI:
            return None
        push, now = job.push, self.clock()
        recent = await self.verdicts.evaluations(push.registry, push.repository, pinned.digest, since=now - WINDOW)
        revision = self.judging.evaluator.revision
        stands = await self.standing.known(push.registry, push.repository, pinned.digest) is not None
        tags, known = pinned.tags, pinned.known
        settlement = suppression(recent, policy_revision=revision, tags=tags, known=known, stands=stands, now=now)
        if settlement is not None:
            # What the registry says costs little, and holds at once.
            await require_present(push, self.registries)
            before = {*await self.verdicts.led_to(push.registry, push.repository, pinned.tags)} - {pinned.digest}
            await self._judge_again(job, before)
            for digest in before:
                await self.verdicts.left(push.registry, push.repository, digest, pinned.tags)
            self.suppressed(job)
            image = f"{push.registry}/{push.repository}@{pinned.digest}"
            log.error("evaluation.suppressed", image=image, source=job.source, evaluations=len(recent))
        return settlement

    async def _missing(self, job: Job, error: NotFoundError) -> Settlement:
        """What was announced is not there. When it was deleted that is no news, else it is something nobody could look at.

        CI announces nothing, it asks: that there is no such image is its answer.
        """
        if job.push.digest is None and job.push.tag is not None:
            await self._untagged(job, job.push.tag)
        if job.lane is not Lane.CI and job.push.digest is not None:
            keepers = [route.publisher for route in self.routes if route.lets_go]
            subject = (job.push.registry, job.push.repository, job.push.digest)
            if await self.standing.known(*subject) is not None:
                # What it listed is judged by itself from now on, or is gone as well; put first, so that it is not forgotten.
                await self._judge_again(job, {each.digest for each in await self.standing.members(*subject)})
            await self.verdicts.gone(*subject, keepers)
        if job.lane is Lane.CI or await self.backlog.deleted(job):
            return Done(result="gone")
        if job.push.digest is not None and await self.own_writes.forgotten(job.push.digest):
            return Done(result="gone")
        if job.push.digest is None:
            return Dead(reason=error.reason, detail=str(error))
        known = await self._tags_of(job)(job.push.digest)
        tags = tuple({*job.tags, *known})
        elsewhere = await led_elsewhere(self.registries, job.push, job.push.digest, tags)
        # A tag that leads nowhere is what it was announced by.
        named = tuple(tag for tag in tags if elsewhere.get(tag) is None)
        task = self._task(job, Pinned(digest=job.push.digest, tags=named))
        judged = [self.judging.unknown(task, job.push.media_type or "", error)]
        return await self._record(job, judged, time.monotonic(), children=())

    async def _given_up(self, job: Job, error: Exception) -> Settlement | None:
        """Say of the image that we fail over it; None when that cannot be said either."""
        if job.push.digest is None:
            return None
        task = self._task(job, Pinned(digest=job.push.digest, tags=job.tags))
        judged = [self.judging.unknown(task, job.push.media_type or "", own_fault(error))]
        try:
            return await self._record(job, judged, time.monotonic(), children=())
        except RetryableError as unrecorded:
            return Retry(reason=unrecorded.reason, detail=str(unrecorded), outside=True)
        except Exception:
            log.exception("job.crashed", job=job.id)
            return None

    async def _move_tags(self, job: Job, judged: Judged, *, stored: bool) -> Settlement | None:
        """The tags lead to the subject, so to nothing else: what rules said of another by them is said again without.

        Not where they were taken from it while it was judged.
        """
        place, tags = judged.verdict.subject, judged.verdict.subject.tags
        before = {*await self.verdicts.led_to(place.registry, place.repository, tags)} - {place.digest} if tags else set()
        moved: Collection[Tag] = ()
        if stored:
            moved = {*tags} - {*await self.verdicts.tags(place.registry, place.repository, place.digest)}
        elif before and job.lane is not Lane.CI:
            elsewhere = await led_elsewhere(self.registries, job.push, place.digest, tags)
            # What is not there has no tags, and keeps those that it was announced by and that lead nowhere.
            moved = [tag for tag, digest in elsewhere.items() if judged.looked or digest]
        if moved:
            return Retry(reason="tag-moved", detail=f"{', '.join(sorted(moved))} not at {place.name}", delay_seconds=0.0)
        if judged.reads_tags:
            # Put before the tags are moved: what is cut off in between is done again, not forgotten.
            await self._judge_again(job, before)
        for digest in before:
            await self.verdicts.left(place.registry, place.repository, digest, tags)
        return None

    async def _replaced(self, verdict: Verdict) -> Verdict | None:
        """The last verdict by the same tag, if that led to another image."""
        subject = verdict.subject
        if verdict.tag is None:
            return None
        found = await self.verdicts.by_tag(subject.registry, subject.repository, verdict.tag, subject.environment)
        return found if found is not None and found.subject.digest != subject.digest else None

    async def _untagged(self, job: Job, tag: Tag) -> None:
        """A tag leads nowhere: what it led to is judged without it, and leaves it when it is."""
        push = job.push
        await self._judge_again(job, await self.verdicts.led_to(push.registry, push.repository, (tag,)))

    async def _judge_again(self, job: Job, digests: Collection[Digest]) -> None:
        if not digests:
            return
        push, now = job.push, self.clock()
        again = [Push(registry=push.registry, repository=push.repository, digest=digest) for digest in sorted(digests)]
        await self.backlog.put(
            [
                Arrival(source=job.source, decision=Pushed(push=each), delivery_key=None, received_at=now, lane=Lane.REEVALUATE)
                for each in again[:JUDGED_AGAIN]
            ]
        )

    async def _look_again(self, job: Job, pinned: Pinned, manifest: FetchedManifest) -> None:
        """An SBOM comes after its image, which is looked at once more for it, where it was looked at before."""
        push = job.push
        images = attached_to(manifest.content, pinned.tags)
        known = [each for each in images if await self.standing.known(push.registry, push.repository, each) is not None]
        await self._judge_again(job, known)

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
        self._covered.update(covering)
        try:
            judged = await self.judging.judge(task, source, manifest)
            return await self._record(job, judged, started, children=children)
        finally:
            self._covered.difference_update(covering)

    async def _record(
        self, job: Job, judged: Sequence[Judged], started: float, *, children: tuple[Digest, ...], stored: bool = False
    ) -> Settlement:
        """`stored`: the facts are those that are recorded already."""
        subject = judged[-1].verdict.subject
        async with self._turns.setdefault((subject.registry, subject.repository), asyncio.Lock()):
            replaced = await self._replaced(judged[-1].verdict)
            if overtaken := await self._move_tags(job, judged[-1], stored=stored):
                return overtaken
            judged = owned(judged, self.owners)
            if replaced is not None:
                judged = [*judged[:-1], replace(judged[-1], replaces=replaced.subject.digest)]
            routing = partial(only_news, self.routes) if is_again(job) else _routed(self.routes, judged[-1].verdict.id, replaced)
            news = [replace(each, inventory=None) for each in judged] if stored else judged
            await self.verdicts.record(news, routing)
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
        # What a list of referrers lists is no part of it.
        return Done(result=verdict.outcome.value, absorbed=() if verdict.outcome is Outcome.NOT_APPLICABLE else children)


def _routed(routes: Sequence[Route], verdict_id: str, replaced: Verdict | None) -> Routing:
    """`replaced` is that of the image which the tag of this one verdict led to before."""

    def routing(verdict: Verdict, earlier: Verdict | None) -> Sequence[str]:
        return publishers_of(routes, verdict, earlier, replaced=replaced if verdict.id == verdict_id else None)

    return routing


def _origin(job: Job) -> Origin | None:
    """None where somebody joined a job of ours, which keeps its source: the verdict is theirs."""
    joined = job.source == REEVALUATION and not is_again(job)
    return None if joined else Origin(source=job.source, received_at=job.received_at, actor=job.push.actor)
