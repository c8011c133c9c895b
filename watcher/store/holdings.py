"""What registries were last seen to hold. Only what changed since the look before is written."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, select, update

from watcher.model.digest import Digest
from watcher.model.holding import Holding, LastLook, LastPass, Look
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.store.statements import Transactions, insert_new, parts
from watcher.store.tables import held_image, held_repository, sweep_pass


class StoredHoldings:
    """`Holdings` of watcher/sources/context.py."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    async def looks(self, registry: Host) -> Mapping[RepositoryName, LastLook]:
        """See `Holdings.looks`."""
        wanted = select(held_repository)
        rows = await self._database.read(
            lambda connection: connection.execute(wanted.where(held_repository.c.registry == registry)).all()
        )
        return {RepositoryName(row.repository): LastLook(by=row.looked_by, at=row.looked_at, problem=row.problem) for row in rows}

    async def held(self, registry: Host, repository: RepositoryName) -> frozenset[Holding]:
        """See `Holdings.held`."""
        wanted = (
            select(held_image.c.digest, held_image.c.tag)
            .join(held_repository, held_repository.c.id == held_image.c.repository_id)
            .where(held_repository.c.registry == registry, held_repository.c.repository == repository)
        )
        rows = await self._database.read(lambda connection: connection.execute(wanted).all())
        return frozenset(Holding(digest=Digest(row.digest), tag=Tag(row.tag) if row.tag else None) for row in rows)

    async def looked(self, look: Look) -> None:
        """See `Holdings.looked`."""

        def write(connection: Connection) -> None:
            number = _repository_id(connection, look)
            went = defaultdict[str, list[str]](list)
            for each in look.went:
                went[each.tag or ""].append(each.digest)
            for tag, digests in went.items():
                for part in parts(digests):
                    gone = (held_image.c.repository_id == number, held_image.c.tag == tag, held_image.c.digest.in_(part))
                    connection.execute(delete(held_image).where(*gone))
            came = [
                {"repository_id": number, "digest": each.digest, "tag": each.tag or "", "since": look.at}
                for each in sorted(look.came, key=lambda each: (each.digest, each.tag or ""))
            ]
            insert_new(connection, held_image, came)
            if not look.problem:
                # A repository that holds nothing is none any more.
                is_empty = ~exists().where(held_image.c.repository_id == held_repository.c.id)
                connection.execute(delete(held_repository).where(held_repository.c.id == number, is_empty))

        await self._database.write(write)

    async def forget(self, registry: Host, repositories: Collection[RepositoryName]) -> None:
        """See `Holdings.forget`."""
        for part in parts(sorted(repositories)):
            await self._forget(held_repository.c.registry == registry, held_repository.c.repository.in_(part))

    async def keep(self, registries: Collection[Host]) -> None:
        """See `Holdings.keep`."""
        kept = sorted(registries)
        await self._forget(held_repository.c.registry.not_in(kept))
        gone = delete(sweep_pass).where(sweep_pass.c.registry.not_in(kept))
        await self._database.write(lambda connection: connection.execute(gone))

    async def _forget(self, *which: ColumnElement[bool]) -> None:
        def write(connection: Connection) -> None:
            gone = select(held_repository.c.id).where(*which)
            connection.execute(delete(held_image).where(held_image.c.repository_id.in_(gone)))
            connection.execute(delete(held_repository).where(*which))

        await self._database.write(write)

    async def begun(self, sweep: str, scope: str) -> datetime | None:
        """See `Holdings.begun`."""
        wanted = select(sweep_pass.c.began_at).where(
            sweep_pass.c.sweep == sweep, sweep_pass.c.scope == scope, sweep_pass.c.began_at.is_not(None)
        )
        return await self._database.read(lambda connection: connection.execute(wanted).scalar_one_or_none())

    async def ended(self, sweep: str, scope: str) -> datetime | None:
        """See `Holdings.ended`."""
        wanted = select(sweep_pass.c.ended_at).where(sweep_pass.c.sweep == sweep, sweep_pass.c.scope == scope)
        return await self._database.read(lambda connection: connection.execute(wanted).scalar_one_or_none())

    async def begin(self, sweep: str, registry: Host, scope: str, at: datetime) -> None:
        """See `Holdings.begin`."""

        def write(connection: Connection) -> None:
            # What another scope saw says nothing about this one.
            connection.execute(delete(sweep_pass).where(sweep_pass.c.sweep == sweep, sweep_pass.c.scope != scope))
            insert_new(connection, sweep_pass, [{"sweep": sweep, "registry": registry, "scope": scope, "began_at": at}])
            connection.execute(update(sweep_pass).where(sweep_pass.c.sweep == sweep).values(began_at=at))

        await self._database.write(write)

    async def end(self, sweep: str, at: datetime, problems: Sequence[str] = ()) -> None:
        """See `Holdings.end`."""
        said = {"began_at": None, "ended_at": at, "problems": "\n".join(each.replace("\n", " ") for each in problems)}
        done = update(sweep_pass).where(sweep_pass.c.sweep == sweep).values(said)
        await self._database.write(lambda connection: connection.execute(done))

    async def passes(self) -> Sequence[LastPass]:
        """See `Holdings.passes`."""
        wanted = select(sweep_pass).where(sweep_pass.c.ended_at.is_not(None)).order_by(sweep_pass.c.registry, sweep_pass.c.ended_at)
        rows = await self._database.read(lambda connection: connection.execute(wanted).all())
        return [LastPass(registry=Host(row.registry), at=row.ended_at, problems=row.problems) for row in rows]


def _repository_id(connection: Connection, look: Look) -> int:
    place = and_(held_repository.c.registry == look.registry, held_repository.c.repository == look.repository)
    said = {"looked_by": look.by, "looked_at": look.at, "problem": look.problem}
    insert_new(connection, held_repository, [{"registry": look.registry, "repository": look.repository, **said}])
    connection.execute(update(held_repository).where(place).values(said))
    return int(connection.execute(select(held_repository.c.id).where(place)).scalar_one())
