"""Verdicts, recorded together with what must be published about them."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, or_, select, update

from watcher.kit.clock import Clock
from watcher.kit.wakeup import Wakeup
from watcher.model.digest import Digest
from watcher.model.errors import NotFoundError
from watcher.model.publication import GONE
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.model.verdict import Subject, Verdict
from watcher.store.kept_verdicts import KeptVerdicts
from watcher.store.protocol import Evaluation, Judged, Routing
from watcher.store.recording import prepare, write
from watcher.store.repetitions import take_place
from watcher.store.rows import image_id_of, last_look_at, newest_of, same_subject, verdict_of, verdict_rows
from watcher.store.statements import Transactions, insert_new
from watcher.store.tables import image, publication, reference, verdict
from watcher.store.tags import leave, led_to, tags_of

# Ids in one statement: databases limit how many they take.
PART = 500
_WAITING = {"state": "waiting", "attempts": 0, "reason": "", "detail": ""}


class StoredVerdicts:
    """`VerdictStore` of watcher/store/protocol.py. `clock` says when a publication is first due; `bell` is the outbox's."""

    def __init__(self, database: Transactions, clock: Clock, *, bell: Wakeup | None = None) -> None:
        self._database = database
        self._clock = clock
        self._bell = bell or Wakeup()
        self._kept = KeptVerdicts()

    async def record(self, judged: Sequence[Judged], routing: Routing) -> None:
        """Record verdicts, images and one outbox row per verdict and publisher, in one transaction."""
        # Packing an inventory of thousands of packages takes milliseconds: neither on the loop nor in the one writer thread.
        ready = await asyncio.to_thread(lambda: [prepare(each) for each in judged])
        now = self._clock()

        def run(connection: Connection) -> None:
            for each in ready:
                earlier = _earlier(connection, each.verdict.subject)
                stands = each.looked or not _was_looked_at(connection, each.verdict.subject)
                before = _replaced_by(connection, earlier) if earlier is not None else ""
                if write(connection, each, stands=stands, replaces=before) and stands:
                    publishers = {*routing(each.verdict, earlier)}
                    repeats = earlier is not None and each.verdict.repeats(earlier)
                    # Whoever was to be told of another is told of this one instead: what he was told before, only the outbox knows.
                    publishers |= _supersede(connection, each.verdict, told=publishers, only_told=repeats)
                    if earlier is not None and repeats and each.verdict.subject.tags != earlier.subject.tags:
                        publishers |= _filtered(connection, each.verdict)
                    insert_new(connection, publication, _publications(each.verdict, sorted(publishers), now))
                    if repeats:
                        take_place(connection, each)

        await self._write(run)
        self._bell.ring()

    async def verdict(self, verdict_id: str) -> Verdict | None:
        return await self._one(verdict_rows().where(verdict.c.verdict_id == verdict_id))

    async def several(self, verdict_ids: Collection[str]) -> Mapping[str, Verdict]:
        """Those of them that are recorded, by their ids."""
        ids = sorted({*verdict_ids})
        parts = [ids[at : at + PART] for at in range(0, len(ids), PART)]

        def run(connection: Connection) -> Mapping[str, Verdict]:
            rows = (row for part in parts for row in connection.execute(_SEVERAL, {"ids": part}))
            return {row.verdict_id: verdict_of(row) for row in rows}

        return await self._database.read(run)

    async def latest(
        self,
        digest: Digest,
        *,
        registry: Host | None = None,
        repository: RepositoryName | None = None,
        environment: str | None = None,
    ) -> Verdict | None:
        """See `VerdictStore.latest`."""
        asked = {"registry": registry, "repository": repository, "environment": environment}
        given = {"digest": digest, **{name: value for name, value in asked.items() if value is not None}}
        # A file in trouble is asked itself: what cannot be read must not go on being answered.
        if (kept := self._kept.get(key := tuple(given.items()))) is not None and not self._database.in_trouble:
            return kept
        writes = self._kept.writes

        def read(newest: Callable[[Any], Select[Any]], connection: Connection) -> Verdict | None:
            row = connection.execute(_latest(newest, *given), given).one_or_none()
            return None if row is None else verdict_of(row)

        found = await self._database.read(partial(read, newest_of))
        if found is None:
            return await self._database.read(partial(read, last_look_at))
        self._kept.keep(key, found, writes=writes)
        return found

    async def by_tag(self, registry: Host, repository: RepositoryName, tag: Tag, environment: str | None) -> Verdict | None:
        """See `VerdictStore.by_tag`."""
        place = verdict.c.registry == registry, verdict.c.repository == repository, verdict.c.environment == (environment or "")
        asked = verdict_rows().where(*place, verdict.c.tag == tag, verdict.c.tag != "", verdict.c.index_digest.is_(None))
        return await self._one(asked.order_by(verdict.c.id.desc()).limit(1))

    async def tags(self, registry: Host, repository: RepositoryName, digest: Digest) -> Sequence[Tag]:
        """See `VerdictStore.tags`. Sorted."""
        return await self._database.read(lambda connection: tags_of(connection, registry, repository, digest))

    async def led_to(self, registry: Host, repository: RepositoryName, tags: Collection[Tag]) -> Collection[Digest]:
        """See `VerdictStore.led_to`."""
        return await self._database.read(lambda connection: led_to(connection, registry, repository, tags))

    async def left(self, registry: Host, repository: RepositoryName, digest: Digest, tags: Collection[Tag]) -> None:
        """See `VerdictStore.left`."""
        await self._write(lambda connection: leave(connection, registry, repository, digest, tags))

    async def gone(self, registry: Host, repository: RepositoryName, digest: Digest, told: Collection[str]) -> None:
        """See `VerdictStore.gone`."""
        here = verdict.c.registry == registry, verdict.c.repository == repository
        # Whoever was told before, or just is, is told once more.
        await self._tell_again(newest_of(digest).where(*here), told, {"progress": GONE}, falls=(digest, *here))

    async def told_again(self, subject: Subject, told: Collection[str]) -> None:
        """See `VerdictStore.told_again`."""
        newest = newest_of(subject.digest).where(*same_subject(subject))
        await self._tell_again(newest, told, {"progress": ""}, publication.c.state.not_in(("waiting", "leased")))

    async def _tell_again(
        self,
        newest: Select[Any],
        told: Collection[str],
        noted: Mapping[str, str],
        *conditions: ColumnElement[bool],
        falls: tuple[Any, ...] = (),
    ) -> None:
        """`falls`: a digest and the place where none of its verdicts stands any more."""
        now = self._clock()

        def run(connection: Connection) -> None:
            row = connection.execute(newest).one_or_none()
            if falls:
                digest, *here = falls
                fallen = update(verdict).where(verdict.c.image_id == image_id_of(digest), *here, verdict.c.stands)
                connection.execute(fallen.values(stands=False))
            if row is None or not told:
                return
            insert_new(connection, publication, _publications(verdict_of(row), sorted(told), now))
            each = publication.c.verdict_id == row.verdict_id, publication.c.publisher.in_(told), *conditions
            anew = {**noted, "lease_until": None, "outside": 0, "outside_seconds": 0.0}
            connection.execute(update(publication).where(*each).values({**_WAITING, **anew, "due_at": now, "waits_since": now}))

        await self._write(run)
        self._bell.ring()

    async def evaluations(
        self, registry: Host, repository: RepositoryName, digest: Digest, *, since: datetime, limit: int = 20
    ) -> Sequence[Evaluation]:
        """How often this digest was judged by itself, newest first."""
        statement = (
            select(verdict.c.evaluated_at, verdict.c.policy_revision, verdict.c.data_revision, verdict.c.tags)
            .where(
                verdict.c.image_id == image_id_of(digest),
                verdict.c.registry == registry,
                verdict.c.repository == repository,
                verdict.c.evaluated_at > since,
                verdict.c.index_digest.is_(None),
            )
            .order_by(verdict.c.id.desc())
            .limit(limit)
        )
        rows = await self._database.read(lambda connection: connection.execute(statement).all())
        return [
            Evaluation(
                evaluated_at=row.evaluated_at,
                policy_revision=row.policy_revision,
                data_revision=row.data_revision,
                tags=tuple(Tag(tag) for tag in row.tags.split()),
            )
            for row in rows
        ]

    async def judged(self, registry: Host, repository: RepositoryName) -> Mapping[Digest, Collection[Tag]]:
        """What of a repository has a verdict; see `VerdictStore.judged`."""
        last_reason = (
            select(verdict.c.reason)
            .where(
                verdict.c.image_id == reference.c.image_id,
                verdict.c.registry == registry,
                verdict.c.repository == repository,
                verdict.c.stands,
            )
            .order_by(verdict.c.id.desc())
            .limit(1)
            .scalar_subquery()
        )
        statement = (
            select(image.c.digest, reference.c.tag, reference.c.leads)
            .join(image, image.c.id == reference.c.image_id)
            .where(
                reference.c.registry == registry,
                reference.c.repository == repository,
                ~last_reason.startswith(f"{NotFoundError.reason}:"),
            )
        )
        rows = await self._database.read(lambda connection: connection.execute(statement).all())
        found: defaultdict[Digest, set[Tag]] = defaultdict(set)
        for digest, tag, leads in rows:
            found[Digest(digest)] |= {Tag(tag)} if tag and leads else set()
        return found

    async def _write(self, run: Callable[[Connection], None]) -> None:
        async def written() -> None:
            try:
                await self._database.write(run)
            finally:
                self._kept.changed()

        # Whoever is cancelled may have written all the same, later than now.
        await asyncio.shield(written())

    async def _one(self, statement: Select[Any]) -> Verdict | None:
        def run(connection: Connection) -> Verdict | None:
            row = connection.execute(statement).one_or_none()
            return None if row is None else verdict_of(row)

        return await self._database.read(run)


def _earlier(connection: Connection, subject: Subject) -> Verdict | None:
    row = connection.execute(newest_of(subject.digest).where(*same_subject(subject))).one_or_none()
    return None if row is None else verdict_of(row)


def _replaced_by(connection: Connection, said: Verdict) -> str:
    return str(connection.execute(select(verdict.c.replaces).where(verdict.c.verdict_id == said.id)).scalar_one())


def _was_looked_at(connection: Connection, subject: Subject) -> bool:
    looked = select(verdict.c.id).where(*same_subject(subject), verdict.c.looked).limit(1)
    return connection.execute(looked).one_or_none() is not None


def _supersede(connection: Connection, said: Verdict, *, told: Collection[str], only_told: bool) -> set[str]:
    """Take back what nobody was told of older verdicts of this subject; `only_told` narrows it to publishers that hear of this one.

    One that was tried in vain is taken back where its publisher hears of this one instead, unless it was half way there. Gives
    the publishers that were to be told.
    """
    older = select(verdict.c.verdict_id).where(*same_subject(said.subject), verdict.c.verdict_id != said.id)
    replaced = publication.c.publisher.in_(told) & (publication.c.progress == "")
    conditions = [
        publication.c.subject == said.subject.name,
        # As one condition, which no index of a state fits: what waits for other subjects is not looked at.
        or_(publication.c.state == "failed", and_(publication.c.state == "waiting", or_(publication.c.attempts == 0, replaced))),
        publication.c.verdict_id.in_(older),
    ]
    if only_told:
        conditions.append(publication.c.publisher.in_(told))
    found = connection.execute(select(publication.c.id, publication.c.publisher).where(*conditions)).all()
    if found:
        taken_back = update(publication).where(publication.c.id.in_([row.id for row in found]))
        connection.execute(taken_back.values(state="superseded", reason="superseded", detail=f"by verdict {said.id}"))
    return {row.publisher for row in found}


def _filtered(connection: Connection, said: Verdict) -> set[str]:
    """The publishers whose filter did not take the last verdict of this subject: by other tags it may take it."""
    rows = connection.execute(
        select(publication.c.publisher, publication.c.state)
        .where(publication.c.subject == said.subject.name, publication.c.verdict_id != said.id)
        .order_by(publication.c.id)
    )
    return {publisher for publisher, state in {row.publisher: row.state for row in rows}.items() if state == "unwanted"}


def _publications(said: Verdict, publishers: Sequence[str], now: datetime) -> list[dict[str, Any]]:
    row = {"verdict_id": said.id, "subject": said.subject.name, "due_at": now, "waits_since": now, **_WAITING}
    return [{"publisher": publisher, **row} for publisher in publishers]


# Made once: to put it together takes longer than to run it.
@cache
def _latest(newest: Callable[[Any], Select[Any]], digest: str, *given: str) -> Select[Any]:
    """Of a digest where these columns are as given. Made once: to put a statement together takes longer than to execute it."""
    return newest(bindparam(digest)).where(*(verdict.c[name] == bindparam(name) for name in given))


_SEVERAL = verdict_rows().where(verdict.c.verdict_id.in_(bindparam("ids", expanding=True)))
