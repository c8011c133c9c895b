"""Publications that are still to be made: at least once, in order per publisher and subject."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import random
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Select, Update, and_, bindparam, exists, func, or_, select, update

from watcher.kit.backoff import Backoff
from watcher.kit.clock import Clock
from watcher.kit.columns import UtcTime
from watcher.kit.wakeup import Wakeup
from watcher.model.publication import Publication, Published, PublishFailed, PublishLater, Settled, Unwanted, Window
from watcher.model.reference import Host
from watcher.model.verdict import REEVALUATION
from watcher.store.statements import Transactions
from watcher.store.tables import publication, verdict

# Longer than any publisher may take (two minutes), so that a lease runs out only under one that died, or stood still.
LEASE = timedelta(minutes=3)
FIRST_DELAY_SECONDS = 2.0
# A receiver that comes back is told within this time.
LONGEST_DELAY_SECONDS = 900.0
# Of failures of our own. With the delays, about a day.
MAX_ATTEMPTS = 100
# How long a destination may be down before what it is to be told needs a person, who finds it listed as failed.
PATIENCE = timedelta(days=7)
# More than this between two failures is a clock that was set, or a daemon that was off.
LONGEST_STEP = timedelta(days=1)
MAX_NOTE = 4096
# Of one publisher at a time, as one message: what a person would read of them fits into a fraction.
MOST_TOGETHER = 500
# Of all publishers, in one transaction.
MOST_AT_ONCE = 2000
RIPENS_EVERY = timedelta(seconds=1)
KEEP_EVERY = timedelta(minutes=1)
OPEN = ("waiting", "leased")


class StoredOutbox:
    """`Outbox` of watcher/store/protocol.py. `bell` is rung by who records verdicts; `jitter` gives numbers in [0, 1)."""

    def __init__(
        self,
        database: Transactions,
        clock: Clock,
        *,
        bell: Wakeup | None = None,
        max_attempts: int = MAX_ATTEMPTS,
        patience: timedelta = PATIENCE,
        jitter: Callable[[], float] = random,
    ) -> None:
        self._database = database
        self._clock = clock
        self._max_attempts = max_attempts
        self._patience_seconds = patience.total_seconds()
        self._bell = bell or Wakeup()
        # Only the writer looks at these.
        self._looks_at: dict[str, datetime] = {}
        self._latest = self._keep_at = datetime.min.replace(tzinfo=UTC)
        self._backoff = Backoff(first_seconds=FIRST_DELAY_SECONDS, longest_seconds=LONGEST_DELAY_SECONDS, jitter=jitter)

    async def recover(self) -> int:
        """Take back every lease, at the start of the one daemon: whoever held them is dead. Gives their number."""
        statement = update(publication).where(publication.c.state == "leased").values(**_waiting(self._clock()))
        return await self._database.write(lambda connection: connection.execute(statement).rowcount)

    async def forgive(self) -> None:
        """Count no attempt of what is leased, at the orderly end of the one daemon."""
        statement = update(publication).where(publication.c.state == "leased").values(attempts=publication.c.attempts - 1)
        await self._database.write(lambda connection: connection.execute(statement))

    async def due(
        self,
        limit: int,
        *,
        full: Collection[str] = (),
        single: Collection[str] = (),
        together: Mapping[str, Window] = MappingProxyType({}),
        working: Collection[Publication] = (),
        without: Collection[tuple[str, Host]] = (),
    ) -> Sequence[Publication]:
        """Take at most `limit` publications of each publisher whose time has come; see `Outbox.due`."""
        now = self._clock()

        def run(connection: Connection) -> Sequence[Publication]:
            self._keep(connection, now)
            for each in working:
                _change(connection, each, {"lease_until": now + LEASE})
            connection.execute(_OUTLIVED, {"now": now, "due_at": now, "waits_since": now})
            taken: list[Publication] = []
            for publisher in _publishers(connection):
                if publisher in full or len(taken) >= MOST_AT_ONCE:
                    continue
                elsewhere = [_elsewhere(registry) for name, registry in without if name == publisher]
                asked = {"whom": publisher, "now": now}
                if publisher not in together:
                    taken += _read(connection, _DUE, elsewhere, {**asked, "most": min(limit, 1) if publisher in single else limit})
                elif self._looks(publisher, now) and _is_ripe(connection, asked, together[publisher]):
                    until = together[publisher].until or now
                    taken += _read(connection, _READY, elsewhere, {**asked, "most": MOST_TOGETHER, "until": until})
            if taken:
                connection.execute(_TAKEN, {"taken": [each.id for each in taken], "lease_until": now + LEASE})
            return sorted(taken, key=lambda each: (each.due_at, each.id))

        return await self._database.write(run)

    def _looks(self, publisher: str, now: datetime) -> bool:
        """At most once a second: everything that waits for it may have to be looked at."""
        if timedelta() < self._looks_at.get(publisher, now) - now <= RIPENS_EVERY:
            return False
        self._looks_at[publisher] = now + RIPENS_EVERY
        return True

    def _keep(self, connection: Connection, now: datetime) -> None:
        """Now and then, and when the clock was set back: nothing waits, or is held, for longer than it may from now on."""
        if self._latest <= now < self._keep_at:
            self._latest = now
            return
        self._latest, self._keep_at = now, now + KEEP_EVERY
        waits, longest = publication.c.state == "waiting", now + timedelta(seconds=2 * LONGEST_DELAY_SECONDS)
        ahead = or_(publication.c.waits_since > now, publication.c.due_at > longest)
        connection.execute(update(publication).where(waits, publication.c.due_at > now, ahead).values(**_waiting(now)))
        held = publication.c.state == "leased", publication.c.lease_until > now + LEASE
        connection.execute(update(publication).where(*held).values(lease_until=now + LEASE))

    async def note(self, publication: Publication, progress: str) -> None:
        """Keep `progress` for the next attempt."""
        if len(progress) > MAX_NOTE:
            raise ValueError(f"a note of {len(progress)} characters")
        await self._database.write(lambda connection: _change(connection, publication, {"progress": progress}))

    async def settle(self, publication: Publication, result: Settled) -> PublishFailed | None:
        """Close or release a publication; see `Outbox.settle`."""
        now, outside = self._clock(), isinstance(result, PublishLater) and result.outside

        def run(connection: Connection) -> PublishFailed | None:
            outside_seconds = _outside_seconds(connection, publication, now) if outside else 0.0
            values = {"lease_until": None, **self._settled(publication, result, now, outside_seconds)}
            trouble = {"more_outside": int(outside_seconds > 0), "outside_seconds": outside_seconds}
            changed = _change(connection, publication, {**values, **trouble}, _SETTLED)
            failed = changed and values["state"] == "failed"
            return PublishFailed(reason=values["reason"], detail=values["detail"]) if failed else None

        failed = await self._database.write(run)
        self._bell.ring()  # the next one of its subject is held back no longer
        return failed

    async def wait(self, seconds: float) -> None:
        """Return when there may be something new due; see `Outbox.wait`."""
        await self._bell.wait(seconds)

    def _settled(self, publication: Publication, result: Settled, now: datetime, outside_seconds: float) -> Mapping[str, Any]:
        match result:
            case Published():
                return {"state": "published", "reason": "", "detail": ""}
            case Unwanted(reason=reason):
                return {"state": "unwanted", "reason": reason, "detail": ""}
            case PublishLater(reason=reason, detail=detail, delay_seconds=asked, outside=outside) if (
                outside_seconds < self._patience_seconds if outside else publication.attempt < self._max_attempts
            ):
                longer = outside and asked is None
                delay = self._backoff.as_long_again(outside_seconds) if longer else self._delay(publication.attempt, asked)
                return {**_waiting(now + timedelta(seconds=delay), since=now), "reason": reason, "detail": detail}
            case PublishLater(reason=reason, detail=detail) | PublishFailed(reason=reason, detail=detail):
                return {"state": "failed", "waits_since": now, "reason": reason, "detail": detail}

    def _delay(self, attempt: int, asked_seconds: float | None) -> float:
        return self._backoff.after(attempt) if asked_seconds is None else min(asked_seconds, LONGEST_DELAY_SECONDS)


def _waiting(due_at: datetime, *, since: datetime | None = None) -> dict[str, Any]:
    return {"state": "waiting", "due_at": due_at, "waits_since": since or due_at, "lease_until": None}


def _change(connection: Connection, taken: Publication, values: Mapping[str, Any], statement: Update | None = None) -> bool:
    """Nothing, and false, when the lease has passed to another attempt."""
    held = {"held_id": taken.id, "held_lease": taken.lease}
    return bool(connection.execute(_HELD if statement is None else statement, {**held, **values}).rowcount)


def _outside_seconds(connection: Connection, taken: Publication, now: datetime) -> float:
    """How long in a row it has failed by nothing of its own, until now; more than 0."""
    statement = select(publication.c.outside_seconds, publication.c.waits_since).where(publication.c.id == taken.id)
    row = connection.execute(statement).one_or_none()
    if row is None or not row.outside_seconds or row.waits_since is None:
        return FIRST_DELAY_SECONDS  # before, it only waited
    step = min(max(now - row.waits_since, timedelta()), LONGEST_STEP)
    return float(row.outside_seconds + step.total_seconds())


def _elsewhere(registry: Host) -> ColumnElement[bool]:
    return ~publication.c.subject.startswith(f"{registry}/", autoescape=True)


def _publishers(connection: Connection) -> Iterator[str]:
    """Those for whom something waits. Each is a step in the index, however much that is."""
    name: str | None = ""
    while name is not None:
        name = connection.execute(_NEXT_PUBLISHER, {"after": name}).scalar_one()
        if name is not None:
            yield name


def _is_ripe(connection: Connection, asked: Mapping[str, Any], window: Window) -> bool:
    """Whether one has been waited with for long enough that others can have joined it, or is to be tried again."""
    before = {name: asked["now"] - timedelta(seconds=getattr(window, name)) for name in ("pushed", "reevaluated")}
    return connection.execute(_RIPE, {**asked, **before, "until": window.until or asked["now"]}).first() is not None


def _read(
    connection: Connection, statement: Select[Any], conditions: Sequence[ColumnElement[bool]], asked: Mapping[str, Any]
) -> Sequence[Publication]:
    return [
        Publication(
            id=row.id,
            verdict_id=row.verdict_id,
            publisher=row.publisher,
            registry=Host(row.subject.partition("/")[0]),
            attempt=row.attempts - row.outside + 1,
            progress=row.progress,
            subject=row.subject,
            due_at=row.due_at,
            told=row.told,
            tried=row.tried,
            lease=row.lease + 1,
        )
        for row in connection.execute(statement.where(*conditions) if conditions else statement, asked)
    ]


def told_later(each: FromClause) -> ColumnElement[bool]:
    """Whether the publisher of a publication was told another of its subject that came after it."""
    later = publication.alias()
    same = later.c.subject == each.c.subject, later.c.publisher == each.c.publisher
    return exists().where(*same, later.c.state == "published", later.c.id > each.c.id).correlate(each)


def _open(*conditions: ColumnElement[bool]) -> Select[Any]:
    """Oldest first per (publisher, subject): an open one holds back those after it, so no two are ever out at once."""
    other, said, this = publication.alias(), verdict.alias(), verdict.alias()

    def its(column: ColumnElement[Any]) -> ColumnElement[Any]:
        return select(column).where(this.c.verdict_id == publication.c.verdict_id).correlate(publication).scalar_subquery()

    # People know images by their tags: what the tag led to before is told first, and counts as told.
    same = other.c.publisher == publication.c.publisher, other.c.subject.in_([publication.c.subject, its(this.c.replaces)])
    held_back = exists().where(*same, other.c.state.in_(OPEN), other.c.id < publication.c.id)
    told = (
        select(other.c.verdict_id)
        .join(said, said.c.verdict_id == other.c.verdict_id)
        .where(*same, other.c.state == "published", said.c.environment == its(this.c.environment))
        .order_by(other.c.id.desc())
        .limit(1)
    )
    # It was sent, and perhaps it arrived.
    tried = exists().where(*same, other.c.state == "superseded", other.c.lease > 0, ~told_later(other))
    return (
        select(publication, told.scalar_subquery().label("told"), tried.label("tried"))
        .where(publication.c.state == "waiting", publication.c.publisher == bindparam("whom"), *conditions, ~held_back)
        .order_by(publication.c.due_at, publication.c.id)
        .limit(bindparam("most"))
        # Where several write at a time, each takes what no other is just taking; SQLite has one writer and needs none.
        .with_for_update(skip_locked=True, of=publication)
    )


# Made once: to put them together takes ten times as long as to run them.
_NOW = bindparam("now", type_=UtcTime)
_DUE = _open(publication.c.due_at <= _NOW)
# One that is tried again was for this time already.
_IN_TIME = or_(publication.c.attempts > 0, publication.c.due_at <= bindparam("until", type_=UtcTime))
_READY = _open(or_(publication.c.due_at <= _NOW, publication.c.attempts == 0), _IN_TIME)
_WAS_PUSHED = func.coalesce(verdict.c.origin_source, "") != REEVALUATION
_RIPE = (
    select(publication.c.id)
    .join(verdict, verdict.c.verdict_id == publication.c.verdict_id)
    .where(
        publication.c.publisher == bindparam("whom"),
        publication.c.state == "waiting",
        publication.c.due_at <= _NOW,
        _IN_TIME,
        or_(
            publication.c.attempts > 0,
            publication.c.due_at <= bindparam("reevaluated", type_=UtcTime),
            and_(publication.c.due_at <= bindparam("pushed", type_=UtcTime), _WAS_PUSHED),
        ),
    )
    .limit(1)
)
_NEXT_PUBLISHER = select(func.min(publication.c.publisher)).where(
    publication.c.state == "waiting", publication.c.publisher > bindparam("after")
)
_OUTLIVED = (
    update(publication)
    .where(publication.c.state == "leased", publication.c.lease_until <= _NOW)
    .values(state="waiting", lease_until=None)
)
_TAKEN = (
    update(publication)
    .where(publication.c.id.in_(bindparam("taken", expanding=True)))
    .values(state="leased", attempts=publication.c.attempts + 1, lease=publication.c.lease + 1)
)
_HELD = update(publication).where(
    publication.c.id == bindparam("held_id"), publication.c.state == "leased", publication.c.lease == bindparam("held_lease")
)
_SETTLED = _HELD.values(outside=publication.c.outside + bindparam("more_outside"))
