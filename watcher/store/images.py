"""What the API and the command line ask about images."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, func, select

from watcher.model.digest import Digest
from watcher.model.inventory import Inventory
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.model.verdict import Outcome, Verdict
from watcher.store.inventories import Merge, read_kept, restored
from watcher.store.packages import Records
from watcher.store.protocol import ImageRow, SubjectFilter, VerdictGoneError
from watcher.store.rows import image_id_of, standing_rows, verdict_of, verdict_rows
from watcher.store.statements import Transactions
from watcher.store.tables import image, reference, verdict


class StoredImages:
    """`ImageReader` of watcher/store/protocol.py."""

    def __init__(self, database: Transactions, merge: Merge) -> None:
        self._database = database
        self._merge = merge
        self._records = Records()

    async def images(self, *, after: str | None = None, limit: int = 100) -> Sequence[ImageRow]:
        """In order of digest, beginning after `after`.

        One row per digest, registry and repository. `limit` counts digests, so that a page never ends within one.
        """
        page = select(image.c.id).order_by(image.c.digest).limit(limit)
        if after is not None:
            page = page.where(image.c.digest > after)

        def run(connection: Connection) -> Sequence[ImageRow]:
            ids = connection.execute(page).scalars().all()
            return image_rows(connection, ids)

        return await self._database.read(run)

    async def last_named(self, registry: Host, repository: RepositoryName, tag: Tag) -> Digest | None:
        """What the newest verdict asked for by this tag is about; None when no event ever named it."""
        statement = (
            select(verdict.c.digest)
            .where(
                verdict.c.registry == registry,
                verdict.c.repository == repository,
                verdict.c.tag == tag,
                # A platform's image carries the tag of its index, which is what the tag names.
                verdict.c.index_digest.is_(None),
            )
            .order_by(verdict.c.id.desc())
            .limit(1)
        )
        found = await self._database.read(lambda connection: connection.execute(statement).scalar_one_or_none())
        return None if found is None else Digest(found)

    async def inventory(self, digest: Digest) -> Inventory | None:
        """See `ImageReader.inventory`."""
        kept = await self._database.read(lambda connection: read_kept(connection, digest, self._records))
        # An image of a million files takes a second: neither on the loop nor in one of the few threads that read.
        return None if kept is None else await asyncio.to_thread(restored, kept, self._merge)

    async def subjects(self, digest: Digest) -> Sequence[Verdict]:
        """The newest verdict of every subject that has the digest, newest first."""
        places = (verdict.c.registry, verdict.c.repository, verdict.c.environment)
        standing = (verdict.c.image_id == image_id_of(digest), verdict.c.stands)
        last = select(func.max(verdict.c.id)).where(*standing).group_by(*places)
        return await self._verdicts(verdict_rows().where(verdict.c.id.in_(last)))

    async def verdicts(self, digest: Digest, *, before: str | None = None, limit: int = 100) -> Sequence[Verdict]:
        """See `ImageReader.verdicts`."""
        statement = verdict_rows().where(verdict.c.image_id == image_id_of(digest))
        return await self._verdicts(statement.limit(limit), before)

    async def newest(self, wanted: SubjectFilter, *, before: str | None = None, limit: int = 100) -> Sequence[Verdict]:
        """See `ImageReader.newest`."""
        asked = {
            verdict.c.registry: wanted.registry,
            verdict.c.repository: wanted.repository,
            verdict.c.environment: wanted.environment,
            verdict.c.outcome: wanted.outcome.value if wanted.outcome else None,
        }
        same = [column == value for column, value in asked.items() if value is not None]
        return await self._verdicts(standing_rows().where(*same).limit(limit), before)

    async def _verdicts(self, statement: Select[Any], before: str | None = None) -> Sequence[Verdict]:
        ordered = statement.order_by(verdict.c.id.desc())

        def run(connection: Connection) -> Sequence[Verdict]:
            narrowed = ordered if before is None else ordered.where(verdict.c.id < _place_of(connection, before))
            return [verdict_of(row) for row in connection.execute(narrowed)]

        return await self._database.read(run)


def _place_of(connection: Connection, verdict_id: str) -> int:
    found = connection.execute(select(verdict.c.id).where(verdict.c.verdict_id == verdict_id)).scalar_one_or_none()
    if found is None:
        raise VerdictGoneError(f"verdict {verdict_id:.80} is not kept any more, so what follows it is not known; begin anew")
    return int(found)


def image_rows(connection: Connection, ids: Sequence[int]) -> Sequence[ImageRow]:
    """One for each digest, registry and repository, in this order."""
    tags: defaultdict[tuple[str, str, str], set[str]] = defaultdict(set)
    places = (reference.c.registry, reference.c.repository, reference.c.tag, reference.c.leads)
    seen = select(image.c.digest, *places).join(reference, reference.c.image_id == image.c.id)
    for digest, registry, repository, tag, leads in connection.execute(seen.where(image.c.id.in_(ids))):
        tags[digest, registry, repository].update([tag] if tag and leads else [])
    newest = (
        select(func.max(verdict.c.id))
        .where(verdict.c.image_id.in_(ids), verdict.c.stands)
        .group_by(verdict.c.image_id, verdict.c.registry, verdict.c.repository)
    )
    said = {
        (row.digest, row.registry, row.repository): row
        for row in connection.execute(
            select(verdict.c.digest, verdict.c.registry, verdict.c.repository, verdict.c.outcome, verdict.c.evaluated_at).where(
                verdict.c.id.in_(newest)
            )
        )
    }
    return [
        ImageRow(
            digest=Digest(place[0]),
            registry=Host(place[1]),
            repository=RepositoryName(place[2]),
            tags=tuple(Tag(tag) for tag in sorted(tags[place])),
            outcome=Outcome(said[place].outcome) if place in said else None,
            evaluated_at=said[place].evaluated_at if place in said else None,
        )
        for place in sorted(tags)
    ]
