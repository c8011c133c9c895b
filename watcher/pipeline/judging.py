"""One image before the policies: fetch, classify, inspect, gather, evaluate. Shared by the daemon's jobs and `watcher scan`.

An index has one verdict per platform that can run and one of its own, which is what all of them come to under its name.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from hashlib import sha256

import structlog

from watcher.evaluation.protocol import Case, Evaluator
from watcher.inspection.protocol import ImageInspector
from watcher.kit.shortage import shortage
from watcher.model.digest import Digest
from watcher.model.errors import (
    CannotRunError,
    InvalidManifestError,
    NotAManifestError,
    NotFoundError,
    OwnFaultError,
    PermanentError,
    WatcherError,
)
from watcher.model.image import (
    INDEX_TYPES,
    MANIFEST_TYPES,
    MAX_INDEX_DEPTH,
    MAX_INDEX_ENTRIES,
    Descriptor,
    FetchedManifest,
    Index,
    Manifest,
)
from watcher.model.inventory import Base, Inventory
from watcher.model.knowledge import Knowledge
from watcher.model.reference import Reference, Tag
from watcher.model.verdict import SECTIONS, Origin, Outcome, Section, SectionState, Subject, Verdict
from watcher.pipeline.gathering import Gathering
from watcher.pipeline.index_budget import Budgeted
from watcher.pipeline.platforms import Platform, combined
from watcher.registry.protocol import ImageSource
from watcher.store.protocol import Judged

log = structlog.get_logger(__name__)


async def no_tags(_: Digest) -> Sequence[Tag]:
    """Nobody knows the images of an index by other names."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What to judge. `id` becomes the verdict's; `subject.digest` is the manifest's.

    `tags_of` gives the tags that an image of an index has of its own, `platforms` tells which entries of an index are wanted, and
    `ours` are those that we wrote ourselves, which cannot run.
    `final`: there is no other attempt, so a mistake of ours is said of the image instead of raised.
    """

    id: str
    subject: Subject
    tag: Tag | None
    now: datetime
    origin: Origin | None = None
    action: str = "push"
    final: bool = True
    platforms: Callable[[str], bool] = lambda _: True
    tags_of: Callable[[Digest], Awaitable[Sequence[Tag]]] = no_tags
    ours: Collection[Digest] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An image of an index, judged for itself, and what it takes to judge it under the name of the index."""

    judged: Judged
    platform: str
    knowledge: tuple[Knowledge, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """Where the images of one repository are looked at: at their registry, or in what is stored of them.

    `inspect` is given the index that lists the image besides, None for one that was asked for by itself.
    """

    manifest: Callable[[Digest], Awaitable[FetchedManifest]]
    inspect: Callable[[FetchedManifest, FetchedManifest | None], Awaitable[Inventory]]


@dataclass(slots=True)
class Walk:
    """What was met on the way through an index and those it contains: each image is judged once, however often it is listed."""

    above: tuple[Digest, ...]
    members: dict[Digest, tuple[Member, ...]] = field(default_factory=dict)

    def below(self, index: Digest) -> "Walk":
        return Walk(above=(*self.above, index), members=self.members)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """The rooms an image passes through, and the version that is written on every verdict.

    `index_seconds` is for all that is fetched for one index. `is_base` tells whether an image is on the list of trusted bases.
    """

    inspector: ImageInspector
    gathering: Gathering
    evaluator: Evaluator
    engine_version: str
    index_seconds: float = 600.0
    is_base: Callable[[Reference], bool] = lambda _: False

    async def judge(self, task: Task, source: ImageSource, manifest: FetchedManifest) -> Sequence[Judged]:
        """Judge a manifest that was already fetched. The verdict of `task.subject` comes last, those of its platforms before.

        Raises:
            RetryableError: the registry or the evaluator could not do its part now.
        """
        if isinstance(manifest.content, Index):
            source = Budgeted(source=source, seconds=self.index_seconds)
        return await self.judge_seen(
            task, Sight(manifest=source.manifest, inspect=partial(self.inspector.inspect, source)), manifest
        )

    async def judge_seen(self, task: Task, sight: Sight, manifest: FetchedManifest) -> Sequence[Judged]:
        """As `judge`, wherever its images are looked at. Raises as that does, and what `sight` does that is no PermanentError."""
        if isinstance(manifest.content, Index):
            judged, _ = await self._judge_index(task, sight, manifest, manifest.content, Walk((manifest.digest,)))
            return judged
        return [(await self._judge_image(task, sight, manifest)).judged]

    def unknown(self, task: Task, media_type: str, error: PermanentError) -> Judged:
        """The verdict about something that could not be looked at, with the reason."""
        missing = dict.fromkeys(SECTIONS, Section(state=SectionState.MISSING, reason=str(error)))
        judged = self._bare(task, Outcome.UNKNOWN, media_type, f"{error.reason}: {error}", sections=missing)
        # Bytes that are no manifest have been looked at, and will say the same to everybody.
        return replace(judged, looked=isinstance(error, InvalidManifestError))

    async def _judge_image(
        self, task: Task, sight: Sight, manifest: FetchedManifest, index: FetchedManifest | None = None
    ) -> Member:
        try:
            return await self._looked_at(task, sight, manifest, index)
        except WatcherError:
            raise
        except Exception as error:
            if not task.final or shortage(error):
                raise
            log.exception("image.crashed", image=task.subject.name)
            return Member(judged=self.unknown(task, manifest.media_type, own_fault(error)), platform="")

    async def _looked_at(self, task: Task, sight: Sight, manifest: FetchedManifest, index: FetchedManifest | None) -> Member:
        if isinstance(manifest.content, Manifest) and manifest.content.is_bare_artifact:
            return self._artefact(task, manifest, f"cannot run: {manifest.content.kind:.100}")
        try:
            inventory = await sight.inspect(manifest, index)
        except CannotRunError as error:
            return self._artefact(task, manifest, str(error))
        except PermanentError as error:
            return Member(judged=self.unknown(task, manifest.media_type, error), platform="")
        knowledge = await self.gathering.known(task.subject, inventory)
        judged = await self._evaluated(task, inventory, knowledge)
        return Member(judged=judged, platform=inventory.platform, knowledge=knowledge)

    def _artefact(self, task: Task, manifest: FetchedManifest, reason: str) -> Member:
        return Member(judged=self._bare(task, Outcome.NOT_APPLICABLE, manifest.media_type, reason), platform="")

    async def _evaluated(self, task: Task, inventory: Inventory, knowledge: tuple[Knowledge, ...]) -> Judged:
        case = Case(
            subject=task.subject,
            now=task.now,
            tag=task.tag,
            inventory=self._as_base(task.subject, inventory),
            knowledge=knowledge,
            action=task.action,
        )
        try:
            judgement = await self.evaluator.evaluate(case)
        except PermanentError as error:
            return self._undecided(task, inventory, error)
        verdict = Verdict(
            id=task.id,
            outcome=judgement.outcome,
            subject=task.subject,
            tag=task.tag,
            media_type=inventory.media_type,
            platform=inventory.platform,
            policies=judgement.policies,
            policy_revision=judgement.policy_revision,
            facts_revision=inventory.facts_revision,
            data_revision=case.data_revision,
            engine_version=self.engine_version,
            evaluated_at=task.now,
            findings=judgement.findings,
            sections=judgement.sections,
            origin=task.origin,
        )
        return Judged(verdict=verdict, inventory=inventory, knowledge=knowledge, reads_tags=judgement.reads_tags)

    def _undecided(self, task: Task, inventory: Inventory, error: PermanentError) -> Judged:
        """The verdict about an image that has been looked at and cannot be judged, with the reason."""
        reason = f"{error.reason}: {error}"
        bare = self._bare(task, Outcome.UNKNOWN, inventory.media_type, reason, sections=dict(inventory.sections))
        verdict = replace(bare.verdict, platform=inventory.platform, facts_revision=inventory.facts_revision)
        return Judged(verdict=verdict, inventory=inventory)

    def _as_base(self, subject: Subject, inventory: Inventory) -> Inventory:
        """An image on the list of trusted bases that is built on nothing known: it is a base, and there is nothing to ask for."""
        if inventory.base.known:
            return inventory
        place = Reference(registry=subject.registry, repository=subject.repository, digest=subject.digest)
        names = [replace(place, tag=tag) for tag in subject.tags] or [place]
        trusted = next((name for name in names if self.is_base(name)), None)
        if trusted is None:
            return inventory
        base = Base(known=True, reference=str(trusted), digest=inventory.digest, how="itself")
        return replace(inventory, base=base, sections={**inventory.sections, "base": Section()})

    async def _judge_index(
        self, task: Task, sight: Sight, manifest: FetchedManifest, index: Index, walk: Walk
    ) -> tuple[list[Judged], tuple[Member, ...]]:
        """Verdicts that were not there before, the index's last; and its images, those of indexes it contains among them."""
        judged: list[Judged] = []
        members: dict[Digest, Member] = {}
        # Every entry is fetched: what an index says of an entry (attestation, unknown platform) is its author's claim.
        for entry in index.manifests:
            if entry.digest in task.ours or (entry.platform is not None and not task.platforms(entry.platform)):
                continue
            if entry.digest not in walk.members:
                below, found = await self._judge_entry(task, sight, entry, walk, manifest)
                judged += [_listed_by(manifest.digest, each) for each in below]
                walk.members[entry.digest] = found
            members |= {each.judged.verdict.subject.digest: each for each in walk.members[entry.digest]}
        if not members:
            own = self._bare(task, Outcome.NOT_APPLICABLE, manifest.media_type, "an index without a platform that can run")
        else:
            said = [await self._named(task, member) for member in members.values()]
            verdict = combined(said, id=task.id, subject=task.subject, tag=task.tag, media_type=manifest.media_type)
            blind = verdict.outcome is Outcome.UNKNOWN and not all(each.judged.looked for each in members.values())
            reads_tags = any(each.judged.reads_tags for each in members.values())
            own = Judged(verdict=verdict, looked=not blind, reads_tags=reads_tags)
        return [*judged, own], tuple(members.values())

    async def _judge_entry(
        self, task: Task, sight: Sight, entry: Descriptor, walk: Walk, index: FetchedManifest
    ) -> tuple[list[Judged], tuple[Member, ...]]:
        """One entry of an index under its own name. What is nothing that runs has no verdict and is no member."""
        tags = tuple(sorted(await task.tags_of(entry.digest)))
        subject = replace(task.subject, digest=entry.digest, tags=tags)
        own = replace(task, id=child_id(task.id, entry.digest), subject=subject, tag=next(iter(tags), None))

        def unknown(error: PermanentError, media_type: str = "") -> tuple[list[Judged], tuple[Member, ...]]:
            judged = self.unknown(own, media_type, error)
            return [judged], (Member(judged=judged, platform=entry.platform or ""),)

        if entry.digest in walk.above:
            return unknown(InvalidManifestError("an index that contains itself"))
        if len(walk.members) >= MAX_INDEX_ENTRIES:
            return unknown(InvalidManifestError(f"more than {MAX_INDEX_ENTRIES} entries in an index and those it contains"))
        try:
            child = await sight.manifest(entry.digest)
        except (NotFoundError, NotAManifestError) as error:
            # A build cache lists its layers; what is called a manifest and is none is a platform that nobody can look at.
            return unknown(error) if entry.media_type in MANIFEST_TYPES | INDEX_TYPES else ([], ())
        except PermanentError as error:
            return unknown(error)
        if isinstance(child.content, Index):
            if len(walk.above) >= MAX_INDEX_DEPTH:
                return unknown(InvalidManifestError(f"indexes within indexes, more than {MAX_INDEX_DEPTH} deep"), child.media_type)
            judged, members = await self._judge_index(own, sight, child, child.content, walk.below(child.digest))
            return (judged, members) if members else ([], ())
        member = await self._judge_image(own, sight, child, index)
        if member.judged.verdict.outcome is Outcome.NOT_APPLICABLE and member.judged.inventory is None:
            return [], ()
        return [member.judged], (replace(member, platform=member.platform or entry.platform or ""),)

    async def _named(self, task: Task, member: Member) -> Platform:
        """What an image of an index comes to under the index's name, which only rules that read tags can tell from its own."""
        judged = member.judged
        own = judged.verdict
        renamed = (own.subject.tags, own.tag) != (task.subject.tags, task.tag)
        if judged.inventory is not None and judged.reads_tags and renamed:
            judged = await self._evaluated(task, judged.inventory, member.knowledge)
        return Platform(name=member.platform, verdict=judged.verdict)

    def _bare(
        self, task: Task, outcome: Outcome, media_type: str, reason: str, *, sections: dict[str, Section] | None = None
    ) -> Judged:
        verdict = Verdict(
            id=task.id,
            outcome=outcome,
            subject=task.subject,
            tag=task.tag,
            media_type=media_type,
            platform=None,
            policies=(),
            policy_revision=self.evaluator.revision,
            facts_revision="",
            data_revision="",
            engine_version=self.engine_version,
            evaluated_at=task.now,
            findings=(),
            sections=sections or {},
            origin=task.origin,
            reason=reason,
        )
        return Judged(verdict=verdict)


def own_fault(error: Exception) -> OwnFaultError:
    """What is said of an image that we fail over by a mistake of ours; the log has the rest."""
    return OwnFaultError(f"the watcher fails over this image by a mistake of its own: {type(error).__name__}")


def _listed_by(index: Digest, judged: Judged) -> Judged:
    """Under the innermost index that lists it."""
    return replace(judged, verdict=replace(judged.verdict, index_digest=judged.verdict.index_digest or index))


def child_id(task_id: str, digest: Digest) -> str:
    """The id of a platform's verdict: a function of the job and the digest, so that a job that runs twice records once."""
    return sha256(f"{task_id}/{digest}".encode()).hexdigest()[:32]
