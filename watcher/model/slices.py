"""Long sequences piece by piece.

One call into C that goes over all of a long list holds the interpreter until it is done, whatever thread it is in, and with it the
event loop: a second for three million files. Between two pieces the loop has its turn.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge
from typing import TypeVar

T = TypeVar("T")

# A millisecond or so.
ROWS = 10_000
# Up to here sorting takes less than what is gained.
SORTED_AT_ONCE = 250_000


def slices(values: Sequence[T], rows: int = ROWS) -> Iterator[Sequence[T]]:
    """All of `values`, in order, at most `rows` at a time."""
    return (values[start : start + rows] for start in range(0, len(values), rows))


def set_of(values: Sequence[T]) -> set[T]:
    """`set(values)`."""
    found: set[T] = set()
    for part in slices(values):
        found.update(part)
    return found


def in_order(values: Iterable[T], key: Callable[[T], str]) -> list[T]:
    """`sorted(values, key=key)`."""
    listed = list(values)
    if len(listed) <= SORTED_AT_ONCE:
        return sorted(listed, key=key)
    return list(merge(*(sorted(part, key=key) for part in slices(listed, SORTED_AT_ONCE // 4)), key=key))
