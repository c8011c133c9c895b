"""Keeps a ticket for each cause: opened with the first image, rewritten when images come and go, closed with the last."""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Protocol

import structlog

from watcher.kit.glob import glob_any
from watcher.model.errors import RetryableError
from watcher.model.ticket import Ticket, TicketCause, TicketImage
from watcher.model.verdict import Outcome, Verdict
from watcher.publishing.protocol import Tickets
from watcher.publishing.ticket_settings import TicketSettings
from watcher.publishing.ticket_text import CLOSED, REOPENED, Draft, draft, ticket_causes, undecided_rules

log = structlog.get_logger(__name__)

# Together below what the announcer allows. Who has told so much meanwhile, or waited so long, goes on with the next attempt.
LONGEST_SECONDS = 60.0
LONGEST_WAIT_SECONDS = 30.0


class TicketsLeftError(RetryableError):
    """There is more to tell the tracker than fits into one attempt."""

    reason = "tickets-left"


class Tracker(Protocol):
    """Where tickets are kept. Every method raises as `Publisher.publish`."""

    async def find(self, marker: str) -> str | None:
        """The ticket with this marker, open or not; None when there is none."""
        ...

    async def create(self, draft: Draft) -> str:
        """Open a ticket. Gives the tracker's name for it. It may have been made where this raises: `find` will tell."""
        ...

    async def write(self, key: str, draft: Draft) -> bool:
        """Replace title and text; false when there is no such ticket any more."""
        ...

    async def move(self, key: str, said: str, *, is_open: bool) -> bool:
        """Open or close it, with a comment that says why. Nothing when it is so already: a person may have done it.

        False when there is no such ticket any more.
        """
        ...


class TicketFlow:
    """`monotonic` is for tests."""

    def __init__(
        self, settings: TicketSettings, tickets: Tickets, tracker: Tracker, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._tickets = tickets
        self._tracker = tracker
        self._monotonic = monotonic
        # One attempt at a time: what the others have noted meanwhile, it writes with its own.
        self._turn = asyncio.Lock()
        self._looked_back = False
        self._count_open = 0
        self._full = False  # and said so

    async def tell(self, verdict: Verdict) -> None:
        """Note what the verdict changes, and tell the tracker.

        The images of an index are passed over, since its own verdict has their findings. So is a verdict that knows nothing.
        """
        undecided = undecided_rules(verdict)
        if verdict.index_digest is not None or (verdict.outcome is Outcome.UNKNOWN and not undecided):
            return
        causes = ticket_causes(verdict, self._settings.outcomes)
        await self._tickets.note(self._settings.name, verdict.subject, causes, undecided=undecided)
        try:
            async with asyncio.timeout(LONGEST_WAIT_SECONDS):
                await self._turn.acquire()
        except TimeoutError as error:
            raise self._left() from error
        try:
            await self._tell()
        finally:
            self._turn.release()

    async def _tell(self) -> None:
        until = self._monotonic() + LONGEST_SECONDS
        while not self._looked_back and await self._tickets.begin(self._settings.name, self._causes_of):
            self._end(until)
        self._looked_back = True
        while (unsettled := await self._tickets.unsettled(self._settings.name)).tickets:
            self._count_open = unsettled.count_open
            for ticket in unsettled.tickets:
                told = await self._told(ticket)
                await self._tickets.settle(self._settings.name, told)
                self._count_open += told.is_open - ticket.is_open
            self._end(until)

    def _causes_of(self, verdict: Verdict) -> Collection[TicketCause]:
        """None for what is not told here: images that are not asked for, and those of an index."""
        name = f"{verdict.subject.registry}/{verdict.subject.repository}"
        ours = not self._settings.images or glob_any(name, self._settings.images)
        return ticket_causes(verdict, self._settings.outcomes) if ours and verdict.index_digest is None else ()

    def _end(self, until: float) -> None:
        if self._monotonic() > until:
            raise self._left()

    def _left(self) -> TicketsLeftError:
        return TicketsLeftError(f"{self._settings.name}: there is more to tell", retry_after_seconds=1.0)

    async def _told(self, ticket: Ticket) -> Ticket:
        """The ticket as the tracker has it now."""
        images = [each for each in ticket.images if not each.tags or any(glob_any(tag, self._settings.tags) for tag in each.tags)]
        if not ticket.key:
            return await self._begun(ticket, images) if images else ticket
        wanted = draft(ticket, images)
        there = ticket.written == wanted.revision or await self._tracker.write(ticket.key, wanted)
        if there and ticket.is_open is not bool(images):
            said = REOPENED if images else CLOSED
            there = await self._tracker.move(ticket.key, said, is_open=bool(images))
        if there:
            return replace(ticket, is_open=bool(images), written=wanted.revision)
        # Somebody deleted it. What has the cause is worth a new one.
        forgotten = replace(ticket, key="", is_open=False, written="")
        return await self._begun(forgotten, images, look=False) if images else forgotten

    async def _begun(self, ticket: Ticket, images: Sequence[TicketImage], *, look: bool = True) -> Ticket:
        found = await self._tracker.find(ticket.cause.id) if look else None
        if found is not None:
            # We ended between making it and noting it, or the store is an older one.
            return await self._told(replace(ticket, key=found))
        if self._count_open >= self._settings.most_open:
            if not self._full:
                log.warning("tickets.full", publisher=self._settings.name, most_open=self._settings.most_open)
            self._full = True
            return ticket
        wanted = draft(ticket, images)
        key = await self._tracker.create(wanted)
        self._full = False
        log.info("ticket.opened", publisher=self._settings.name, ticket=key, rule=ticket.cause.rule)
        return replace(ticket, key=key, is_open=True, written=wanted.revision)
