"""How often a process died over the same thing in a row: by chance, or because of it."""

from collections import Counter
from typing import Final

# Things of which it is known that something died over them. Forgetting one costs a few more tries.
KEPT: Final = 1000


class Deaths:
    """Counts by key, until something survives it."""

    def __init__(self) -> None:
        self._counted: Counter[str] = Counter()

    def count(self, key: str) -> int:
        """One more; how many that makes in a row."""
        self._counted[key] += 1
        if len(self._counted) > KEPT:
            del self._counted[next(iter(self._counted))]
        return self._counted[key]

    def survived(self, key: str) -> None:
        self._counted.pop(key, None)
