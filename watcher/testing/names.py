"""Names in the order that lists of tags and repositories have, with what stands under each."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, MutableMapping
from typing import TypeVar

K = TypeVar("K", bound=str)
V = TypeVar("V")


class Names(MutableMapping[K, V]):
    """A mapping that is always sorted by code point, so a page costs what is on it and not what the list holds."""

    def __init__(self) -> None:
        self._held: dict[K, V] = {}
        self._sorted: list[K] = []

    def __getitem__(self, name: K) -> V:
        return self._held[name]

    def __setitem__(self, name: K, value: V) -> None:
        if name not in self._held:
            insort(self._sorted, name)
        self._held[name] = value

    def __delitem__(self, name: K) -> None:
        del self._held[name]
        del self._sorted[bisect_left(self._sorted, name)]

    def __iter__(self) -> Iterator[K]:
        return iter(self._sorted)

    def __len__(self) -> int:
        return len(self._held)

    def after(self, last: str, count: int) -> tuple[list[K], bool]:
        """The first `count` names beyond `last`, which need not be one of them, and whether more follow."""
        start = bisect_right(self._sorted, last)
        return self._sorted[start : start + count], len(self._sorted) > start + count
