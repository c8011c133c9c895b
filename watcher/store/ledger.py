"""What sweeps saw, beside the verdicts of it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Subquery, and_, case, func, or_, select, true, tuple_

from watcher.model.digest import Digest
from watcher.model.errors import NotFoundError
from watcher.model.ledger import HeldImage, HeldRepository, HeldVerdict
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.model.verdict import Outcome
from watcher.store.statements import Transactions
from watcher.store.tables import held_image, held_repository, image, verdict

# What cannot run is not judged again when policies change.
_LASTS = Outcome.NOT_APPLICABLE.value


class StoredLedger:
    """`HeldImages` of watcher/pipeline/protocol.py."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    async def repositories(
        self,
        policy_revision: str,
        *,
        registry: Host | None = None,
        after: tuple[Host, RepositoryName] | None = None,
        limit: int = 100,
    ) -> Sequence[HeldRepository]:
        """See `HeldImages.repositories`."""
        place = tuple_(held_repository.c.registry, held_repository.c.repository)
        page = select(held_repository).order_by(held_repository.c.registry, held_repository.c.repository).limit(limit)
        if registry is not None:
            page = page.where(held_repository.c.registry == registry)
        if after is not None:
            page = page.where(place > after)

        def run(connection: Connection) -> Sequence[HeldRepository]:
            rows = connection.execute(page).all()
            ids = [row.id for row in rows]
            counted = {row.repository_id: row for row in connection.execute(_counts(ids, policy_revision))}
            unjudged = defaultdict[int, set[Digest]](set)
            for number, digest in connection.execute(_unjudged(ids)):
                unjudged[number].add(Digest(digest))
            return [
                HeldRepository(
                    registry=Host(row.registry),
                    repository=RepositoryName(row.repository),
                    looked_at=row.looked_at,
                    problem=row.problem,
                    judged=counted[row.id].judged if row.id in counted else 0,
                    outdated=counted[row.id].outdated if row.id in counted else 0,
                    undecided=counted[row.id].undecided if row.id in counted else 0,
                    unjudged=frozenset(unjudged[row.id]),
                )
                for row in rows
            ]

        return await self._database.read(run)

    async def images(self, registry: Host, repository: RepositoryName) -> Sequence[HeldImage]:
        """See `HeldImages.images`."""
        here = and_(held_repository.c.registry == registry, held_repository.c.repository == repository)
        names = (
            select(held_image.c.digest, held_image.c.tag, held_image.c.since)
            .join(held_repository, held_repository.c.id == held_image.c.repository_id)
            .where(here)
            .order_by(held_image.c.digest, held_image.c.tag)
        )

        def run(connection: Connection) -> Sequence[HeldImage]:
            known = {row.digest: row for row in connection.execute(_standing(select(held_repository.c.id).where(here)))}
            by_digest = defaultdict[str, list[Any]](list)
            for row in connection.execute(names):
                by_digest[row.digest].append(row)
            return [
                HeldImage(
                    digest=Digest(digest),
                    tags=tuple(Tag(row.tag) for row in rows if row.tag),
                    since=min(row.since for row in rows),
                    verdict=_verdict_of(known[digest]),
                    missing=_missing(known[digest]),
                )
                for digest, rows in by_digest.items()
            ]

        return await self._database.read(run)

    async def totals(self) -> Mapping[str, tuple[int, int]]:
        """See `HeldImages.totals`."""
        standing = _standing().subquery()
        without = func.sum(case((_is_judged(standing), 0), else_=1))
        rows = (
            select(held_repository.c.registry, func.count(), without)
            .join(standing, standing.c.repository_id == held_repository.c.id)
            .group_by(held_repository.c.registry)
        )
        found = await self._database.read(lambda connection: connection.execute(rows).all())
        return {registry: (images, missing) for registry, images, missing in found}


def _standing(repositories: Select[Any] | Sequence[int] | None = None) -> Select[Any]:
    """One row for each image of these repositories, of all by default, with the newest verdict that stands there, if any."""
    held = select(held_image.c.repository_id, held_image.c.digest).distinct()
    if repositories is not None:
        held = held.where(held_image.c.repository_id.in_(repositories))
    place = held.subquery()
    newest = (
        select(func.max(verdict.c.id))
        .where(
            verdict.c.image_id == image.c.id,
            verdict.c.registry == held_repository.c.registry,
            verdict.c.repository == held_repository.c.repository,
            verdict.c.stands,
        )
        .correlate(image, held_repository)
        .scalar_subquery()
    )
    said = (verdict.c.outcome, verdict.c.reason, verdict.c.policy_revision, verdict.c.evaluated_at)
    return (
        select(place.c.repository_id, place.c.digest, *said)
        .join(held_repository, held_repository.c.id == place.c.repository_id)
        .outerjoin(image, image.c.digest == place.c.digest)
        .outerjoin(verdict, verdict.c.id == newest)
    )


def _is_judged(standing: Subquery) -> ColumnElement[bool]:
    """What was not there when it was judged, and is there now, has no verdict."""
    return and_(standing.c.outcome.is_not(None), ~standing.c.reason.startswith(f"{NotFoundError.reason}:"))


def _counts(ids: Sequence[int], policy_revision: str) -> Select[Any]:
    standing = _standing(ids).subquery()
    undecided = and_(_is_judged(standing), standing.c.outcome == Outcome.UNKNOWN.value, standing.c.reason != "")
    of_these = true() if not policy_revision else standing.c.policy_revision == policy_revision
    present = or_(of_these, standing.c.outcome == _LASTS)

    def count(*conditions: ColumnElement[bool]) -> Any:
        return func.sum(case((and_(*conditions), 1), else_=0))

    return select(
        standing.c.repository_id,
        count(_is_judged(standing), ~undecided, present).label("judged"),
        count(_is_judged(standing), ~undecided, ~present).label("outdated"),
        count(undecided).label("undecided"),
    ).group_by(standing.c.repository_id)


def _unjudged(ids: Sequence[int]) -> Select[Any]:
    standing = _standing(ids).subquery()
    return select(standing.c.repository_id, standing.c.digest).where(~_is_judged(standing))


def _missing(row: Any) -> str:
    return str(row.reason) if row.outcome is not None and row.reason.startswith(f"{NotFoundError.reason}:") else ""


def _verdict_of(row: Any) -> HeldVerdict | None:
    if row.outcome is None or _missing(row):
        return None
    return HeldVerdict(
        outcome=Outcome(row.outcome), reason=row.reason, policy_revision=row.policy_revision, evaluated_at=row.evaluated_at
    )
