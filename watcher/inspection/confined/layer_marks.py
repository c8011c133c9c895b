"""Marks of packages that the search of a layer finds on its way, for whoever reads the executable that they are in."""

from bisect import bisect_right
from dataclasses import dataclass, field

from watcher.inspection.confined.secret_stream import SecretStream


@dataclass(slots=True)
class LayerMarks:
    """A MarkSearch (catalogers/native_search.py) of a file whose content is at `begins` of the layer, and in one piece there."""

    layer: SecretStream
    begins: int
    _at: int = field(init=False)

    def __post_init__(self) -> None:
        self._at = self.begins

    @property
    def overflow(self) -> bool:
        return self.layer.overflow

    def ends(self, piece: bytes) -> list[tuple[int, int]]:
        first = self._at
        self._at += len(piece)
        marks = self.layer.marks
        if not marks:
            return []
        low, high = bisect_right(marks, first, key=_end), bisect_right(marks, self._at, key=_end)
        return [(end - self.begins, mark) for end, mark in marks[low:high]]


def _end(mark: tuple[int, int]) -> int:
    return mark[0]
