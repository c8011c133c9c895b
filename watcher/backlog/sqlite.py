"""The embedded backlog: a leased table in the daemon's own SQLite file.

Statements are plain SQL on the driver's own connection: intake runs them thousands of times a second.
"""

import os
import random
import sqlite3
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from watcher.backlog.protocol import (
    Arrival,
    Dead,
    Depth,
    Done,
    EventRow,
    Fate,
    Job,
    JobRow,
    Lane,
    Receipt,
    Retry,
    Settlement,
)
from watcher.kit.clock import Clock
from watcher.kit.sqlite import Database, raw_connection
from watcher.kit.wakeup import Wakeup
from watcher.model.digest import Digest
from watcher.model.push import Handshake, Ignored, Push, Pushed, Rejected
from watcher.model.reference import Host, RepositoryName, Tag

T = TypeVar("T")

# The longest time a sender repeats one delivery is 7 days (Pub/Sub); a day more for clocks and queues.
KEPT_SECONDS = 8 * 86400.0
# One push is announced up to a dozen times, by itself, its replicas and a second source, within seconds of each other. Longer
# would hide a push that was really made again.
WINDOW_SECONDS = 10.0
# A job whose worker died runs again within a minute; the daemon renews four times within it.
LEASE_SECONDS = 60.0
FIRST_DELAY_SECONDS = 2.0
LONGEST_DELAY_SECONDS = 300.0
# What a registry may ask for with Retry-After; beyond it we look again by ourselves.
LONGEST_ASKED_SECONDS = 3600.0
# Together with the delays about 25 minutes, which outlasts the upgrade of a registry. It also bounds how often one job can
# take the daemon down with it.
MAX_ATTEMPTS = 12
EXCERPT_BYTES = 4096
DETAIL_CHARACTERS = 2000
# Old rows go in steps that hold the writer for milliseconds.
PRUNE_EVERY_SECONDS = 60.0
PRUNE_ROWS = 5000
# How far back the jobs of a subject are looked at. What lies further back is not joined: at worst a job too many.
RECENT_JOBS = 8
# What becomes of a job whose manifest was not there; a later event of it is news.
GONE = "gone"
URGENCY = {lane.value: position for position, lane in enumerate(Lane)}

_SEEN = "SELECT id, put_at, job_id FROM event WHERE source = ? AND delivery_key = ?"
_RECENT = """SELECT seq, id, state, lane, tags, attempts, put_at, due_at, reason FROM job
    WHERE subject = ? AND environment IS ? ORDER BY seq DESC LIMIT ?"""
_JOIN = "UPDATE job SET tags = ?, lane = ?, due_at = ? WHERE seq = ?"
_INSERT_EVENT = """INSERT INTO event (source, delivery_key, put_at, received_at, fate, reason, detail, event_id, registry,
    repository, tag, digest, job_id, excerpt, body_sha256, body_bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_INSERT_JOB = """INSERT INTO job (id, lane, state, subject, registry, repository, tag, digest, tags, environment, source,
    media_type, actor, event_id, occurred_at, received_at, put_at, due_at, attempts, reason, detail)
    VALUES (?, ?, 'waiting', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, '', '')"""
_PRUNE_EVENTS = "DELETE FROM event WHERE id IN (SELECT id FROM event ORDER BY id LIMIT ?) AND put_at <= ?"
_PRUNE_JOBS = """DELETE FROM job WHERE seq IN
    (SELECT seq FROM job WHERE state = 'done' AND settled_at <= ? ORDER BY settled_at LIMIT ?)"""
_NEXT = """SELECT * FROM job WHERE lane = ? AND state = 'waiting' AND due_at <= ?
    AND NOT EXISTS (SELECT 1 FROM job AS held WHERE held.subject = job.subject AND held.state = 'leased')
    ORDER BY due_at, seq LIMIT 1"""
_TAKE = "UPDATE job SET state = 'leased', lease_until = ?, attempts = attempts + 1 WHERE seq = ?"
_RELEASE = """UPDATE job SET state = CASE WHEN attempts >= :most THEN 'dead' ELSE 'waiting' END,
    settled_at = CASE WHEN attempts >= :most THEN :now END, due_at = :now, lease_until = NULL,
    reason = 'lease-lost', detail = 'the process that worked on it ended' WHERE state = 'leased' AND lease_until <= :until"""
_RENEW = "UPDATE job SET lease_until = ? WHERE id = ? AND state = 'leased'"
_SETTLE = """UPDATE job SET state = ?, due_at = ?, settled_at = ?, reason = ?, detail = ?, lease_until = NULL
    WHERE id = ? AND state = 'leased' AND attempts = ?"""
# A job that carries a tag or an environment, or that somebody waits for by its id, has a verdict of its own to give.
_ABSORB = """UPDATE job SET state = 'done', settled_at = ?, reason = 'absorbed', detail = ?
    WHERE subject = ? AND state = 'waiting' AND tags = '' AND environment IS NULL AND lane <> 'ci'"""
_REPLAY = """UPDATE job SET state = 'waiting', attempts = 0, due_at = ?, settled_at = NULL, reason = 'replayed', detail = ''
    WHERE id = ? AND state = 'dead'"""
_DEPTH = "SELECT lane, state, count(*), min(put_at) FROM job WHERE state IN ('waiting', 'leased', 'dead') GROUP BY lane, state"
_EVENTS = """SELECT id, source, received_at, fate, reason, registry, repository, tag, digest, job_id FROM event
    WHERE id < ? ORDER BY id DESC LIMIT ?"""


class SqliteBacklog:
    """`Backlog` and `BacklogReader` of watcher/backlog/protocol.py.

    `wakeup` is rung when something may be due; `jitter` gives numbers in [0, 1).
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        wakeup: Wakeup | None = None,
        max_attempts: int = MAX_ATTEMPTS,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._clock = clock
        self._wakeup = wakeup or Wakeup()
        self._max_attempts = max_attempts
        self._jitter = jitter
        self._prune_at = 0.0  # only the writer thread looks at it

    async def recover(self) -> int:
        """Take back every lease, at the start of the file's one owner: whoever held them is dead. Gives their number."""

        def run(raw: sqlite3.Connection, now: float) -> int:
            return raw.execute(_RELEASE, {"most": self._max_attempts, "now": now, "until": float("inf")}).rowcount

        return await self._write(run)

    async def put(self, arrivals: Sequence[Arrival]) -> Sequence[Receipt]:
        """Take events in; see `Backlog.put`."""

        def run(raw: sqlite3.Connection, now: float) -> list[Receipt]:
            if now >= self._prune_at:
                self._prune_at = now + PRUNE_EVERY_SECONDS
                raw.execute(_PRUNE_EVENTS, (PRUNE_ROWS, now - KEPT_SECONDS))
                raw.execute(_PRUNE_JOBS, (now - KEPT_SECONDS, PRUNE_ROWS))
            return [_take_in(raw, arrival, now) for arrival in arrivals]

        receipts = await self._write(run)
        self._wakeup.ring()
        return receipts

    async def lease(self, lanes: Collection[Lane], limit: int) -> Sequence[Job]:
        """Take jobs that are due; see `Backlog.lease`."""

        def run(raw: sqlite3.Connection, now: float) -> list[Job]:
            raw.execute(_RELEASE, {"most": self._max_attempts, "now": now, "until": now})
            cursor = raw.cursor()
            cursor.row_factory = sqlite3.Row
            taken: list[Job] = []
            for lane in (lane for lane in Lane if lane in lanes):
                while len(taken) < limit and (row := cursor.execute(_NEXT, (lane.value, now)).fetchone()) is not None:
                    cursor.execute(_TAKE, (now + LEASE_SECONDS, row["seq"]))
                    taken.append(_job(row))
            return taken

        return await self._write(run)

    async def renew(self, job_ids: Collection[str]) -> None:
        """Extend the leases of jobs still being worked on."""
        if job_ids:
            await self._write(lambda raw, now: raw.executemany(_RENEW, [(now + LEASE_SECONDS, job_id) for job_id in job_ids]))

    async def settle(self, job: Job, settlement: Settlement) -> None:
        """End or release a leased job; see `Backlog.settle`.

        `Done.absorbed` ends waiting jobs of those digests, save those that carry a tag or an environment or are of the lane
        `ci`: what is known of them only from their event would be lost with them.
        """

        def run(raw: sqlite3.Connection, now: float) -> None:
            values = self._settled(job, settlement, now)
            changed = raw.execute(_SETTLE, (*values, job.id, job.attempt)).rowcount
            if changed and isinstance(settlement, Done) and settlement.absorbed:
                push = job.push
                subjects = [_subject(push.registry, push.repository, digest, None) for digest in settlement.absorbed]
                raw.executemany(_ABSORB, [(now, f"by job {job.id}", subject) for subject in subjects])

        await self._write(run)

    async def replay(self, job_id: str) -> bool:
        """Make a dead letter wait again, with all its attempts before it; false when it is not among the dead letters."""
        changed = await self._write(lambda raw, now: raw.execute(_REPLAY, (now, job_id)).rowcount)
        self._wakeup.ring()
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
        rows = await self._rows(_EVENTS, 2**63 - 1 if before_id is None else before_id, limit)
        return [EventRow(**{**row, "received_at": _time(row["received_at"])}) for row in map(dict, rows)]

    async def dead_letters(self, *, limit: int = 100) -> Sequence[JobRow]:
        """Newest first."""
        rows = await self._rows("SELECT * FROM job WHERE state = 'dead' ORDER BY seq DESC LIMIT ?", limit)
        return [_job_row(row) for row in rows]

    async def _write(self, run: Callable[[sqlite3.Connection, float], T]) -> T:
        # The time is read when its turn has come, so that it does not run backwards from row to row.
        return await self._database.write(lambda connection: run(raw_connection(connection), self._clock().timestamp()))

    async def _rows(self, statement: str, *values: object) -> Sequence[sqlite3.Row]:
        def run(raw: sqlite3.Connection) -> Sequence[sqlite3.Row]:
            cursor = raw.cursor()
            cursor.row_factory = sqlite3.Row
            return cursor.execute(statement, values).fetchall()

        return await self._database.read(lambda connection: run(raw_connection(connection)))

    def _settled(self, job: Job, settlement: Settlement, now: float) -> tuple[str, float, float | None, str, str]:
        """State, due_at, settled_at, reason and detail of the job from now on."""
        match settlement:
            case Done(result=result):
                return "done", now, now, result, ""
            case Retry(reason=reason, detail=detail) if job.attempt < self._max_attempts:
                return "waiting", now + self._delay(job.attempt, settlement.delay_seconds), None, reason, detail[:DETAIL_CHARACTERS]
            case Retry(reason=reason, detail=detail) | Dead(reason=reason, detail=detail):
                return "dead", now, now, reason, detail[:DETAIL_CHARACTERS]

    def _delay(self, attempt: int, asked_seconds: float | None) -> float:
        if asked_seconds is not None:
            return min(max(asked_seconds, 0.0), LONGEST_ASKED_SECONDS)
        # The exponent is capped so that the number stays a float; jitter parts those that failed together.
        seconds: float = min(FIRST_DELAY_SECONDS * 2 ** min(attempt - 1, 20), LONGEST_DELAY_SECONDS)
        return seconds * (0.75 + self._jitter() / 2)


def _take_in(raw: sqlite3.Connection, arrival: Arrival, now: float) -> Receipt:
    """Decide one event: 1. seen before, 2. not a push, 3. joins a job, 4. becomes one."""
    seen = raw.execute(_SEEN, (arrival.source, arrival.delivery_key)).fetchone()
    if seen is not None:
        event_id, put_at, job_id = seen
        if put_at > now - KEPT_SECONDS:
            return Receipt(fate=Fate.DUPLICATE, reason="delivery", job_id=job_id)  # 1
        raw.execute("DELETE FROM event WHERE id = ?", (event_id,))
    match arrival.decision:
        case Pushed(push=push):
            receipt = _join(raw, arrival, push, now) or _insert_job(raw, arrival, push, now)  # 3, 4
            place = (push.event_id, push.registry, push.repository, push.tag or "", push.digest or "")
            _insert_event(raw, arrival, now, receipt, "", place)
        case Ignored(reason=reason, event_id=event_id):
            receipt = Receipt(fate=Fate.IGNORED, reason=reason)  # 2
            _insert_event(raw, arrival, now, receipt, "", (event_id, "", "", "", ""))
        case Rejected(reason=reason, detail=detail, event_id=event_id):
            receipt = Receipt(fate=Fate.REJECTED, reason=reason)  # 2
            _insert_event(raw, arrival, now, receipt, detail, (event_id, "", "", "", ""))
        case Handshake():
            receipt = Receipt(fate=Fate.IGNORED, reason="handshake")  # 2
            _insert_event(raw, arrival, now, receipt, "", (None, "", "", "", ""))
    return receipt


def _join(raw: sqlite3.Connection, arrival: Arrival, push: Push, now: float) -> Receipt | None:
    """The job this push is part of already, if there is one; its tag then belongs to that job too."""
    if arrival.job_id is not None and raw.execute("SELECT 1 FROM job WHERE id = ?", (arrival.job_id,)).fetchone():
        return Receipt(fate=Fate.DUPLICATE, reason="job", job_id=arrival.job_id)
    subject = _subject(push.registry, push.repository, push.digest, push.tag)
    recent = raw.execute(_RECENT, (subject, arrival.environment, RECENT_JOBS)).fetchall()
    for seq, job_id, state, lane, tags, attempts, _, due_at, _ in recent:
        if state == "waiting":
            joined = tags if push.tag is None else " ".join(sorted({*tags.split(), push.tag}))
            # A tagged push does not wait for an index, nor does what it joins; but a job that failed keeps its delay.
            due = due_at if attempts else min(due_at, now + arrival.wait_seconds)
            raw.execute(_JOIN, (joined, min(lane, arrival.lane.value, key=URGENCY.__getitem__), due, seq))
            return Receipt(fate=Fate.DUPLICATE, reason="joined", job_id=job_id)
    # Without a digest the tag may have moved since that job looked, and a re-evaluation asks for a second look.
    if push.digest is None or arrival.lane is Lane.REEVALUATE:
        return None
    for _, job_id, state, _, tags, _, put_at, _, reason in recent:
        settled = state in {"leased", "done"} and reason != GONE and put_at > now - WINDOW_SECONDS
        if settled and (push.tag is None or push.tag in tags.split()):
            return Receipt(fate=Fate.DUPLICATE, reason="window", job_id=job_id)
    return None


def _insert_job(raw: sqlite3.Connection, arrival: Arrival, push: Push, now: float) -> Receipt:
    job_id = (
        arrival.job_id or f"{int(now * 1000):012x}{os.urandom(10).hex()}"
    )  # in order of time, so that the index grows at its end
    row = (
        job_id,
        arrival.lane.value,
        _subject(push.registry, push.repository, push.digest, push.tag),
        push.registry,
        push.repository,
        push.tag or "",
        push.digest or "",
        push.tag or "",
        arrival.environment,
        arrival.source,
        push.media_type,
        push.actor,
        push.event_id,
        push.occurred_at.isoformat() if push.occurred_at else None,
        arrival.received_at.timestamp(),
        now,
        now + arrival.wait_seconds,
    )
    raw.execute(_INSERT_JOB, row)
    return Receipt(fate=Fate.ACCEPTED, job_id=job_id)


def _insert_event(
    raw: sqlite3.Connection,
    arrival: Arrival,
    now: float,
    receipt: Receipt,
    detail: str,
    place: tuple[str | None, str, str, str, str],
) -> None:
    rejected = receipt.fate is Fate.REJECTED
    kept = (arrival.excerpt[:EXCERPT_BYTES], arrival.body_sha256, arrival.body_bytes) if rejected else (None, None, None)
    row = (arrival.source, arrival.delivery_key, now, arrival.received_at.timestamp(), receipt.fate.value, receipt.reason)
    raw.execute(_INSERT_EVENT, (*row, detail[:DETAIL_CHARACTERS], *place, receipt.job_id, *kept))


def _subject(registry: Host, repository: RepositoryName, digest: Digest | None, tag: Tag | None) -> str:
    return f"{registry}/{repository}@{digest}" if digest else f"{registry}/{repository}:{tag}"


def _job(row: sqlite3.Row) -> Job:
    """A row as it was before it was leased."""
    push = Push(
        registry=Host(row["registry"]),
        repository=RepositoryName(row["repository"]),
        tag=Tag(row["tag"]) if row["tag"] else None,
        digest=Digest(row["digest"]) if row["digest"] else None,
        media_type=row["media_type"],
        actor=row["actor"],
        occurred_at=datetime.fromisoformat(row["occurred_at"]) if row["occurred_at"] else None,
        event_id=row["event_id"],
    )
    return Job(
        id=row["id"],
        lane=Lane(row["lane"]),
        push=push,
        tags=tuple(Tag(tag) for tag in row["tags"].split()),
        source=row["source"],
        received_at=_time(row["received_at"]),
        attempt=row["attempts"] + 1,
        environment=row["environment"],
    )


def _job_row(row: sqlite3.Row) -> JobRow:
    same = {name: row[name] for name in ("id", "lane", "state", "registry", "repository", "digest", "attempts", "reason", "detail")}
    return JobRow(
        **same,
        tag=row["tag"] or row["tags"].partition(" ")[0],
        received_at=_time(row["received_at"]),
        settled_at=None if row["settled_at"] is None else _time(row["settled_at"]),
    )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
