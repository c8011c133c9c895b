"""How news arrives: a source hands deliveries to intake and acknowledges what intake has made durable."""

from collections.abc import Sequence
from dataclasses import dataclass
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


class Source(Protocol):
    """One configured way of hearing about pushes."""

    name: str

    async def run(self, intake: Intake) -> None:
        """Listen until cancelled. Acknowledges a delivery only after `intake` returned; raises if it cannot go on."""
        ...
