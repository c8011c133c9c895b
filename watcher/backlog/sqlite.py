"""The embedded backlog: a leased table in the daemon's own SQLite file.

Statements are plain SQL on the driver's own connection: intake runs them thousands of times a second.
"""

import sqlite3
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from random import random
from typing import TypeVar

import structlog
from sqlalchemy import Connection

from watcher.backlog.joining import Heard
from watcher.backlog.protocol import (
    Arrival,
    Dead,
    Demoted,
    Depth,
    Done,
    EventRow,
    Job,
    JobRow,
    Lane,
    PushRow,
    Receipt,
    Retry,
    Settlement,
)
from watcher.backlog.sqlite_clock import set_events_right, set_right
from watcher.backlog.sqlite_intake import DETAIL_CHARACTERS, KEPT_SECONDS, LONGEST_WAIT_SECONDS, subject_key, take_in
from watcher.backlog.sqlite_pushes import pushes_of
from watcher.backlog.sqlite_unsettled import unsettled_of
from watcher.kit.backoff import Backoff
from watcher.kit.clock import Clock
from watcher.kit.sqlite import Database
from watcher.kit.sqlite_engine import raw_connection
from watcher.kit.wakeup import Wakeup
from watcher.model.digest import Digest
from watcher.model.push import Push
from watcher.model.reference import Host, RepositoryName, Tag

T = TypeVar("T")

log = structlog.get_logger(__name__)

# A job whose worker died runs again within a minute; the daemon renews four times within it.
LEASE_SECONDS = 60.0
# No carrier promises order: a delete that was announced this long before the push is still about it.
DISORDER_SECONDS = 60.0
FIRST_DELAY_SECONDS = 2.0
LONGEST_DELAY_SECONDS = 300.0
# Together with the delays about 25 minutes, which outlasts the upgrade of a registry. It also bounds how often one job can
# take the daemon down with it.
MAX_ATTEMPTS = 12
# How long a registry may be down, or refuse our credentials, before what waits for it is put before a person: over a weekend and
# the days that it takes to find out on Monday.
PATIENCE_SECONDS = 7 * 86400.0
# More than this between two failures is a clock that was set, or a daemon that was off.
LONGEST_STEP_SECONDS = 86400.0
# Old rows go in steps that hold the writer for milliseconds.
KEEP_EVERY_SECONDS = 60.0
PRUNE_ROWS = 5000

_PRUNE_EVENTS = "DELETE FROM event WHERE id IN (SELECT id FROM event ORDER BY id LIMIT ?) AND put_at <= ?"
_PRUNE_JOBS = """DELETE FROM job WHERE seq IN
    (SELECT seq FROM job WHERE state = 'done' AND settled_at <= ? ORDER BY settled_at LIMIT ?)"""
_NEXT = """SELECT * FROM job WHERE lane = ? AND state = 'waiting' AND due_at <= ?
    AND NOT EXISTS (SELECT 1 FROM job AS held WHERE held.subject = job.subject AND held.state = 'leased')
    ORDER BY due_at, seq LIMIT 1"""
# Instead of it, with registries that are left out.
_NEXT_WITHOUT = _NEXT.replace("ORDER BY", "AND registry NOT IN ({}) ORDER BY")
_TAKE = "UPDATE job SET state = 'leased', lease_until = ?, attempts = attempts + 1, lease = lease + 1 WHERE seq = ?"
_RELEASE = """UPDATE job SET state = CASE WHEN attempts - outside >= :most THEN 'dead' ELSE 'waiting' END,
    settled_at = CASE WHEN attempts - outside >= :most THEN :now END, due_at = :now, waits_since = :now, lease_until = NULL,
    reason = 'lease-lost', detail = 'the process that worked on it ended' WHERE state = 'leased' AND lease_until <= :until
    RETURNING id, state, registry, repository, digest, tag, attempts"""
_FORGIVE = "UPDATE job SET attempts = attempts - 1 WHERE state = 'leased'"
_RENEW = "UPDATE job SET lease_until = ? WHERE id = ? AND state = 'leased' AND lease = ?"
_SETTLE = """UPDATE job SET state = ?, lane = ?, due_at = ?, settled_at = ?, reason = ?, detail = ?, waits_since = ?,
    outside_seconds = ?, outside = outside + ?, lease_until = NULL WHERE id = ? AND state = 'leased' AND lease = ?"""
_TROUBLED = "SELECT outside_seconds, waits_since FROM job WHERE id = ?"
# A job that carries a tag or an environment, or that somebody waits for by its id, has a verdict of its own to give.
_ABSORB = """UPDATE job SET state = 'done', settled_at = ?, reason = 'absorbed', detail = ?
    WHERE subject = ? AND state = 'waiting' AND tags = '' AND environment IS NULL AND lane <> 'ci'"""
_REPLAY = """UPDATE job SET state = 'waiting', attempts = 0, outside = 0, outside_seconds = 0, due_at = :now, waits_since = :now,
    settled_at = NULL, reason = 'replayed', detail = '' WHERE id = :id AND state = 'dead'"""
# Its index holds nothing but deletes.
_DELETED = """SELECT tag, digest FROM event WHERE registry = ? AND repository = ? AND put_at > ? AND reason = 'delete'"""
_DEPTH = "SELECT lane, state, count(*), min(put_at) FROM job WHERE state IN ('waiting', 'leased', 'dead') GROUP BY lane, state"
_EVENTS = """SELECT event.id, event.source, event.received_at, fate, event.reason, event.registry, event.repository, event.tag,
    event.digest, job_id, coalesce(state, '') AS job_state, coalesce(job.reason, '') AS job_reason,
    coalesce(excerpt, x'') AS excerpt, coalesce(body_bytes, 0) AS body_bytes
    FROM event LEFT JOIN job ON job.id = event.job_id WHERE {} ORDER BY event.id DESC LIMIT ?"""
_BEFORE = _EVENTS.format("event.id < ?")
_NAMING = _EVENTS.format("event.registry = ? AND event.repository = ? AND (event.tag = ? OR event.digest = ?)")

_DEAD = """SELECT * FROM job WHERE state = 'dead' AND (? IS NULL OR seq < (SELECT seq FROM job WHERE id = ?))
    ORDER BY seq DESC LIMIT ?"""


class SqliteBacklog:
    """`Backlog` and `BacklogReader` of watcher/backlog/protocol.py.

    Events and jobs that are done are kept for `kept_seconds`. `jitter` gives numbers in [0, 1).
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        max_attempts: int = MAX_ATTEMPTS,
        patience_seconds: float = PATIENCE_SECONDS,
        kept_seconds: float = KEPT_SECONDS,
        jitter: Callable[[], float] = random,
    ) -> None:
        self._database = database
        self._clock = clock
        self._bell = Wakeup()
        self._max_attempts = max_attempts
        self._patience_seconds = patience_seconds
        self._kept_seconds = kept_seconds
        self._backoff = Backoff(first_seconds=FIRST_DELAY_SECONDS, longest_seconds=LONGEST_DELAY_SECONDS, jitter=jitter)
        # Only the writer thread looks at these.
        self._keep_at = 0.0
        self._latest = 0.0
        self._heard = Heard()

    async def recover(self) -> int:
        """Take back every lease, at the start of the file's one owner: whoever held them is dead. Gives their number."""

        def run(raw: sqlite3.Connection, now: float) -> int:
            set_events_right(raw, now)
            return self._release(raw, now, until=float("inf"))

        return await self._write(run)

    async def forgive(self) -> None:
        """Count no attempt of what is leased, at the orderly end of the file's one owner."""
        await self._write(lambda raw, _now: raw.execute(_FORGIVE))

    async def put(self, arrivals: Sequence[Arrival]) -> Sequence[Receipt]:
        """Take events in; see `Backlog.put`."""
        receipts = await self._write(lambda raw, now: take_in(raw, arrivals, now, self._heard))
        if any(receipt.job_id for receipt in receipts):
            self._bell.ring()
        return receipts

    async def lease(
        self, lanes: Collection[Lane], limit: int, *, working: Collection[Job] = (), without: Collection[Host] = ()
    ) -> Sequence[Job]:
        """Take jobs that are due; see `Backlog.lease`."""
        following = _NEXT_WITHOUT.format(", ".join("?" * len(without))) if without else _NEXT

        def run(raw: sqlite3.Connection, now: float) -> list[Job]:
            raw.executemany(_RENEW, _renewed(working, now))
            self._release(raw, now, until=now)
            cursor = raw.cursor()
            cursor.row_factory = sqlite3.Row
            taken: list[Job] = []
            for lane in (lane for lane in Lane if lane in lanes):
                while len(taken) < limit and (row := cursor.execute(following, (lane.value, now, *without)).fetchone()) is not None:
                    cursor.execute(_TAKE, (now + LEASE_SECONDS, row["seq"]))
                    taken.append(_job(row))
            return taken

        return await self._write(run)

    async def renew(self, jobs: Collection[Job]) -> Collection[Job]:
        """Extend the leases of jobs still being worked on; see `Backlog.renew`."""

        def run(raw: sqlite3.Connection, now: float) -> Collection[Job]:
            renewed = zip(jobs, _renewed(jobs, now), strict=True)
            return [job for job, values in renewed if not raw.execute(_RENEW, values).rowcount]

        return await self._write(run) if jobs else ()

    async def settle(self, job: Job, settlement: Settlement) -> Dead | None:
        """End or release a leased job; see `Backlog.settle`.

        `Done.absorbed` ends waiting jobs of those digests, save those that carry a tag or an environment or are of the lane
        `ci`: what is known of them only from their event would be lost with them.
        """

        def run(raw: sqlite3.Connection, now: float) -> Dead | None:
            outside = isinstance(settlement, Retry) and settlement.outside
            outside_seconds = _outside_seconds(raw, job, now) if outside else 0.0
            values = self._settled(job, settlement, now, outside_seconds)
            changed = raw.execute(_SETTLE, (*values, now, outside_seconds, int(outside), job.id, job.lease)).rowcount
            if changed and isinstance(settlement, Done) and settlement.absorbed:
                push = job.push
                subjects = [subject_key(push.registry, push.repository, digest, None) for digest in settlement.absorbed]
                raw.executemany(_ABSORB, [(now, f"by job {job.id}", subject) for subject in subjects])
            state, *_, reason, detail = values
            return Dead(reason=reason, detail=detail) if changed and state == "dead" else None

        dead = await self._write(run)
        self._bell.ring()  # its subject is free, and so is its place
        return dead

    async def wait(self, seconds: float) -> None:
        """Return when there may be something new to lease; see `Backlog.wait`."""
        await self._bell.wait(seconds)

    async def deleted(self, job: Job) -> bool:
        """Whether a delete of the job's digest, or of each of its tags, was announced; see `Backlog.deleted`."""
        push = job.push
        since = job.received_at.timestamp() - DISORDER_SECONDS
        rows = await self._rows(_DELETED, push.registry, push.repository, since)
        tags = {row["tag"] for row in rows}
        if push.digest is not None and push.digest in {row["digest"] for row in rows}:
            return True
        return bool(job.tags) and tags >= {*job.tags}

    async def replay(self, job_id: str) -> bool:
        """Make a dead letter wait again, with all its attempts before it; false when it is not among the dead letters."""
        changed = await self._write(lambda raw, now: raw.execute(_REPLAY, {"now": now, "id": job_id}).rowcount)
        self._bell.ring()
        return bool(changed)

    async def depth(self) -> Depth:
        """Jobs that wait, are worked on or are dead; those done are history."""
        rows = await self._rows(_DEPTH)
        now = self._clock().timestamp()
        return Depth(
            jobs={(row["lane"], row["state"]): row[2] for row in rows},
            oldest_seconds={row["lane"]: max(0.0, now - row[3]) for row in rows if row["state"] == "waiting"},
        )

    async def job(self, job_id: str) -> JobRow | None:
        rows = await self._rows("SELECT * FROM job WHERE id = ?", job_id)
        return _job_row(rows[0]) if rows else None

    async def events(self, *, before_id: int | None = None, limit: int = 100) -> Sequence[EventRow]:
        """Newest first, older than `before_id`."""
        rows = await self._rows(_BEFORE, 2**63 - 1 if before_id is None else before_id, limit)
        return [_event_row(row) for row in rows]

    async def last_event(
        self, registry: Host, repository: RepositoryName, tag: Tag | None, digest: Digest | None
    ) -> EventRow | None:
        """The newest that named this digest or this tag, among those still kept."""
        # No event has NULL, which is equal to nothing.
        rows = await self._rows(_NAMING, registry, repository, tag, digest, 1)
        return _event_row(rows[0]) if rows else None

    async def pushes(self, registry: Host, repository: RepositoryName, tag: Tag, since: datetime) -> Sequence[PushRow]:
        """What was pushed by the tag since; see `BacklogReader.pushes`."""

        def run(connection: Connection) -> Sequence[sqlite3.Row]:
            return pushes_of(raw_connection(connection), registry, repository, tag, since.timestamp())

        return [_push_row(row) for row in await self._database.read(run)]

    async def dead_letters(self, *, before_id: str | None = None, limit: int = 100) -> Sequence[JobRow]:
        """Newest first, older than the job `before_id`."""
        rows = await self._rows(_DEAD, before_id, before_id, limit)
        return [_job_row(row) for row in rows]

    async def unsettled(self, places: Collection[tuple[Host, RepositoryName]]) -> Sequence[JobRow]:
        """What waits, is worked on or was given up there; see `BacklogReader.unsettled`."""
        rows = await self._database.read(lambda connection: unsettled_of(raw_connection(connection), [*places]))
        return [_job_row(row) for row in rows]

    async def _write(self, run: Callable[[sqlite3.Connection, float], T]) -> T:
        def turn(connection: Connection) -> T:
            # The time is read when its turn has come, so that it does not run backwards from row to row.
            raw, now = raw_connection(connection), self._clock().timestamp()
            if now < self._latest or now >= self._keep_at:
                self._keep(raw, now)
            self._latest = now
            return run(raw, now)

        return await self._database.write(turn)

    def _release(self, raw: sqlite3.Connection, now: float, *, until: float) -> int:
        """Let jobs wait again whose lease ends by `until`. Gives their number."""
        released = raw.execute(_RELEASE, {"most": self._max_attempts, "now": now, "until": until}).fetchall()
        for job_id, state, registry, repository, digest, tag, attempts in released:
            if state == "dead":
                image = f"{registry}/{repository}" + (f"@{digest}" if digest else f":{tag}")
                log.error("job.given_up", job=job_id, image=image, reason="lease-lost", attempt=attempts)
        return len(released)

    def _keep(self, raw: sqlite3.Connection, now: float) -> None:
        """What is to be done now and then, and when the clock was set back."""
        back = max(0.0, self._latest - now)
        set_right(raw, now, back=back, longest=LONGEST_WAIT_SECONDS, lease=LEASE_SECONDS)
        if back:
            set_events_right(raw, now)
        raw.execute(_PRUNE_EVENTS, (PRUNE_ROWS, now - self._kept_seconds))
        raw.execute(_PRUNE_JOBS, (now - self._kept_seconds, PRUNE_ROWS))
        self._keep_at = now + KEEP_EVERY_SECONDS

    async def _rows(self, statement: str, *values: object) -> Sequence[sqlite3.Row]:
        def run(raw: sqlite3.Connection) -> Sequence[sqlite3.Row]:
            cursor = raw.cursor()
            cursor.row_factory = sqlite3.Row
            return cursor.execute(statement, values).fetchall()

        return await self._database.read(lambda connection: run(raw_connection(connection)))

    def _settled(
        self, job: Job, settlement: Settlement, now: float, outside_seconds: float
    ) -> tuple[str, str, float, float | None, str, str]:
        """State, lane, due_at, settled_at, reason and detail of the job from now on."""
        lane = job.lane.value
        match settlement:
            case Done(result=result):
                return "done", lane, now, now, result, ""
            case Demoted(reason=reason, detail=detail):
                return "waiting", Lane.SWEEP.value, now, None, reason, detail[:DETAIL_CHARACTERS]
            case Retry(reason=reason, detail=detail, delay_seconds=asked, outside=True) if outside_seconds < self._patience_seconds:
                due_at = now + (self._backoff.as_long_again(outside_seconds) if asked is None else self._delay(job.attempt, asked))
                return "waiting", lane, due_at, None, reason, detail[:DETAIL_CHARACTERS]
            case Retry(reason=reason, detail=detail, outside=False) if job.attempt < self._max_attempts:
                due_at = now + self._delay(job.attempt, settlement.delay_seconds)
                return "waiting", lane, due_at, None, reason, detail[:DETAIL_CHARACTERS]
            case Retry(reason=reason, detail=detail) | Dead(reason=reason, detail=detail):
                return "dead", lane, now, now, reason, detail[:DETAIL_CHARACTERS]

    def _delay(self, attempt: int, asked_seconds: float | None) -> float:
        return self._backoff.after(attempt) if asked_seconds is None else min(max(asked_seconds, 0.0), LONGEST_WAIT_SECONDS)


def _outside_seconds(raw: sqlite3.Connection, job: Job, now: float) -> float:
    """How long in a row it has failed by nothing of its own, until now; more than 0."""
    row = raw.execute(_TROUBLED, (job.id,)).fetchone()
    if row is None or not row[0]:
        return FIRST_DELAY_SECONDS  # before, it only waited
    return float(row[0] + min(max(now - row[1], 0.0), LONGEST_STEP_SECONDS))


def _renewed(jobs: Collection[Job], now: float) -> Sequence[tuple[float, str, int]]:
    """The values of _RENEW."""
    return [(now + LEASE_SECONDS, job.id, job.lease) for job in jobs]


def _job(row: sqlite3.Row) -> Job:
    """A row as it was before it was leased."""
    push = Push(
        registry=Host(row["registry"]),
        repository=RepositoryName(row["repository"]),
        tag=Tag(row["tag"]) if row["tag"] else None,
        digest=Digest(row["digest"]) if row["digest"] else None,
        media_type=row["media_type"],
        actor=row["actor"],
        occurred_at=_said(row["occurred_at"]),
        event_id=row["event_id"],
    )
    return Job(
        id=row["id"],
        lane=Lane(row["lane"]),
        push=push,
        tags=tuple(Tag(tag) for tag in row["tags"].split()),
        source=row["source"],
        received_at=_time(row["received_at"]),
        attempt=row["attempts"] - row["outside"] + 1,
        environment=row["environment"],
        lease=row["lease"] + 1,
    )


def _event_row(row: sqlite3.Row) -> EventRow:
    return EventRow(**{**dict(row), "received_at": _time(row["received_at"])})


def _push_row(row: sqlite3.Row) -> PushRow:
    return PushRow(
        digest=row["digest"],
        received_at=_time(row["received_at"]),
        occurred_at=_said(row["occurred_at"]),
        job_id=row["job_id"],
        is_heard=bool(row["is_heard"]),
    )


def _job_row(row: sqlite3.Row) -> JobRow:
    same = {name: row[name] for name in ("id", "lane", "state", "registry", "repository", "digest", "attempts", "reason", "detail")}
    return JobRow(
        **same,
        tag=row["tag"] or row["tags"].partition(" ")[0],
        received_at=_time(row["received_at"]),
        settled_at=None if row["settled_at"] is None else _time(row["settled_at"]),
        tags=tuple(Tag(tag) for tag in row["tags"].split()),
        occurred_at=_said(row["occurred_at"]),
    )


def _said(moment: str | None) -> datetime | None:
    return datetime.fromisoformat(moment) if moment else None


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
