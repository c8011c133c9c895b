"""Why there is a ticket, and which images it is about: as told by the verdicts that its publisher heard of."""

from collections.abc import Callable, Collection, Mapping
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, and_, delete, func, or_, select, update

from watcher.model.digest import Digest
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.model.ticket import Ticket, TicketCause, TicketImage, Unsettled
from watcher.model.verdict import Outcome, Subject, Verdict
from watcher.store.rows import standing_rows, verdict_of
from watcher.store.statements import Transactions, insert_new, parts
from watcher.store.tables import image, reference, ticket, ticket_image, verdict

# Of one ticket so many rows are read, one for each image and tag: who has more images than this needs no list of them.
MOST_ROWS = 10_000
# No verdict has it for its number.
_ALL = "0"
_WITH_CAUSES = (Outcome.FAIL.value, Outcome.UNKNOWN.value, Outcome.WARN.value)


CausesOf = Callable[[Verdict], Collection[TicketCause]]


class StoredTickets:
    """`Tickets` of watcher/publishing/protocol.py."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    async def note(
        self, publisher: str, subject: Subject, causes: Collection[TicketCause], *, undecided: Collection[str] = ()
    ) -> None:
        """See `Tickets.note`."""
        await self._database.write(lambda connection: _note(connection, publisher, subject, causes, undecided))

    async def begin(self, publisher: str, causes_of: CausesOf, limit: int = 50) -> bool:
        """See `Tickets.begin`."""
        return await self._database.write(lambda connection: _begin(connection, publisher, causes_of, limit))

    async def unsettled(self, publisher: str, limit: int = 10) -> Unsettled:
        """See `Tickets.unsettled`."""
        waiting = (ticket.c.publisher == publisher, ticket.c.changed != ticket.c.settled)
        statement = select(ticket).where(*waiting).order_by(ticket.c.id).limit(limit)
        standing = select(func.count()).where(ticket.c.publisher == publisher, ticket.c.is_open)

        def run(connection: Connection) -> Unsettled:
            tickets = [
                Ticket(
                    cause=TicketCause(id=row.cause, rule=row.rule, about=row.about),
                    images=_images(connection, row.id),
                    key=row.key,
                    is_open=row.is_open,
                    written=row.written,
                    changed=row.changed,
                )
                for row in connection.execute(statement).all()
            ]
            return Unsettled(tickets=tuple(tickets), count_open=int(connection.execute(standing).scalar_one()))

        return await self._database.read(run)

    async def settle(self, publisher: str, settled: Ticket) -> None:
        """See `Tickets.settle`."""
        values = {"key": settled.key, "is_open": settled.is_open, "written": settled.written, "settled": settled.changed}
        mine = (ticket.c.publisher == publisher, ticket.c.cause == settled.cause.id)
        statement = update(ticket).where(*mine).values(values)
        await self._database.write(lambda connection: connection.execute(statement))


def _begin(connection: Connection, publisher: str, causes_of: CausesOf, limit: int) -> bool:
    """How far it has come is the key of a ticket that has no cause."""
    mark = (ticket.c.publisher == publisher, ticket.c.cause == "")
    before = connection.execute(select(ticket.c.key).where(*mark)).scalar_one_or_none()
    if before == _ALL:
        return False
    statement = standing_rows().where(verdict.c.outcome.in_(_WITH_CAUSES)).order_by(verdict.c.id.desc()).limit(limit)
    rows = connection.execute(statement if before is None else statement.where(verdict.c.id < int(before))).all()
    for row in rows:
        said = verdict_of(row)
        _note(connection, publisher, said.subject, causes_of(said), ())
    insert_new(connection, ticket, [{"publisher": publisher, "cause": "", "rule": "", "about": ""}])
    connection.execute(update(ticket).where(*mark).values(key=str(rows[-1].id) if rows else _ALL))
    return bool(rows)


def _note(
    connection: Connection, publisher: str, subject: Subject, causes: Collection[TicketCause], undecided: Collection[str]
) -> None:
    image_id = connection.execute(select(image.c.id).where(image.c.digest == subject.digest)).scalar_one_or_none()
    if image_id is None:
        return
    place = {"registry": subject.registry, "repository": subject.repository, "environment": subject.environment or ""}
    own = and_(ticket_image.c.image_id == image_id, *(ticket_image.c[name] == value for name, value in place.items()))
    mine = select(ticket.c.id, ticket.c.cause, ticket.c.rule).where(ticket.c.publisher == publisher)
    listed = connection.execute(mine.join(ticket_image, ticket_image.c.ticket_id == ticket.c.id).where(own)).all()
    wanted = {each.id: each for each in causes}
    gone = {row.id for row in listed if row.cause not in wanted and row.rule not in undecided}
    had = {row.cause for row in listed}
    added = _ids(connection, publisher, [each for each in wanted.values() if each.id not in had])
    rows = [{"ticket_id": number, "image_id": image_id, **place} for number in sorted(added.values())]
    insert_new(connection, ticket_image, rows)
    for part in parts(sorted(gone)):
        connection.execute(delete(ticket_image).where(own, ticket_image.c.ticket_id.in_(part)))
    # What its tags led to before counts no longer.
    here = and_(ticket_image.c.registry == subject.registry, ticket_image.c.repository == subject.repository)
    robbed = select(reference.c.image_id).where(
        reference.c.registry == subject.registry, reference.c.repository == subject.repository, reference.c.tag.in_(subject.tags)
    )
    about = or_(ticket_image.c.image_id == image_id, ticket_image.c.image_id.in_(robbed))
    beside = select(ticket_image.c.ticket_id).where(here, about)
    changed = {"changed": ticket.c.changed + 1}
    connection.execute(update(ticket).where(ticket.c.publisher == publisher, ticket.c.id.in_(beside)).values(changed))
    for part in parts(sorted(gone)):
        connection.execute(update(ticket).where(ticket.c.id.in_(part)).values(changed))


def _ids(connection: Connection, publisher: str, causes: Collection[TicketCause]) -> Mapping[str, int]:
    """The tickets of these causes, begun where there are none. One that is not open is about what is said now."""
    rows = [{"publisher": publisher, "cause": each.id, "rule": each.rule, "about": each.about} for each in causes]
    insert_new(connection, ticket, rows)
    for row in rows:
        same = (ticket.c.publisher == publisher, ticket.c.cause == row["cause"], ~ticket.c.is_open, ticket.c.about != row["about"])
        connection.execute(update(ticket).where(*same).values(about=row["about"]))
    found: dict[str, int] = {}
    for part in parts([each.id for each in causes]):
        statement = select(ticket.c.cause, ticket.c.id).where(ticket.c.publisher == publisher, ticket.c.cause.in_(part))
        found.update((cause, number) for cause, number in connection.execute(statement))
    return found


def _images(connection: Connection, ticket_id: int) -> tuple[TicketImage, ...]:
    """Those that a tag leads to, and those that never had one."""
    places = (ticket_image.c.registry, ticket_image.c.repository, image.c.digest, ticket_image.c.environment)
    seen = and_(
        reference.c.image_id == ticket_image.c.image_id,
        reference.c.registry == ticket_image.c.registry,
        reference.c.repository == ticket_image.c.repository,
        or_(reference.c.tag != "", reference.c.leads),
    )
    rows = connection.execute(
        select(*places, reference.c.tag, reference.c.leads)
        .join(image, image.c.id == ticket_image.c.image_id)
        .join(reference, seen)
        .where(ticket_image.c.ticket_id == ticket_id)
        .order_by(*places, reference.c.tag)
        .limit(MOST_ROWS)
    )
    groups = groupby(rows, key=lambda row: tuple(row[:4]))
    listed = (_image(place, [(row.tag, row.leads) for row in group]) for place, group in groups)
    return tuple(each for each in listed if each is not None)


def _image(place: tuple[Any, ...], tags: Collection[tuple[str, bool]]) -> TicketImage | None:
    named = {tag: leads for tag, leads in tags if tag}
    leading = tuple(Tag(tag) for tag, leads in named.items() if leads)
    if named and not leading:
        return None
    registry, repository, digest, environment = place
    return TicketImage(
        registry=Host(registry),
        repository=RepositoryName(repository),
        digest=Digest(digest),
        environment=environment or None,
        tags=leading,
    )
