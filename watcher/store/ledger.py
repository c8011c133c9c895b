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
# From the best to the worst; whatever has a verdict in one environment is not without.
_UNJUDGED, _JUDGED, _OUTDATED, _UNDECIDED = range(4)


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
            known, standing = defaultdict[str, list[Any]](list), _standing(select(held_repository.c.id).where(here))
            for row in connection.execute(standing.order_by(verdict.c.id.desc())):
                known[row.digest].append(row)
            by_digest = defaultdict[str, list[Any]](list)
            for row in connection.execute(names):
                by_digest[row.digest].append(row)
            return [
                HeldImage(
                    digest=Digest(digest),
                    tags=tuple(Tag(row.tag) for row in rows if row.tag),
                    since=min(row.since for row in rows),
                    verdicts=tuple(_verdict_of(row) for row in known[digest] if _was_there(row)),
                    missing=next((row.reason for row in known[digest] if row.outcome is not None and not _was_there(row)), ""),
                )
                for digest, rows in by_digest.items()
            ]

        return await self._database.read(run)

    async def totals(self) -> Mapping[str, tuple[int, int]]:
        """See `HeldImages.totals`."""
        states = _states().subquery()
        rows = (
            select(held_repository.c.registry, func.count(), _how_many(states, _UNJUDGED))
            .join(states, states.c.repository_id == held_repository.c.id)
            .group_by(held_repository.c.registry)
        )
        found = await self._database.read(lambda connection: connection.execute(rows).all())
        return {registry: (images, missing) for registry, images, missing in found}


def _standing(repositories: Select[Any] | Sequence[int] | None = None) -> Select[Any]:
    """The newest verdict that stands of each image of these repositories, of all by default, one row for each environment.

    An image without any has one row of NULLs.
    """
    held = select(held_image.c.repository_id, held_image.c.digest).distinct()
    if repositories is not None:
        held = held.where(held_image.c.repository_id.in_(repositories))
    place, said = held.subquery(), verdict.alias()
    # Grouped once, since an image that many repositories hold would be gone through for each of them.
    subject = (said.c.image_id, said.c.registry, said.c.repository)
    newest_ones = select(*subject, func.max(said.c.id).label("verdict")).where(said.c.stands)
    if repositories is not None:
        newest_ones = newest_ones.where(said.c.image_id.in_(select(image.c.id).join(place, place.c.digest == image.c.digest)))
    newest = newest_ones.group_by(*subject, said.c.environment).subquery()
    here = and_(
        newest.c.image_id == image.c.id,
        newest.c.registry == held_repository.c.registry,
        newest.c.repository == held_repository.c.repository,
    )
    told = (verdict.c.outcome, verdict.c.reason, verdict.c.policy_revision, verdict.c.evaluated_at)
    return (
        select(place.c.repository_id, place.c.digest, *told)
        .join(held_repository, held_repository.c.id == place.c.repository_id)
        .outerjoin(image, image.c.digest == place.c.digest)
        .outerjoin(newest, here)
        .outerjoin(verdict, verdict.c.id == newest.c.verdict)
    )


def _states(repositories: Sequence[int] | None = None, policy_revision: str = "") -> Select[Any]:
    """One row for each image, with the worst of its states in all environments; one of them is enough to have a verdict."""
    standing = _standing(repositories).subquery()
    outcome, reason = standing.c.outcome, standing.c.reason
    # What was not there when it was judged, and is there now, has no verdict.
    unjudged = or_(outcome.is_(None), reason.startswith(f"{NotFoundError.reason}:"))
    undecided = and_(outcome == Outcome.UNKNOWN.value, reason != "")
    present = true() if not policy_revision else or_(standing.c.policy_revision == policy_revision, outcome == _LASTS)
    state = case((unjudged, _UNJUDGED), (undecided, _UNDECIDED), (present, _JUDGED), else_=_OUTDATED)
    place = standing.c.repository_id, standing.c.digest
    return select(*place, func.max(state).label("state")).group_by(*place)


def _how_many(states: Subquery, state: int) -> ColumnElement[int]:
    return func.sum(case((states.c.state == state, 1), else_=0))


def _counts(ids: Sequence[int], policy_revision: str) -> Select[Any]:
    states = _states(ids, policy_revision).subquery()
    return select(
        states.c.repository_id,
        _how_many(states, _JUDGED).label("judged"),
        _how_many(states, _OUTDATED).label("outdated"),
        _how_many(states, _UNDECIDED).label("undecided"),
    ).group_by(states.c.repository_id)


def _unjudged(ids: Sequence[int]) -> Select[Any]:
    states = _states(ids).subquery()
    return select(states.c.repository_id, states.c.digest).where(states.c.state == _UNJUDGED)


def _was_there(row: Any) -> bool:
    return row.outcome is not None and not row.reason.startswith(f"{NotFoundError.reason}:")


def _verdict_of(row: Any) -> HeldVerdict:
    return HeldVerdict(
        outcome=Outcome(row.outcome), reason=row.reason, policy_revision=row.policy_revision, evaluated_at=row.evaluated_at
    )
