"""How news arrives: a source hands deliveries to intake and acknowledges what intake has made durable."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from watcher.dialects.protocol import Delivery
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

    async def found(self, source: str, pushes: Sequence[Push]) -> Accepted:
        """What the source itself saw in a registry. It waits behind everything that was announced."""
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
