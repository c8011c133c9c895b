"""Carries a quarantine out, step by step, each recorded before it is done and after."""

import re
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from datetime import timedelta

from watcher.kit.clock import Clock
from watcher.model.digest import Digest
from watcher.model.errors import NotFoundError, RetryableError, WatcherError
from watcher.model.quarantine import OPEN, Measure, Quarantine, QuarantineState, Step, StepState, TagMove, is_marker
from watcher.model.reference import Tag
from watcher.model.verdict import Verdict
from watcher.publishing.protocol import Judgements, Pushes, Quarantines
from watcher.publishing.quarantine.decision import condemns, good_outcomes, of_environment
from watcher.publishing.quarantine.settings import QuarantinePublisherSettings
from watcher.publishing.quarantine.steps import REFUSALS, Ground

# Of a tag that was pushed a moment ago it is not certain yet where it leads: events and registries are late by so much.
SETTLES = timedelta(seconds=5)
THEIRS = "was blocked before, by somebody else, and stays so"


class UnsettledTagError(RetryableError):
    """Somebody is just pushing by this tag."""

    reason = "tag-unsettled"


class DiscardedError(WatcherError):
    """What is carried out is not wanted any more: another verdict has come meanwhile, and is told next."""

    reason = "verdict-changed"


@dataclass(slots=True, kw_only=True)
class Carrying:
    """One image's. `condemned` is the verdict that condemns it."""

    settings: QuarantinePublisherSettings
    quarantines: Quarantines
    judgements: Judgements
    pushes: Pushes
    ground: Ground
    clock: Clock
    condemned: Verdict

    async def plan(self, record: Quarantine, tags: Collection[Tag]) -> Quarantine:
        """What would be done now. Only asks."""
        asked = [each for each in self.settings.actions if each is not Measure.UNPUBLISH]
        steps: dict[Measure, Step] = {each: Step(state=StepState.PLANNED) for each in asked}
        if Measure.DELETE in steps and (objection := await self._objection()):
            steps[Measure.DELETE] = Step(state=StepState.IMPOSSIBLE, detail=objection)
        moves = [
            TagMove(tag=tag, to=await self._good(tag), state=StepState.PLANNED, asked_at=self.clock())
            for tag in self._movable(tags)
            if await self.ground.leads(tag) == self.ground.image.digest
        ]
        return replace(record, steps=steps, tags=tuple(moves))

    async def carry_out(self, record: Quarantine, tags: Collection[Tag]) -> Quarantine:
        """Everything that is not done yet. `tags` may lead to the image.

        What the registry itself does comes last: it may then give the image to nobody, us included, and what was cut off before
        could not go on.

        Raises:
            UnsettledTagError: all but that tag is done.
            NotFoundError: the image is gone. Those of `Ground`.
        """
        asked, unsettled = self.settings.actions, None
        if Measure.NATIVE in asked:
            record = await self._blocked_before(record)
        if not self._is_hidden(record) and await self.ground.leads(record.digest) is None:
            raise NotFoundError(f"{record.name} is gone")
        if Measure.MARK in asked and not (self._is_hidden(record) and record.has(Measure.MARK, StepState.DONE)):
            record = await self._step(record, Measure.MARK, self.ground.mark)
        for tag in self._movable(tags):
            try:
                record = await self._unpublish(record, tag)
            except UnsettledTagError as error:
                unsettled = error
            except REFUSALS:
                if not self._is_hidden(record):
                    raise
        if Measure.NATIVE in asked and not record.has(Measure.NATIVE, StepState.OVERTAKEN):
            record = await self._step(record, Measure.NATIVE, self.ground.block)
        if unsettled is not None:
            raise unsettled
        if Measure.DELETE in asked:
            record = await self._step(record, Measure.DELETE, self._deleted)
        return record

    async def _step(self, record: Quarantine, measure: Measure, act: Callable[[], Awaitable[Step]]) -> Quarantine:
        await self._still()
        before = record.steps.get(measure)
        if before is None or before.state is not StepState.DONE:
            record = await self._keep(record.with_step(measure, Step(state=StepState.INTENDED)))
        ended = await act()
        return record if ended == record.steps.get(measure) else await self._keep(record.with_step(measure, ended))

    async def _blocked_before(self, record: Quarantine) -> Quarantine:
        """Note that somebody else has blocked it, before we do or have begun to: that is not ours to take back."""
        if record.has(Measure.NATIVE, StepState.DONE, StepState.INTENDED):
            return record
        if await self.ground.is_blocked_by_others():
            theirs = Step(state=StepState.OVERTAKEN, detail=THEIRS)
            is_known = record.steps.get(Measure.NATIVE) == theirs
            return record if is_known else await self._keep(record.with_step(Measure.NATIVE, theirs))
        if record.has(Measure.NATIVE, StepState.OVERTAKEN):
            return await self._keep(record.with_step(Measure.NATIVE, Step(state=StepState.PLANNED)))
        return record

    async def _unpublish(self, record: Quarantine, tag: Tag) -> Quarantine:
        await self._still()
        there, before = await self.ground.leads(tag), record.move(tag)
        if there != self.ground.image.digest:
            if before is None or before.state is not StepState.INTENDED:
                return record
            # We ended between moving it and saying so; or somebody else was faster.
            now = self.clock()
            state = StepState.DONE if there == before.to else StepState.OVERTAKEN
            return await self._keep(record.with_move(replace(before, state=state, moved_at=now)))
        now = self.clock()
        pushed = await self.pushes.pushes(record.registry, record.repository, tag, now - SETTLES)
        if next((each.digest for each in pushed if each.digest and each.is_heard), record.digest) != record.digest:
            raise UnsettledTagError(f"{record.name}: {tag} is just being pushed", retry_after_seconds=SETTLES.total_seconds())
        move = TagMove(tag=tag, to=await self._good(tag), state=StepState.INTENDED, asked_at=now)
        record = await self._keep(record.with_move(move))
        return await self._keep(record.with_move(await self.ground.move(move)))

    async def _good(self, tag: Tag) -> Digest | None:
        """What the tag is led to: what had it last, is good, is not quarantined itself, and is there."""
        place, good = self.condemned.subject, good_outcomes(self.settings.outcomes)
        known = await self.judgements.known_good(place.registry, place.repository, tag, place.environment, good)
        listed = await self.quarantines.listed(registry=place.registry, repository=place.repository)
        bad = {place.digest, *(each.digest for each in listed if each.state in OPEN)}
        for digest in known:
            if digest not in bad and await self.ground.leads(digest) == digest:
                return digest
        return None

    async def _deleted(self) -> Step:
        objection = await self._objection()
        return Step(state=StepState.IMPOSSIBLE, detail=objection) if objection else await self.ground.delete()

    async def _objection(self) -> str:
        """Why it is not deleted: a good image is in it, or it is what an index is made of. Empty where nothing is against it."""
        if self.condemned.index_digest is not None:
            return f"it is part of the index {self.condemned.index_digest}"
        place = self.condemned.subject
        for child in await self.ground.children():
            verdicts = await self.judgements.standing(place.registry, place.repository, child)
            if not condemns(of_environment(verdicts, place.environment), self.settings.outcomes):
                return f"its image {child} is not condemned"
        return ""

    async def _still(self) -> None:
        """Raises DiscardedError when it is condemned no more."""
        place = self.condemned.subject
        verdicts = await self.judgements.standing(place.registry, place.repository, place.digest)
        standing = of_environment(verdicts, place.environment)
        if standing is not None and not condemns(standing, self.settings.outcomes):
            raise DiscardedError(f"{place.name} is not condemned any more")

    def _is_hidden(self, record: Quarantine) -> bool:
        """Whether the registry was told to keep it back, so that its not being there says nothing."""
        return self.ground.can_hide and record.has(Measure.NATIVE, StepState.DONE, StepState.INTENDED, StepState.OVERTAKEN)

    async def _keep(self, record: Quarantine) -> Quarantine:
        await self.quarantines.keep(replace(record, changed_at=self.clock()))
        return record

    def _movable(self, tags: Collection[Tag]) -> Collection[Tag]:
        if Measure.UNPUBLISH not in self.settings.actions:
            return ()
        return sorted(tag for tag in tags if re.fullmatch(self.settings.movable_tags, tag) and not is_marker(tag))


def settled(record: Quarantine) -> QuarantineState:
    """How it stands when everything was tried: failed where nothing of it could be done."""
    states = {each.state for each in record.all_steps()}
    is_blocked = StepState.DONE in states or record.has(Measure.NATIVE, StepState.OVERTAKEN)
    return QuarantineState.FAILED if StepState.IMPOSSIBLE in states and not is_blocked else QuarantineState.IN_FORCE
