"""What is waiting, durably: the inbox of events and the jobs they became."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from watcher.model.digest import Digest
from watcher.model.push import Decision, Push
from watcher.model.reference import Host, RepositoryName, Tag

# The reason of a Retry that waits for nothing but to be judged: whatever joins such a job is looked at at once.
SUPPRESSED = "suppressed"
# Why a job is there that no event asked for.
FOUND = "found"


class Lane(StrEnum):
    """From most to least urgent. Each has reserved capacity; a push never waits behind bulk work."""

    CI = "ci"
    PUSH = "push"
    REEVALUATE = "reevaluate"
    SWEEP = "sweep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One decided event on its way into the inbox.

    `delivery_key` is stable over the sender's retries; None says that nobody sent it but a sweep found it, which is written down
    only when a job comes of it. `excerpt` (at most 4 KiB), `body_sha256` and `body_bytes` are kept for
    rejected events only. `environment` overrides the configured mapping (CI submissions). `wait_seconds` delays the job.
    `job_id` fixes the id of the job that comes of it; None lets the backlog choose. What is no news, since nobody told it, is not
    written down as an event.
    """

    source: str
    decision: Decision
    delivery_key: str | None
    received_at: datetime
    lane: Lane = Lane.PUSH
    environment: str | None = None
    wait_seconds: float = 0.0
    job_id: str | None = None
    is_news: bool = True
    excerpt: bytes = b""
    body_sha256: str = ""
    body_bytes: int = 0


class Fate(StrEnum):
    """What became of an arrival."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """`job_id` is the job that will judge it: a new one, or the one that a duplicate joined. None when ignored or rejected."""

    fate: Fate
    reason: str = ""
    job_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One manifest to judge. `tags` are those of every event that joined the job, sorted. `attempt` counts from 1.

    `lease` tells this holder of the job from every other one, before and after.
    """

    id: str
    lane: Lane
    push: Push
    tags: tuple[Tag, ...]
    source: str
    received_at: datetime
    attempt: int = 1
    environment: str | None = None
    lease: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The job ended. `result` is a low-cardinality word: an outcome, `absorbed`, `gone`, `published-by-us`.

    `absorbed` are digests of the same repository whose waiting jobs this one has judged too (the children of an index).
    """

    result: str
    absorbed: tuple[Digest, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Try again after `delay_seconds`; None lets the backlog's own backoff decide. After the last attempt it becomes dead.

    `outside` says that the trouble is not the job's: a registry that is down, credentials that expired. It counts as no attempt,
    and is waited out for a week, then it becomes dead.
    """

    reason: str
    detail: str
    delay_seconds: float | None = None
    outside: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Demoted:
    """Do it behind everything else, in the lane `sweep`: it is not what its event made of it any more."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dead:
    """Give up and list it: a person decides whether to replay it."""

    reason: str
    detail: str


Settlement = Done | Retry | Demoted | Dead


class Inbox(Protocol):
    """Where events are put."""

    async def put(self, arrivals: Sequence[Arrival]) -> Sequence[Receipt]:
        """Take events in. After this returns they are on disk and survive kill -9; receipts are in the order of `arrivals`.

        Two layers of dedupe: a `(source, delivery_key)` seen in the last 8 days is a duplicate; a push of a
        (registry, repository, digest) whose job is still waiting, or that brings no new tag within the window, joins that job
        and its tag is recorded.
        """
        ...


class Backlog(Inbox, Protocol):
    """A durable queue with leases."""

    async def lease(
        self, lanes: Collection[Lane], limit: int, *, working: Collection[Job] = (), without: Collection[Host] = ()
    ) -> Sequence[Job]:
        """Take at most `limit` jobs that are due, most urgent lane first, then oldest. Never two jobs of one digest at a time.

        None of the registries `without` is among them: nobody is to be sent there now.

        A leased job comes back by itself when it is neither renewed nor settled within the lease. Those that the caller is
        `working` on are renewed first: a lease that ran out while its holder stood still, or because the clock was set, is not
        taken from him by himself.
        """
        ...

    async def renew(self, jobs: Collection[Job]) -> Collection[Job]:
        """Extend the leases of jobs still being worked on. Gives those whose lease has passed to another: their work is in vain."""
        ...

    async def settle(self, job: Job, settlement: Settlement) -> Dead | None:
        """End or release a leased job. Repeating it, or settling a job whose lease has passed to another, changes nothing.

        Gives what has made it a dead letter now: the settlement itself, or one more failure than is put up with.
        """
        ...

    async def wait(self, seconds: float) -> None:
        """Return when there may be something to lease that was not there before, and at the latest after `seconds`.

        For one caller at a time; a hint, since a job whose delay has passed rings for nobody.
        """
        ...

    async def deleted(self, job: Job) -> bool:
        """Whether it was announced that the job's digest, or each of its tags, was deleted: since its event or just before it.

        A tombstone explains why a manifest is not there; it never stops one that is there from being judged.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """One line of the inbox, for people.

    `job_state` is that of its job: waiting, leased, done or dead, '' where there is none (any more); `job_reason` is the result
    of a job that is done, and else why it waits or died. `excerpt` is the beginning of the body of a rejected event, which had
    `body_bytes`.
    """

    id: int
    source: str
    received_at: datetime
    fate: str
    reason: str
    registry: str
    repository: str
    tag: str
    digest: str
    job_id: str | None
    job_state: str = ""
    job_reason: str = ""
    excerpt: bytes = b""
    body_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """One job, for people and for those who wait for it. `state` is waiting, leased, done or dead."""

    id: str
    lane: str
    state: str
    registry: str
    repository: str
    tag: str
    digest: str
    attempts: int
    reason: str
    detail: str
    received_at: datetime
    settled_at: datetime | None
    tags: tuple[Tag, ...] = ()  # of every event that joined
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PushRow:
    """One event of a push by a tag. `occurred_at` is None where its event says nothing of it, or has joined another's job.

    `is_heard` is false of what only a sweep found. `digest` is '' where the event names none.
    """

    digest: str
    received_at: datetime
    occurred_at: datetime | None
    job_id: str | None
    is_heard: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """How much waits, per (lane, state), and since when per lane, in seconds."""

    jobs: Mapping[tuple[str, str], int]
    oldest_seconds: Mapping[str, float]


class BacklogKeeper(Protocol):
    """What is done to the backlog from outside of its work: by whoever starts it, and by an operator."""

    async def recover(self) -> int:
        """Take back every lease, at the start of the one daemon: whoever held them is dead. Gives their number."""
        ...

    async def forgive(self) -> None:
        """Count no attempt of what is leased, at the orderly end of the one daemon: what is cut off has not failed."""
        ...

    async def replay(self, job_id: str) -> bool:
        """Make a dead letter wait again, with all its attempts before it; false when it is not among the dead letters."""
        ...


class BacklogReader(Protocol):
    """What people and metrics ask of the backlog."""

    async def depth(self) -> Depth: ...

    async def job(self, job_id: str) -> JobRow | None: ...

    async def events(self, *, before_id: int | None = None, limit: int = 100) -> Sequence[EventRow]:
        """Newest first, older than `before_id`."""
        ...

    async def last_event(
        self, registry: Host, repository: RepositoryName, tag: Tag | None, digest: Digest | None
    ) -> EventRow | None:
        """The newest that named this digest or this tag, among those still kept."""
        ...

    async def pushes(self, registry: Host, repository: RepositoryName, tag: Tag, since: datetime) -> Sequence[PushRow]:
        """What was pushed by the tag and heard of since, newest first, among the events still kept; the newest 200 at most.

        Questions of CI, and looks at what may have been deleted, are no pushes.
        """
        ...

    async def dead_letters(self, *, before_id: str | None = None, limit: int = 100) -> Sequence[JobRow]:
        """Newest first, older than the job `before_id`."""
        ...

    async def unsettled(self, places: Collection[tuple[Host, RepositoryName]]) -> Sequence[JobRow]:
        """What waits, is worked on or was given up in these repositories."""
        ...
