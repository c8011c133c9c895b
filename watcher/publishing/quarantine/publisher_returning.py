"""Gives a tag back to who pushed by it in the very moment in which we moved it.

Registries compare nothing when a tag is written: a push that falls between our looking and our writing is undone by us. The event
of that push tells of it, and so the verdict of what was pushed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog

from watcher.model.errors import NotFoundError
from watcher.model.quarantine import Quarantine, TagMove
from watcher.model.verdict import Subject, Verdict
from watcher.publishing.context import PublisherContext
from watcher.publishing.protocol import PushedAs
from watcher.publishing.quarantine.protocol import Condemned
from watcher.publishing.quarantine.settings import QuarantinePublisherSettings
from watcher.publishing.quarantine.steps import Ground

log = structlog.get_logger(__name__)

# Clocks of registries differ from ours, and events take their time.
DOUBT = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Returning:
    """By the quarantines of one publisher."""

    settings: QuarantinePublisherSettings
    context: PublisherContext

    async def return_pushed(self, verdict: Verdict) -> None:
        """Lead the tags to the image of the verdict that it was pushed by while we moved them, and that nobody has moved since.

        One that fails gets no tag back. Raises as `Ground`.
        """
        subject = verdict.subject
        if verdict.outcome in self.settings.outcomes:
            return
        listed = await self.context.quarantines.listed(registry=subject.registry, repository=subject.repository)
        mine = [each for each in listed if each.publisher == self.settings.name and each.digest != subject.digest]
        records = [each for each in mine if each.perhaps_moved()]
        pushed = await self.context.pushes.pushed_as(verdict.id) if records else None
        if pushed is None:
            return
        for record in records:
            if any(self._hidden(record, subject, pushed)):
                await self._give_back(record, subject, pushed)

    async def _give_back(self, record: Quarantine, subject: Subject, pushed: PushedAs) -> None:
        context = self.context
        async with context.locks.lock(replace(subject, digest=record.digest)):
            now = await context.quarantines.find(record.publisher, record.registry, record.repository, record.digest)
            access = context.registries.access(record.registry)
            condemned = Condemned(repository=record.repository, digest=record.digest, reason=record.reason)
            ground = Ground(access=access, driver=context.driver(access), image=condemned, clock=context.clock)
            for move in [*self._hidden(now, subject, pushed)] if now is not None else ():
                try:
                    given = await ground.give_back(move, subject.digest)
                except NotFoundError:
                    continue
                if given is None:
                    continue
                now = (now or record).with_move(given)
                await context.quarantines.keep(replace(now, changed_at=context.clock()))
                log.warning("quarantine.gave_back", image=subject.name, tag=move.tag, publisher=record.publisher)

    def _hidden(self, record: Quarantine, subject: Subject, pushed: PushedAs) -> Iterator[TagMove]:
        """The moves that may have hidden the push; one that is not known to be over lasts until now."""
        when = pushed.occurred_at or pushed.received_at
        for move in record.perhaps_moved():
            began, until = move.asked_at - DOUBT, (move.moved_at or self.context.clock()) + DOUBT
            if move.tag in pushed.tags and move.to != subject.digest and began <= when <= until:
                yield move
