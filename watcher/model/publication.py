"""A verdict on its way to a destination, and how that went."""

from dataclasses import dataclass, field
from datetime import datetime

from watcher.model.reference import Host

GONE = "gone"
"""`progress` of a publication that tells of an image which is gone: who keeps something for it lets go of that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """One verdict on its way to one publisher. `attempt` counts from 1; `progress` is what an earlier attempt noted.
    `registry` is its subject's.

    `subject` is HOST/REPOSITORY@DIGEST.

    `due_at` is since when it waits, or until when it was to; `told` is the verdict of its subject that the publisher was told last,
    or of the image that its tag led to before, None for none. `tried` says that it was perhaps told another since, which was
    tried and then superseded.

    `lease` tells this holder of it from every other one, before and after.
    """

    id: int
    verdict_id: str
    publisher: str
    registry: Host
    attempt: int
    due_at: datetime
    progress: str = ""
    subject: str = ""
    told: str | None = None
    tried: bool = False
    lease: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """How many seconds the first of what goes together is waited with: after a push, or where it was only judged again.

    What came later than `until` is for another time.
    """

    pushed: float
    reevaluated: float
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The destination has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishLater:
    """Try again; None lets the outbox's own backoff decide. After the last attempt it becomes failed.

    `outside` says that the trouble is the destination's. It counts as no attempt, and is waited out for a week.
    """

    reason: str
    detail: str
    delay_seconds: float | None = None
    outside: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishFailed:
    """Give up; it stays listed with its reason."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unwanted:
    """The destination is not told, and need not be. `reason` is a word: `filtered`, `never-told`."""

    reason: str


Settled = Published | PublishLater | PublishFailed | Unwanted
