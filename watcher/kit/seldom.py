"""Lines of the log that somebody outside can cause at any rate: one a minute of each kind, with how often it was meanwhile."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

EVERY_SECONDS = 60.0


@dataclass(slots=True, kw_only=True)
class Seldom:
    """`clock` gives seconds and never goes back. Kinds are words of ours: what a stranger wrote is none."""

    every_seconds: float = EVERY_SECONDS
    clock: Callable[[], float] = time.monotonic
    _silent: dict[str, int] = field(default_factory=dict, init=False)
    _said_at: dict[str, float] = field(default_factory=dict, init=False)

    def times(self, kind: str) -> int:
        """How often it happened since it was said last, this time included; 0 when it is not to be said now."""
        now, times = self.clock(), self._silent.get(kind, 0) + 1
        said_at = self._said_at.get(kind)
        if said_at is not None and now - said_at < self.every_seconds:
            self._silent[kind] = times
            return 0
        self._said_at[kind], self._silent[kind] = now, 0
        return times
