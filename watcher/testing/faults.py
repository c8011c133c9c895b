"""Faults on demand: what the in-memory registry does wrong, to which requests, how often."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Fault:
    """Applies to the next `times` requests whose method and path match these regular expressions in full.

    `status` answers with that and `headers` instead of doing anything. `cut_after` closes the connection after so many bytes of
    the body. `corrupt` flips the last byte of the body, `delay_seconds` waits first, `ignore_range` answers 200 to a Range.
    `stall_seconds` waits with half of the body sent, or, where an answer has none to speak of, with the work done and the answer
    not yet begun.
    """

    method: str = ".*"
    path: str = ".*"
    times: int = 1
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay_seconds: float = 0.0
    stall_seconds: float = 0.0
    cut_after: int | None = None
    corrupt: bool = False
    ignore_range: bool = False


class Faults:
    """Those still waiting for their request, in the order they were added."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self._waiting.append(fault)

    def clear(self) -> None:
        self._waiting.clear()

    async def take(self, method: str, path: str) -> Fault:
        """The first that matches, used up once; one that does nothing when none does. Its delay has passed."""
        for fault in self._waiting:
            if re.fullmatch(fault.method, method) and re.fullmatch(fault.path, path):
                fault.times -= 1
                if fault.times == 0:
                    self._waiting.remove(fault)
                if fault.delay_seconds:
                    await asyncio.sleep(fault.delay_seconds)
                return fault
        return Fault()
