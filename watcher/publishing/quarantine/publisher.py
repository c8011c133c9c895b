"""Keeps an image that fails from being pulled, as far as its registry can, and lets it go when it has passed.

What is told is only that there is something to decide: by what is true of the image now, under its lock. So a verdict that comes
late, twice, or together with its opposite, does no harm.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta

import structlog

from watcher.kit.glob import glob_any
from watcher.kit.units import seconds
from watcher.model.errors import NotFoundError, RetryableError
from watcher.model.publication import GONE
from watcher.model.quarantine import Measure, Quarantine, QuarantineState, StepState
from watcher.model.reference import Tag
from watcher.model.verdict import Subject, Verdict
from watcher.publishing.context import PublisherContext
from watcher.publishing.protocol import Progress
from watcher.publishing.quarantine.decision import clears, condemns, fingerprint, is_by_tag, of_environment, reason_of
from watcher.publishing.quarantine.protocol import Condemned
from watcher.publishing.quarantine.publisher_carrying import Carrying, DiscardedError, settled
from watcher.publishing.quarantine.publisher_returning import Returning
from watcher.publishing.quarantine.release import ended, release
from watcher.publishing.quarantine.settings import QuarantinePublisherSettings
from watcher.publishing.quarantine.steps import Ground

log = structlog.get_logger(__name__)

HOUR = timedelta(hours=1)
WATCHER = "watcher"


class HeldError(RetryableError):
    """So many images of the repository were quarantined within the hour that this one has to wait: a policy may be wrong."""

    reason = "quarantine-held"


class NotLongEnoughError(RetryableError):
    """The image has passed, and has to have for a while: what goes back and forth moves no tag."""

    reason = "quarantine-passing"


class QuarantinePublisher:
    """One set of measures, in every registry that images are in."""

    def __init__(self, settings: QuarantinePublisherSettings, context: PublisherContext) -> None:
        self.name = settings.name
        self._settings = settings
        self._context = context
        self._returning = Returning(settings=settings, context=context)

    async def open(self) -> None:
        """What can be done is a matter of each repository, so that it shows with the first image of one."""

    async def publish(self, verdict: Verdict, progress: Progress) -> None:
        """See `Publisher.publish`. The image of an index counts by itself only where a tag leads to it by itself."""
        subject, is_gone = verdict.subject, progress.noted == GONE
        if subject.environment != self._context.environment(subject.registry, subject.repository) and not is_gone:
            return
        # Most images pass, and nothing is recorded of them, nor to be done.
        matters = is_gone or condemns(verdict, self._settings.outcomes) or self._admits(subject)
        if matters or await self._known(subject) is not None:
            async with self._context.locks.lock(subject):
                await (self._gone(subject) if is_gone else self._decide(verdict))
        if not self._is_dry(subject):
            await self._returning.return_pushed(verdict)

    async def aclose(self) -> None:
        """The clients of registries belong to the daemon."""

    async def _known(self, subject: Subject) -> Quarantine | None:
        return await self._context.quarantines.find(self.name, subject.registry, subject.repository, subject.digest)

    async def _decide(self, told: Verdict) -> None:
        subject = told.subject
        record = await self._known(subject)
        standing = await self._context.judgements.standing(subject.registry, subject.repository, subject.digest)
        verdict = of_environment(standing, subject.environment) or told
        if condemns(verdict, self._settings.outcomes):
            await self._condemn(verdict, record)
        elif clears(verdict, self._settings.outcomes):
            if record is not None:
                await self._clear(verdict, record)
            if self._admits(subject):
                await self._admit(verdict)

    async def _condemn(self, verdict: Verdict, record: Quarantine | None) -> None:
        said, subject = fingerprint(verdict), verdict.subject
        if record is not None and record.excused == said:
            if record.state is QuarantineState.RELEASING:
                # Who released it was cut off.
                await self._release(record, by=record.ended_by, reason=record.ended_reason, excused=said)
            return
        tags = await self._tags(subject)
        if verdict.index_digest is not None and not tags and (record is None or record.state is QuarantineState.RELEASED):
            return
        record = self._renewed(verdict, record)
        carrying = Carrying(
            settings=self._settings,
            quarantines=self._context.quarantines,
            judgements=self._context.judgements,
            pushes=self._context.pushes,
            ground=self._ground(record),
            clock=self._context.clock,
            condemned=verdict,
        )
        was = record.state
        try:
            if self._is_dry(subject):
                await self._plan(carrying, record, tags)
            else:
                await self._carry_out(carrying, await self._begun(record), tags, was=was)
        except DiscardedError as error:
            log.info("quarantine.discarded", image=subject.name, publisher=self.name, detail=str(error))
        except NotFoundError:
            await self._gone(subject)

    def _renewed(self, verdict: Verdict, record: Quarantine | None) -> Quarantine:
        """What is recorded from now on of an image that is condemned."""
        now, subject = self._context.clock(), verdict.subject
        if record is None or record.state is QuarantineState.RELEASED:
            return Quarantine(
                publisher=self.name,
                registry=subject.registry,
                repository=subject.repository,
                digest=subject.digest,
                state=QuarantineState.DRY_RUN,
                reason=reason_of(verdict),
                verdict_id=verdict.id,
                began_at=now,
                changed_at=now,
            )
        same = replace(record, passing_since=None, ended_by="", ended_reason="", excused="")
        return replace(same, reason=reason_of(verdict), verdict_id=verdict.id)

    async def _plan(self, carrying: Carrying, record: Quarantine, tags: Collection[Tag]) -> None:
        """A dry run. What was done before there was one stays."""
        if record.state not in {QuarantineState.DRY_RUN, QuarantineState.HELD}:
            return
        known = await self._context.quarantines.find(self.name, record.registry, record.repository, record.digest)
        planned = replace(await carrying.plan(record, tags), state=QuarantineState.DRY_RUN)
        await self._context.quarantines.keep(replace(planned, changed_at=self._context.clock()))
        if known is None or known.state is not QuarantineState.DRY_RUN:
            log.info("quarantine.planned", image=record.name, publisher=self.name, reason=record.reason)

    async def _begun(self, record: Quarantine) -> Quarantine:
        """Recorded as intended.

        Raises:
            HeldError: there were too many before it.
        """
        now, quarantines = self._context.clock(), self._context.quarantines
        if record.state not in {QuarantineState.DRY_RUN, QuarantineState.HELD}:
            if record.state is not QuarantineState.IN_FORCE:
                record = replace(record, state=QuarantineState.INTENDED)
            await quarantines.keep(record)
            return record
        known = await quarantines.find(self.name, record.registry, record.repository, record.digest)
        record = replace(record, began_at=now, changed_at=now, steps={}, tags=())
        first = await quarantines.begin(record, most=self._settings.per_hour, since=now - HOUR)
        if first is None:
            return replace(record, state=QuarantineState.INTENDED)
        if known is None or known.state is not QuarantineState.HELD:
            log.error("quarantine.held", image=record.name, publisher=self.name, per_hour=self._settings.per_hour)
        raise HeldError(
            f"{record.name}: {self._settings.per_hour} others of its repository were quarantined within the hour",
            retry_after_seconds=max((first + HOUR - now).total_seconds(), 1.0),
        )

    async def _carry_out(self, carrying: Carrying, record: Quarantine, tags: Collection[Tag], *, was: QuarantineState) -> None:
        """What it comes to is said when it was not so before."""
        begun = await carrying.carry_out(record, tags)
        state = settled(begun)
        if state is not record.state:
            await self._context.quarantines.keep(replace(begun, state=state, changed_at=self._context.clock()))
        if state is was:
            return
        record = begun
        refused = [each.detail for each in record.all_steps() if each.state is StepState.IMPOSSIBLE]
        said = {
            "image": record.name,
            "publisher": self.name,
            "done": [name.value for name, step in record.steps.items() if step.state is StepState.DONE],
            "tags": [each.tag for each in record.moved()],
            "reason": record.reason,
        }
        if state is QuarantineState.FAILED:
            log.error("quarantine.failed", **said, refused=refused)
        else:
            log.warning("quarantine.begun", **said, refused=refused or None)

    def _admits(self, subject: Subject) -> bool:
        return Measure.NATIVE in self._settings.actions and not self._is_dry(subject)

    async def _admit(self, verdict: Verdict) -> None:
        """Some registries show nobody what was pushed before somebody has said that it may be seen."""
        subject, access = verdict.subject, self._context.registries.access(verdict.subject.registry)
        why = f"the verdict is {verdict.outcome.value}"
        await self._context.driver(access).admit(Condemned(repository=subject.repository, digest=subject.digest, reason=why))

    async def _clear(self, verdict: Verdict, record: Quarantine) -> None:
        if record.state is QuarantineState.RELEASED:
            if record.excused:
                # It was excused for what was found then; should that come back, a person decides again.
                await self._context.quarantines.keep(replace(record, excused=""))
            return
        by, reason = record.ended_by or WATCHER, record.ended_reason or f"the verdict is {verdict.outcome.value}"
        if record.state in {QuarantineState.DRY_RUN, QuarantineState.HELD}:
            over = replace(ended(record, by=by, reason=reason), changed_at=self._context.clock())
            await self._context.quarantines.keep(over)
            return
        if self._is_dry(verdict.subject):
            return
        if record.state is not QuarantineState.RELEASING:
            await self._wait(record)
        # Who releases it by hand knows what he does.
        kept_away = await self._by_tags(verdict, record) if by == WATCHER else ()
        await self._release(record, by=by, reason=reason, kept_away=kept_away)

    async def _by_tags(self, clearing: Verdict, record: Quarantine) -> Collection[Tag]:
        """The tags that it may be condemned for: led back to it, it would be condemned again, and be deployed each time."""
        judged_by, outcomes = self._context.judgements.judged_by, self._settings.outcomes
        found = []
        for tag in sorted({each.tag for each in record.perhaps_moved()} - {*clearing.subject.tags}):
            with_tag = await judged_by(clearing.subject, outcomes, tag, named=True)
            if is_by_tag(with_tag, await judged_by(clearing.subject, outcomes, tag, named=False), clearing):
                found.append(tag)
        return found

    async def _wait(self, record: Quarantine) -> None:
        """Raises NotLongEnoughError."""
        now = self._context.clock()
        if record.passing_since is None:
            record = replace(record, passing_since=now)
            await self._context.quarantines.keep(record)
        until = (record.passing_since or now) + timedelta(seconds=seconds(self._settings.release_after))
        if now < until:
            waits = f"{record.name} has passed, and is released at {until:%H:%M:%S}"
            raise NotLongEnoughError(waits, retry_after_seconds=(until - now).total_seconds())

    async def _release(
        self, record: Quarantine, *, by: str, reason: str, excused: str = "", kept_away: Collection[Tag] = ()
    ) -> None:
        ground, context = self._ground(record), self._context
        over = await release(
            record,
            ground,
            context.quarantines,
            context.pushes,
            context.clock,
            by=by,
            reason=reason,
            excused=excused,
            kept_away=kept_away,
        )
        left = [each.detail for each in over.all_steps() if each.state is StepState.LEFT]
        log.info("quarantine.released", image=over.name, publisher=self.name, by=by, detail=reason, left=left or None)

    async def _gone(self, subject: Subject) -> None:
        """The image is not there any more: for good, or because the registry keeps it back, or because we have deleted it."""
        record = await self._known(subject)
        if record is None or record.state is QuarantineState.RELEASED or record.has(Measure.DELETE, StepState.DONE):
            return
        may_be_hidden = record.has(Measure.NATIVE, StepState.DONE, StepState.INTENDED, StepState.OVERTAKEN)
        if may_be_hidden and await self._ground(record).is_blocked():
            return
        over = ended(record, by=WATCHER, reason="the image is gone")
        await self._context.quarantines.keep(replace(over, changed_at=self._context.clock()))

    async def _tags(self, subject: Subject) -> Collection[Tag]:
        """Those that may lead to the image; the registry is asked before anything is done to one."""
        history = await self._context.tags.tag_history(subject.registry, subject.repository, subject.digest)
        return {*subject.tags, *(Tag(tag) for tag in history if tag)}

    def _ground(self, record: Quarantine) -> Ground:
        access = self._context.registries.access(record.registry)
        return Ground(
            access=access,
            driver=self._context.driver(access),
            image=Condemned(repository=record.repository, digest=record.digest, reason=record.reason),
            clock=self._context.clock,
        )

    def _is_dry(self, subject: Subject) -> bool:
        return self._settings.dry_run or glob_any(f"{subject.registry}/{subject.repository}", self._settings.protected)
