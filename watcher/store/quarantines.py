"""Images that are kept from being pulled, with what was done to them and what was not."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, and_, case, delete, func, select, update

from watcher.model.digest import Digest
from watcher.model.first_use import known
from watcher.model.quarantine import Measure, Quarantine, QuarantineState, Step, StepState, TagMove
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.store.statements import Transactions, insert_new
from watcher.store.tables import quarantine, quarantine_tag

# Of these nothing was begun.
_NOT_BEGUN = (QuarantineState.DRY_RUN.value, QuarantineState.HELD.value)


class StoredQuarantines:
    """`Quarantines` of watcher/publishing/protocol.py."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    async def find(self, publisher: str, registry: Host, repository: RepositoryName, digest: Digest) -> Quarantine | None:
        """See `Quarantines.find`."""
        place = quarantine.c.registry == registry, quarantine.c.repository == repository
        found = await self._read(*place, quarantine.c.publisher == publisher, quarantine.c.digest == digest)
        return found[0] if found else None

    async def begin(self, record: Quarantine, *, most: int, since: datetime) -> datetime | None:
        """See `Quarantines.begin`."""
        others = select(func.count(), func.min(quarantine.c.began_at)).where(
            quarantine.c.publisher == record.publisher,
            quarantine.c.registry == record.registry,
            quarantine.c.repository == record.repository,
            quarantine.c.digest != record.digest,
            quarantine.c.began_at > since,
            quarantine.c.state.not_in(_NOT_BEGUN),
        )

        def run(connection: Connection) -> datetime | None:
            count, first = connection.execute(others).one()
            is_held = count >= most
            state = QuarantineState.HELD if is_held else QuarantineState.INTENDED
            _keep(connection, record, state)
            return first if is_held else None

        return await self._database.write(run)

    async def keep(self, record: Quarantine) -> None:
        """See `Quarantines.keep`."""
        await self._database.write(lambda connection: _keep(connection, record, record.state))

    async def listed(
        self, *, registry: Host | None = None, repository: RepositoryName | None = None, digest: Digest | None = None
    ) -> Sequence[Quarantine]:
        """See `Quarantines.listed`."""
        asked = {"registry": registry, "repository": repository, "digest": digest}
        return await self._read(*(quarantine.c[name] == value for name, value in asked.items() if value is not None))

    async def counts(self) -> Mapping[tuple[str, str], int]:
        """See `Quarantines.counts`."""
        is_passing = and_(quarantine.c.passing_since.is_not(None), quarantine.c.state == QuarantineState.IN_FORCE.value)
        state = case((is_passing, "passing"), else_=quarantine.c.state)
        statement = (
            select(quarantine.c.publisher, state, func.count())
            .where(quarantine.c.state != QuarantineState.RELEASED.value)
            .group_by(quarantine.c.publisher, state)
        )

        def run(connection: Connection) -> Mapping[tuple[str, str], int]:
            return {(publisher, word): count for publisher, word, count in connection.execute(statement)}

        return await self._database.read(run)

    async def _read(self, *conditions: ColumnElement[bool]) -> Sequence[Quarantine]:
        statement = select(quarantine).where(*conditions).order_by(quarantine.c.began_at.desc(), quarantine.c.id.desc())
        tags = select(quarantine_tag).join(quarantine, quarantine.c.id == quarantine_tag.c.quarantine_id).where(*conditions)

        def run(connection: Connection) -> Sequence[Quarantine]:
            moves: dict[int, list[TagMove]] = {}
            for row in connection.execute(tags.order_by(quarantine_tag.c.tag)):
                moves.setdefault(row.quarantine_id, []).append(_move(row))
            return [_record(row, moves.get(row.id, ())) for row in connection.execute(statement)]

        return await self._database.read(run)


def _keep(connection: Connection, record: Quarantine, state: QuarantineState) -> None:
    same = {name: getattr(record, name) for name in ("publisher", "registry", "repository", "digest")}
    values = {
        "state": state.value,
        "reason": record.reason,
        "verdict_id": record.verdict_id,
        "began_at": record.began_at,
        "changed_at": record.changed_at,
        "steps": msgspec.json.encode(record.steps).decode(),
        "passing_since": record.passing_since,
        "ended_by": record.ended_by,
        "ended_reason": record.ended_reason,
        "excused": record.excused,
    }
    own = [quarantine.c[name] == value for name, value in same.items()]
    insert_new(connection, quarantine, [same | values])
    connection.execute(update(quarantine).where(*own).values(values))
    number = connection.execute(select(quarantine.c.id).where(*own)).scalar_one()
    connection.execute(delete(quarantine_tag).where(quarantine_tag.c.quarantine_id == number))
    insert_new(connection, quarantine_tag, [{"quarantine_id": number, **_tag_row(each)} for each in record.tags])


def _tag_row(move: TagMove) -> Mapping[str, Any]:
    return {
        "tag": move.tag,
        "leads_to": move.to or "",
        "state": move.state.value,
        "detail": move.detail,
        "asked_at": move.asked_at,
        "moved_at": move.moved_at,
    }


def _move(row: Row[Any]) -> TagMove:
    return TagMove(
        tag=Tag(row.tag),
        to=Digest(row.leads_to) if row.leads_to else None,
        state=StepState(row.state),
        asked_at=row.asked_at,
        moved_at=row.moved_at,
        detail=row.detail,
    )


def _record(row: Row[Any], tags: Sequence[TagMove]) -> Quarantine:
    return Quarantine(
        publisher=row.publisher,
        registry=Host(row.registry),
        repository=RepositoryName(row.repository),
        digest=Digest(row.digest),
        state=QuarantineState(row.state),
        reason=row.reason,
        verdict_id=row.verdict_id,
        began_at=row.began_at,
        changed_at=row.changed_at,
        steps=msgspec.json.decode(row.steps, type=known(dict[Measure, Step])),
        tags=tuple(tags),
        passing_since=row.passing_since,
        ended_by=row.ended_by,
        ended_reason=row.ended_reason,
        excused=row.excused,
    )
