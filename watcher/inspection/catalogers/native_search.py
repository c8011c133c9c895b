"""Where in an executable the marks of packages are: found with whatever else a layer is searched for, or in a file by itself."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Protocol

import hyperscan

from watcher.inspection.catalogers.native_passages import MAX_MARKS, Mark
from watcher.inspection.expressions import compiled


class MarkSearch(Protocol):
    """The marks of one file, which comes by in pieces."""

    @property
    def overflow(self) -> bool:
        """Whether there are so many marks that not all were found."""
        ...

    def ends(self, piece: bytes) -> Iterable[tuple[int, int]]:
        """Of those that end in the next piece where they do, by offset in the file, and the number of the mark; in that order."""
        ...


@cache
def _database(marks: tuple[Mark, ...]) -> hyperscan.Database:
    """All marks as one database, which is quicker than to look for one of them with `bytes.find`; takes ten milliseconds."""
    searched = [(number, mark.pattern, hyperscan.HS_FLAG_DOTALL) for number, mark in enumerate(marks)]
    return compiled(hyperscan.HS_MODE_BLOCK, searched)


@dataclass(slots=True)
class FileSearch:
    """A MarkSearch of a file by itself."""

    marks: tuple[Mark, ...]
    overflow: bool = False
    _position: int = 0
    _last: bytes = b""
    _found: list[tuple[int, int]] = field(default_factory=list)

    def ends(self, piece: bytes) -> list[tuple[int, int]]:
        self._found = []
        seam = seam_of(self.marks)
        if self._last:
            self._search(self._last + piece[:seam], self._position - len(self._last), across=len(self._last))
        self._search(piece, self._position, across=0)
        self._last = piece[-seam:] if len(piece) >= seam else (self._last + piece)[-seam:]
        self._position += len(piece)
        return self._found

    def _search(self, data: bytes, begins: int, *, across: int) -> None:
        """Find the marks of `data`, which is at `begins` of the file; of those only that lie on both sides of `across`."""
        if self.overflow:
            return
        marks, found = self.marks, self._found

        def matched(mark: int, _begin: int, end: int, _flags: int, _context: object) -> bool:
            if not across or end - marks[mark].length < across < end:
                found.append((begins + end, mark))
            return len(found) > MAX_MARKS

        try:
            _database(marks).scan(data, match_event_handler=matched)
        except hyperscan.ScanTerminated:
            self.overflow = True


def seam_of(marks: Iterable[Mark]) -> int:
    """As many bytes before a piece as a mark may begin in that ends in it."""
    return max(mark.length for mark in marks) - 1
