"""An intake that a test holds up, breaks and looks into."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from watcher.dialects.protocol import Delivery
from watcher.model.errors import RetryableError
from watcher.model.push import Push
from watcher.sources.protocol import Accepted


class DiskFullError(RetryableError):
    reason = "store-unavailable"


@dataclass(kw_only=True)
class RecordingIntake:
    """Takes news in, or refuses it all while `broken`; `gate` holds it up in between, `entered` says that some has come."""

    taken: list[tuple[str, Delivery]] = field(default_factory=list)
    swept: list[tuple[str, Push]] = field(default_factory=list)
    fresh: list[Push] = field(default_factory=list)
    broken: bool = False
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    held: int = 0  # how much waits at the gate

    async def __call__(self, source: str, delivery: Delivery) -> Accepted:
        await self._pass()
        self.taken.append((source, delivery))
        return Accepted(accepted=1)

    async def found(self, source: str, pushes: Sequence[Push], *, fresh: bool = False) -> Accepted:
        await self._pass()
        self.swept += [(source, push) for push in pushes]
        self.fresh += [push for push in pushes if fresh]
        return Accepted(accepted=len(pushes))

    async def _pass(self) -> None:
        self.entered.set()
        self.held += 1
        try:
            await self.gate.wait()
        finally:
            self.held -= 1
        if self.broken:
            raise DiskFullError("disk full")


def open_intake() -> RecordingIntake:
    """One that holds nothing up."""
    intake = RecordingIntake()
    intake.gate.set()
    return intake
