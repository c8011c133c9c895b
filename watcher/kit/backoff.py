"""How long to wait before the next try."""

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Twice as long after every failure in a row, up to a bound.

    `jitter` gives numbers in [0, 1); it parts those that failed together.
    """

    first_seconds: float
    longest_seconds: float
    jitter: Callable[[], float] = random.random

    def after(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row, a quarter more or less."""
        # The exponent is capped so that the number stays a float.
        return self._spread(min(self.first_seconds * 2.0 ** min(failures - 1, 20), self.longest_seconds))

    def as_long_again(self, seconds: float) -> float:
        """Seconds to wait when it has been in vain for so many: it doubles as well, and needs no count."""
        return self._spread(min(max(seconds, self.first_seconds), self.longest_seconds))

    def longest(self) -> float:
        """Seconds to wait where trying sooner is of no use."""
        return self._spread(self.longest_seconds)

    def _spread(self, seconds: float) -> float:
        return seconds * (0.75 + self.jitter() / 2)
