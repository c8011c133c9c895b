"""What is judged and stands: every subject, and what indexes are made of."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, func, select

from watcher.model.digest import Digest
from watcher.model.errors import NotFoundError
from watcher.model.reference import Host, RepositoryName
from watcher.model.standing import KnownAs, StandingSubject
from watcher.model.verdict import Outcome
from watcher.store.rows import image_id_of
from watcher.store.statements import Transactions, insert_new
from watcher.store.tables import mark, verdict

_PLACES = (verdict.c.image_id, verdict.c.registry, verdict.c.repository, verdict.c.environment)


class StoredStanding:
    """`Standing` and `Marks` of watcher/pipeline/protocol.py."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    async def subjects(self, *, after: int = 0, limit: int = 500) -> Sequence[StandingSubject]:
        """See `Standing.subjects`."""
        images = select(verdict.c.image_id).where(verdict.c.image_id > after).distinct().order_by(verdict.c.image_id).limit(limit)

        def run(connection: Connection) -> Sequence[StandingSubject]:
            ids = connection.execute(images).scalars().all()
            last = select(func.max(verdict.c.id)).where(verdict.c.image_id.in_(ids), verdict.c.stands).group_by(*_PLACES)
            rows = connection.execute(select(verdict).where(verdict.c.id.in_(last)).order_by(verdict.c.image_id, verdict.c.id))
            return [
                StandingSubject(
                    number=row.image_id,
                    registry=Host(row.registry),
                    repository=RepositoryName(row.repository),
                    digest=Digest(row.digest),
                    environment=row.environment or None,
                    index=Digest(row.index_digest) if row.index_digest else None,
                    lasting=_lasts(row.outcome, row.reason),
                )
                for row in rows
            ]

        return await self._database.read(run)

    async def known(self, registry: Host, repository: RepositoryName, digest: Digest) -> KnownAs | None:
        """See `Standing.known`."""
        last = (
            select(verdict)
            .where(
                verdict.c.image_id == image_id_of(digest),
                verdict.c.registry == registry,
                verdict.c.repository == repository,
                verdict.c.stands,
                verdict.c.looked,
            )
            .order_by(verdict.c.id.desc())
            .limit(1)
        )
        row = await self._database.read(lambda connection: connection.execute(last).one_or_none())
        return None if row is None else _known_as(row)

    async def members(self, registry: Host, repository: RepositoryName, index: Digest) -> Sequence[KnownAs]:
        """See `Standing.members`."""
        last = (
            select(func.max(verdict.c.id))
            .where(verdict.c.index_digest == index, verdict.c.registry == registry, verdict.c.repository == repository)
            .group_by(verdict.c.image_id)
        )
        rows = select(verdict).where(verdict.c.id.in_(last)).order_by(verdict.c.id)
        return await self._database.read(lambda connection: [_known_as(row) for row in connection.execute(rows)])

    async def marks(self) -> Mapping[str, str]:
        """See `Marks.marks`."""
        return dict(await self._database.read(lambda connection: [tuple(row) for row in connection.execute(select(mark))]))

    async def put_mark(self, name: str, value: str) -> None:
        """See `Marks.put_mark`."""

        def write(connection: Connection) -> None:
            connection.execute(mark.delete().where(mark.c.name == name))
            insert_new(connection, mark, [{"name": name, "value": value}])

        await self._database.write(write)


def _known_as(row: Row[Any]) -> KnownAs:
    return KnownAs(
        digest=Digest(row.digest),
        media_type=row.media_type,
        platform=row.platform,
        facts_revision=row.facts_revision,
        index=Digest(row.index_digest) if row.index_digest else None,
    )


def _lasts(outcome: str, reason: str) -> bool:
    """Of what cannot run, or is not there any more, the same would be said again."""
    return outcome != Outcome.NOT_APPLICABLE and not reason.startswith(f"{NotFoundError.reason}:")
