"""Gives a tag back to who pushed by it in the very moment in which we moved it.

Registries compare nothing when a tag is written: a push that falls between our looking and our writing is undone by us. The event
of that push tells of it, and so the verdict of what was pushed.
"""

from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from watcher.model.errors import NotFoundError
from watcher.model.quarantine import Quarantine, StepState, TagMove
from watcher.model.verdict import Verdict
from watcher.publishing.context import PublisherContext
from watcher.publishing.protocol import PushedAs, TagPush
from watcher.publishing.quarantine.protocol import Condemned
from watcher.publishing.quarantine.pushed import DOUBT, is_last, overtaking
from watcher.publishing.quarantine.settings import QuarantinePublisherSettings
from watcher.publishing.quarantine.steps import Ground

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Returning:
    """By the quarantines of one publisher."""

    settings: QuarantinePublisherSettings
    context: PublisherContext

    async def return_pushed(self, verdict: Verdict) -> None:
        """Lead the tags to the image of the verdict that it was pushed by while we moved them, and that nobody has moved since.

        One that fails gets no tag back. A tag by which it was pushed after we had moved it is ours no more, though it may come to
        lead to where we led it. Raises as `Ground`.
        """
        subject = verdict.subject
        listed = await self.context.quarantines.listed(registry=subject.registry, repository=subject.repository)
        mine = [each for each in listed if each.publisher == self.settings.name and each.digest != subject.digest]
        records = [each for each in mine if each.perhaps_moved()]
        pushed = await self.context.pushes.pushed_as(verdict.id) if records else None
        if pushed is None:
            return
        for record in records:
            if any(each.tag in pushed.tags for each in record.perhaps_moved()):
                await self._look(record, verdict, pushed)

    async def _look(self, record: Quarantine, verdict: Verdict, pushed: PushedAs) -> None:
        context, subject = self.context, verdict.subject
        async with context.locks.lock(replace(subject, digest=record.digest)):
            now = await context.quarantines.find(record.publisher, record.registry, record.repository, record.digest)
            for move in now.perhaps_moved() if now is not None else ():
                if now is None or move.tag not in pushed.tags:
                    continue
                changed = await self._given_back(now, move, verdict, pushed)
                if changed is not None:
                    now = now.with_move(changed)
                    await context.quarantines.keep(replace(now, changed_at=context.clock()))

    async def _given_back(self, record: Quarantine, move: TagMove, verdict: Verdict, pushed: PushedAs) -> TagMove | None:
        """What becomes of the move; None where nothing does."""
        place, since = verdict.subject, max(move.asked_at, pushed.received_at) - DOUBT
        if not self._hides(move, pushed.occurred_at or pushed.received_at) or move.to == place.digest:
            others = await self.context.pushes.pushes(place.registry, place.repository, move.tag, since)
            other = overtaking(move, record.digest, others)
            if other is None or (move.to == place.digest and await self._is_to_come(move, other, verdict)):
                return None
            detail = f"{other.digest or 'something'} was pushed by it since"
            return replace(move, state=StepState.OVERTAKEN, detail=detail)
        if verdict.outcome in self.settings.outcomes:
            return None
        since = min(move.asked_at, pushed.received_at, pushed.occurred_at or pushed.received_at) - DOUBT
        others = await self.context.pushes.pushes(place.registry, place.repository, move.tag, since)
        its = TagPush(digest=place.digest, received_at=pushed.received_at, occurred_at=pushed.occurred_at, verdict_id=verdict.id)
        if not is_last(move, record.digest, its, others):
            return None
        try:
            given = await self._ground(record).give_back(move, place.digest)
        except NotFoundError:
            return None
        if given is not None:
            log.warning("quarantine.gave_back", image=place.name, tag=move.tag, publisher=record.publisher)
        return given

    def _ground(self, record: Quarantine) -> Ground:
        access = self.context.registries.access(record.registry)
        condemned = Condemned(repository=record.repository, digest=record.digest, reason=record.reason)
        return Ground(access=access, driver=self.context.driver(access), image=condemned, clock=self.context.clock)

    async def _is_to_come(self, move: TagMove, other: TagPush, verdict: Verdict) -> bool:
        """Whether the move may have hidden the other push, whose own verdict is not there yet: that one decides, for it knows.

        The verdict of what the tag was led to comes of our own move, and may come sooner.
        """
        if other.digest is None or not self._hides(move, other.at):
            return False
        place = verdict.subject
        said = await self.context.judgements.standing(place.registry, place.repository, other.digest)
        return all(each.id != other.verdict_id for each in said)

    def _hides(self, move: TagMove, when: datetime) -> bool:
        """Whether it may have hidden a push at that moment; one that is not known to be over lasts until now."""
        return move.asked_at - DOUBT <= when <= (move.moved_at or self.context.clock()) + DOUBT
