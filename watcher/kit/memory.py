"""Answers that are worked out or read once, and remembered as long as there is room."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Memory(Generic[K, V]):
    """The last `most` answers, none of which is None. Threads may share it: two that miss the same both work it out."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        return self._held.get(key)

    def known(self, keys: Iterable[K]) -> dict[K, V]:
        """The answers to those that are remembered."""
        return {key: answer for key in keys if (answer := self._held.get(key)) is not None}

    def keep(self, key: K, value: V) -> None:
        self._held[key] = value
        if len(self._held) > self._most:
            self._held.popitem(last=False)
