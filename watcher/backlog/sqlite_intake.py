"""The hot path of the embedded backlog: a batch of events in, receipts out.

One look at what the batch meets, decisions in memory, one pass of writing: per event that costs half of what single statements do.
"""

import os
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from watcher.backlog.joining import WINDOW_SECONDS, Heard, KnownJob, join
from watcher.backlog.protocol import FOUND, Arrival, Fate, Lane, Receipt
from watcher.model.push import EXCERPT_BYTES, Deleted, Handshake, Ignored, Push, Pushed, Rejected
from watcher.model.reference import Host, RepositoryName

# The longest time a sender repeats one delivery is 7 days (Pub/Sub); a day more for clocks and queues.
KEPT_SECONDS = 8 * 86400.0
DETAIL_CHARACTERS = 2000
# The longest that anything waits at a time: what a registry may ask for with Retry-After. Beyond it we look again by ourselves.
LONGEST_WAIT_SECONDS = 3600.0
# The sender's id of an event and its registry, repository, tag and digest, where it names none of them.
_NOWHERE: tuple[str | None, str, str, str, str] = (None, "", "", "", "")
# Statements are prepared once per text, so the number of placeholders takes few values.
PLACEHOLDERS = (1, 8, 64, 512)

_SEEN = "SELECT delivery_key, id, put_at, job_id FROM event WHERE delivery_key IN ({})"
# All that is open, dead, or came in lately: nothing else can be joined.
_MET = """SELECT id, environment, state, lane, tags, attempts, put_at, due_at, reason, subject, seq FROM job
    WHERE subject IN ({}) AND (state IN ('waiting', 'leased', 'dead') OR put_at > ?) ORDER BY seq"""
_JOIN = """UPDATE job SET tags = ?1, lane = ?2, waits_since = CASE WHEN due_at = ?3 THEN waits_since ELSE ?4 END, due_at = ?3
    WHERE seq = ?5"""
_INSERT_EVENT = """INSERT INTO event (source, delivery_key, put_at, received_at, fate, reason, detail, event_id, registry,
    repository, tag, digest, job_id, excerpt, body_sha256, body_bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_INSERT_JOB = """INSERT INTO job (id, lane, state, subject, registry, repository, tag, digest, tags, environment, source,
    media_type, actor, event_id, occurred_at, received_at, put_at, due_at, waits_since, attempts, reason, detail)
    VALUES (?, ?, 'waiting', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, '', '')"""


def subject_key(registry: Host, repository: RepositoryName, digest: str | None, tag: str | None) -> bytes:
    """`job.subject`: 16 bytes that stand for HOST/REPOSITORY@DIGEST, or for HOST/REPOSITORY:TAG while no digest is known."""
    return _key(f"{registry}/{repository}@{digest}" if digest else f"{registry}/{repository}:{tag}")


def delivery_key(source: str, key: str) -> bytes:
    """`event.delivery_key`: 16 bytes that stand for what makes a delivery of this source recognisable."""
    return _key(f"{source}\0{key}")


def _key(text: str) -> bytes:
    # 128 bits: nobody finds two texts with one key, and an index of them is a fifth of one of the texts.
    return blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()


@dataclass(slots=True)
class _Job(KnownJob):
    """A job that this batch meets or makes. `seq` is None until it is on disk, `arrival` the event that made it before."""

    subject: bytes
    seq: int | None = None
    arrival: Arrival | None = None


@dataclass(slots=True)
class _Batch:
    """What is known while the events of one batch are decided, one after the other."""

    raw: sqlite3.Connection
    now: float
    seen: dict[bytes, tuple[int | None, float, str | None]]
    jobs: dict[bytes, list[_Job]]
    heard: Heard
    made: dict[str, _Job] = field(default_factory=dict)
    joined: dict[int, _Job] = field(default_factory=dict)
    events: list[tuple[Any, ...]] = field(default_factory=list)


def take_in(raw: sqlite3.Connection, arrivals: Sequence[Arrival], now: float, heard: Heard) -> list[Receipt]:
    """Decide and write a batch, inside the caller's transaction; receipts in the order of `arrivals`."""
    keys = [os.urandom(16) if each.delivery_key is None else delivery_key(each.source, each.delivery_key) for each in arrivals]
    pushes = [each.decision.push for each in arrivals if isinstance(each.decision, Pushed)]
    subjects = {subject_key(push.registry, push.repository, push.digest, push.tag) for push in pushes}
    batch = _Batch(raw, now, seen={}, jobs={subject: [] for subject in subjects}, heard=heard)
    for key, event_id, put_at, job_id in _all_in(raw, _SEEN, keys):
        batch.seen[key] = event_id, put_at, job_id
    for row in _all_in(raw, _MET, subjects, now - WINDOW_SECONDS):
        job = _Job(*row)
        batch.jobs[job.subject].append(job)
    receipts = [_take(batch, arrival, key) for arrival, key in zip(arrivals, keys, strict=True)]
    raw.executemany(_INSERT_JOB, [_row(job) for job in batch.made.values()])
    raw.executemany(_JOIN, [(job.tags, job.lane, job.due_at, now, seq) for seq, job in batch.joined.items()])
    raw.executemany(_INSERT_EVENT, batch.events)
    return receipts


def _all_in(raw: sqlite3.Connection, statement: str, keys: Iterable[bytes], *others: float) -> Iterable[tuple[Any, ...]]:
    wanted = list(keys)
    most = PLACEHOLDERS[-1]
    for start in range(0, len(wanted), most):
        part = wanted[start : start + most]
        places = next(size for size in PLACEHOLDERS if size >= len(part))
        part += part[-1:] * (places - len(part))
        yield from raw.execute(statement.format(",".join("?" * places)), (*part, *others))


def _take(batch: _Batch, arrival: Arrival, key: bytes) -> Receipt:
    """Decide one event: 1. seen before, 2. not a push, 3. joins a job, 4. becomes one."""
    if key in batch.seen:
        event_id, put_at, job_id = batch.seen[key]
        if put_at > batch.now - KEPT_SECONDS:
            return Receipt(fate=Fate.DUPLICATE, reason="delivery", job_id=job_id)  # 1
        batch.raw.execute("DELETE FROM event WHERE id = ?", (event_id,))
    detail, place = "", _NOWHERE
    match arrival.decision:
        case Pushed(push=push):
            receipt = _known(batch, arrival) or _join(batch, arrival, push) or _make(batch, arrival, push)  # 3, 4
            if arrival.lane is not Lane.REEVALUATE:  # which says nothing, it asks
                batch.heard.pushed(push, batch.now)
            place = (push.event_id, push.registry, push.repository, push.tag or "", push.digest or "")
        case Deleted(registry=registry, repository=repository, tag=tag, digest=digest, event_id=said_id):
            receipt = Receipt(fate=Fate.IGNORED, reason="delete")  # 2
            batch.heard.deleted(arrival.decision, batch.now)
            place = (said_id, registry, repository, tag or "", digest or "")
        case Ignored(reason=reason, event_id=said_id):
            receipt = Receipt(fate=Fate.IGNORED, reason=reason)  # 2
            place = (said_id, *_NOWHERE[1:])
        case Rejected(reason=reason, detail=detail, event_id=said_id):
            receipt = Receipt(fate=Fate.REJECTED, reason=reason)  # 2
            place = (said_id, *_NOWHERE[1:])
        case Handshake():
            receipt = Receipt(fate=Fate.IGNORED, reason="handshake")  # 2
    if not arrival.is_news or (arrival.delivery_key is None and receipt.fate is not Fate.ACCEPTED):
        return receipt
    rejected = receipt.fate is Fate.REJECTED
    kept = (arrival.excerpt[:EXCERPT_BYTES], arrival.body_sha256, arrival.body_bytes) if rejected else (None, None, None)
    batch.events.append(
        (
            arrival.source,
            key,
            batch.now,
            arrival.received_at.timestamp(),
            receipt.fate.value,
            receipt.reason,
            detail[:DETAIL_CHARACTERS],
            *place,
            receipt.job_id,
            *kept,
        )
    )
    batch.seen[key] = None, batch.now, receipt.job_id
    return receipt


def _known(batch: _Batch, arrival: Arrival) -> Receipt | None:
    job_id = arrival.job_id
    if job_id is None:
        return None
    if job_id not in batch.made and batch.raw.execute("SELECT 1 FROM job WHERE id = ?", (job_id,)).fetchone() is None:
        return None
    return Receipt(fate=Fate.DUPLICATE, reason="job", job_id=job_id)


def _join(batch: _Batch, arrival: Arrival, push: Push) -> Receipt | None:
    jobs = batch.jobs[subject_key(push.registry, push.repository, push.digest, push.tag)]
    joined = join(reversed(jobs), arrival, push, batch.now, repeats=batch.heard.repeats(push))
    if joined is None:
        return None
    receipt, changed = joined
    if changed:
        batch.joined.update((job.seq, job) for job in jobs if job.id == receipt.job_id and job.seq is not None)
    return receipt


def _make(batch: _Batch, arrival: Arrival, push: Push) -> Receipt:
    # In order of time, so that the index of ids grows at its end.
    job_id = arrival.job_id or f"{int(batch.now * 1000):012x}{os.urandom(10).hex()}"
    subject = subject_key(push.registry, push.repository, push.digest, push.tag)
    due_at = batch.now + min(arrival.wait_seconds, LONGEST_WAIT_SECONDS)
    lane, tags = arrival.lane.value, push.tag or ""
    job = _Job(job_id, arrival.environment, "waiting", lane, tags, 0, batch.now, due_at, "", subject, None, arrival)
    batch.jobs[subject].append(job)
    batch.made[job_id] = job
    return Receipt(fate=Fate.ACCEPTED, reason=FOUND if _is_found(arrival) else "", job_id=job_id)


def _is_found(arrival: Arrival) -> bool:
    """Whether nobody told of it but a sweep. Who judges again looks at what is known."""
    return arrival.delivery_key is None and arrival.lane in {Lane.PUSH, Lane.SWEEP}


def _row(job: _Job) -> tuple[Any, ...]:
    """The values of _INSERT_JOB. What others said who joined is in the job; everything else is as its own event says."""
    arrival = job.arrival
    assert arrival is not None
    assert isinstance(arrival.decision, Pushed)
    push = arrival.decision.push
    return (
        job.id,
        job.lane,
        job.subject,
        push.registry,
        push.repository,
        push.tag or "",
        push.digest or "",
        job.tags,
        job.environment,
        arrival.source,
        push.media_type,
        push.actor,
        push.event_id,
        push.occurred_at.isoformat() if push.occurred_at else None,
        arrival.received_at.timestamp(),
        job.put_at,
        job.due_at,
        job.put_at,
    )
