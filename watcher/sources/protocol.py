"""How news arrives: a source hands deliveries to intake and acknowledges what intake has made durable."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from watcher.dialects.protocol import Delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What became of one delivery's events, once they are on disk."""

    accepted: int = 0
    ignored: int = 0
    duplicates: int = 0
    rejected: int = 0


# Raises RetryableError when the events could not be made durable: the source must then not acknowledge.
Intake = Callable[[str, Delivery], Awaitable[Accepted]]
"""`await intake(source_name, delivery)`: returns only after everything in the delivery is on disk."""


class Source(Protocol):
    """One configured way of hearing about pushes."""

    name: str

    async def run(self, intake: Intake) -> None:
        """Listen until cancelled. Acknowledges a delivery only after `intake` returned; raises if it cannot go on."""
        ...
