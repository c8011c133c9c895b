"""How news arrives: a source hands deliveries to intake and acknowledges what intake has made durable."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Protocol

from watcher.dialects.protocol import Delivery
from watcher.model.errors import RetryableError
from watcher.model.push import Handshake, Push


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What became of one delivery's events, once they are on disk. `handshake` is what the sender wants to be answered with."""

    accepted: int = 0
    ignored: int = 0
    duplicates: int = 0
    rejected: int = 0
    handshake: Handshake | None = None


class Intake(Protocol):
    """Takes news in: both return only after everything is on disk.

    Raises:
        RetryableError: it could not be made durable, so the source must not acknowledge it.
    """

    async def __call__(self, source: str, delivery: Delivery) -> Accepted:
        """What a sender said, in the dialect of the source."""
        ...

    async def found(self, source: str, pushes: Sequence[Push], *, fresh: bool = False) -> Accepted:
        """What the source itself saw in a registry. It waits behind everything that was announced, unless it is `fresh`:
        pushed since the source looked last, which nobody told of.
        """
        ...


@dataclass(slots=True, kw_only=True)
class Health:
    """What a source says of itself; it alone writes it.

    `connected`: news that is sent now would arrive. `problem` says in a sentence why not. `lag_seconds` is how long the newest
    delivery had waited before it was taken in, None where its carrier does not say.
    """

    connected: bool = False
    problem: str = ""
    last_event_at: datetime | None = None
    lag_seconds: float | None = None


class Source(Protocol):
    """One configured way of hearing about pushes."""

    name: str
    health: Health

    async def run(self, intake: Intake) -> None:
        """Listen until cancelled. Acknowledges a delivery only after `intake` returned.

        What the other side does (a broker that is gone, credentials that expired) is waited out and told in `health`; raises
        only what a person must change.
        """
        ...


class SourceError(RetryableError):
    """The other side brings no news now, and may later. `for_a_person`: nothing changes until somebody changes it."""

    reason = "source-unavailable"
    for_a_person: ClassVar[bool] = False


class BodyUnreadError(RetryableError):
    """The body of a request did not arrive, or not in time."""

    reason = "body-unread"


@dataclass(frozen=True, slots=True)
class Body:
    """What was read: everything, or the beginning of something too large with its size and hash.

    `ended` says that nothing of it is left on the connection.
    """

    content: bytes
    whole_bytes: int | None = None
    whole_sha256: str = ""
    ended: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class HookRequest:
    """A request as far as its line and its headers, which is all that is known of it before somebody asks for more.

    `headers` compares names without case; `query` is raw; `path_token` is what stands behind the source's name in the path.
    `await read(limit_bytes, drains)` gives the body, of which at most `limit_bytes` are kept. What comes after is hashed and
    dropped, so that the sender sees an answer, or left where it is unless `drains`. It raises BodyUnreadError.
    """

    method: str
    headers: Mapping[str, str]
    query: str = ""
    path_token: str | None = None
    read: Callable[[int, bool], Awaitable[Body]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the sender is answered. `closes`: the connection cannot be used again, since something of the request is left on it."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    closes: bool = False


class Hook(Protocol):
    """A source that is fed by requests."""

    async def receive(self, request: HookRequest) -> Reply | None:
        """The answer; None for a request that proves nothing, which all are refused alike.

        Whether the sender has proved itself is decided in constant time, and without reading the body unless the proof is in it.
        """
        ...
