"""One image before the policies: fetch, classify, inspect, gather, evaluate. Shared by the daemon's jobs and `watcher scan`.

An index has one verdict per runnable platform and one of its own, the worst of them.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256

from watcher.evaluation.protocol import Case, Evaluator
from watcher.inspection.protocol import ImageInspector
from watcher.model.digest import Digest
from watcher.model.errors import CannotRunError, NotAManifestError, NotFoundError, PermanentError
from watcher.model.image import INDEX_TYPES, MANIFEST_TYPES, FetchedManifest, Index, Manifest
from watcher.model.inventory import Inventory
from watcher.model.reference import Tag
from watcher.model.verdict import SECTIONS, Origin, Outcome, Section, SectionState, Subject, Verdict, worst
from watcher.pipeline.gathering import Gathering
from watcher.registry.protocol import ImageSource
from watcher.store.protocol import Judged


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What to judge. `id` becomes the verdict's; `subject.digest` is the manifest's."""

    id: str
    subject: Subject
    tag: Tag | None
    now: datetime
    origin: Origin | None = None
    action: str = "push"
    platforms: Callable[[str], bool] = lambda _: True


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """The rooms an image passes through, and the version that is written on every verdict."""

    inspector: ImageInspector
    gathering: Gathering
    evaluator: Evaluator
    engine_version: str

    async def judge(self, task: Task, source: ImageSource, manifest: FetchedManifest) -> Sequence[Judged]:
        """Judge a manifest that was already fetched. The verdict of `task.subject` comes last, those of its platforms before.

        Raises:
            RetryableError: the registry or the evaluator could not do its part now.
        """
        if isinstance(manifest.content, Index):
            return await self._judge_index(task, source, manifest, manifest.content)
        return [await self._judge_image(task, source, manifest, platform=None)]

    def unknown(self, task: Task, media_type: str, error: PermanentError) -> Judged:
        """The verdict about something that could not be looked at, with the reason."""
        missing = Section(state=SectionState.MISSING, reason="nothing was looked at")
        return self._bare(task, Outcome.UNKNOWN, media_type, f"{error.reason}: {error}", sections=dict.fromkeys(SECTIONS, missing))

    async def _judge_image(self, task: Task, source: ImageSource, manifest: FetchedManifest, *, platform: str | None) -> Judged:
        if isinstance(manifest.content, Manifest) and manifest.content.is_bare_artifact:
            return self._bare(task, Outcome.NOT_APPLICABLE, manifest.media_type, f"cannot run: {manifest.content.kind:.100}")
        try:
            inventory = await self.inspector.inspect(source, manifest)
        except CannotRunError as error:
            return self._bare(task, Outcome.NOT_APPLICABLE, manifest.media_type, str(error))
        except PermanentError as error:
            return self.unknown(task, manifest.media_type, error)
        return await self._evaluated(task, inventory, platform)

    async def _evaluated(self, task: Task, inventory: Inventory, platform: str | None) -> Judged:
        case = Case(
            subject=task.subject,
            now=task.now,
            tag=task.tag,
            inventory=inventory,
            knowledge=await self.gathering.known(task.subject, inventory),
            action=task.action,
        )
        judgement = await self.evaluator.evaluate(case)
        verdict = Verdict(
            id=task.id,
            outcome=judgement.outcome,
            subject=task.subject,
            tag=task.tag,
            media_type=inventory.media_type,
            platform=platform or inventory.platform,
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
        return Judged(verdict=verdict, inventory=inventory)

    async def _judge_index(self, task: Task, source: ImageSource, manifest: FetchedManifest, index: Index) -> Sequence[Judged]:
        children: list[Judged] = []
        # Every entry is fetched: what an index says of an entry (attestation, unknown platform) is its author's claim.
        for entry in index.manifests:
            if entry.platform is not None and not task.platforms(entry.platform):
                continue
            subject = replace(task.subject, digest=entry.digest)
            child_task = replace(task, id=child_id(task.id, entry.digest), subject=subject)
            try:
                child = await source.manifest(entry.digest)
            except (NotFoundError, NotAManifestError) as error:
                # A build cache lists its layers; what is called a manifest and is none is a platform that nobody can look at.
                if entry.media_type in MANIFEST_TYPES | INDEX_TYPES:
                    children.append(self.unknown(child_task, "", error))
                continue
            except PermanentError as error:
                children.append(self.unknown(child_task, "", error))
                continue
            if isinstance(child.content, Index):
                nested = PermanentError("an index within an index is not followed")
                children.append(self.unknown(child_task, child.media_type, nested))
                continue
            judged = await self._judge_image(child_task, source, child, platform=entry.platform)
            if judged.verdict.outcome is not Outcome.NOT_APPLICABLE or judged.inventory is not None:
                children.append(judged)
        children = [
            Judged(verdict=replace(each.verdict, index_digest=manifest.digest), inventory=each.inventory) for each in children
        ]
        return [*children, self._index_verdict(task, manifest, [each.verdict for each in children])]

    def _index_verdict(self, task: Task, manifest: FetchedManifest, children: Sequence[Verdict]) -> Judged:
        if not children:
            return self._bare(task, Outcome.NOT_APPLICABLE, manifest.media_type, "an index without a platform that can run")
        outcome = worst(child.outcome for child in children)
        # The index speaks with the words of its worst platform, so that its reasons can be read without another request.
        speaker = next(child for child in children if child.outcome is outcome)
        verdict = replace(
            speaker,
            id=task.id,
            subject=task.subject,
            media_type=manifest.media_type,
            platform=None,
            index_digest=None,
            facts_revision=facts_revision(child.facts_revision for child in children),
            reason=speaker.reason or f"{speaker.platform} is the worst of {len(children)} platforms",
        )
        return Judged(verdict=verdict)

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


def child_id(task_id: str, digest: Digest) -> str:
    """The id of a platform's verdict: a function of the job and the digest, so that a job that runs twice records once."""
    return sha256(f"{task_id}/{digest}".encode()).hexdigest()[:32]


def facts_revision(revisions: Iterable[str]) -> str:
    joined = "\n".join(sorted(revisions))
    return "sha256:" + sha256(joined.encode()).hexdigest()
