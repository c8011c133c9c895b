"""Executables and shared libraries, of whatever system: what their compilers and linkers wrote into them.

They are fed as they come by and searched once for all marks that packages begin with; only what follows a mark is kept.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import hyperscan

from watcher.inspection.catalogers.native_go import BUILD_INFO, MODULES, RELEASES, GoBuilds
from watcher.inspection.catalogers.native_notes import BIG_NOTE, LITTLE_NOTE, Notes
from watcher.inspection.catalogers.native_passages import MAX_MARKS, Mark, OpenPassage, Passage
from watcher.inspection.catalogers.native_programs import NAMES, ProgramSearch, programs_called
from watcher.inspection.catalogers.native_rust import COMPRESSED, RustBuilds
from watcher.inspection.catalogers.protocol import Facts, Selection
from watcher.inspection.catalogers.stanzas import Unread, complete
from watcher.model.inventory import PackageRecord

# Nothing of an executable is held, so that only time bounds it.
MAX_BYTES = 4 * 1024 * 1024 * 1024

# Of ELF, PE, and Mach-O of 32 and 64 bits, in either order of bytes.
HEADS = frozenset({b"\x7fE", b"MZ", b"\xfe\xed", b"\xce\xfa", b"\xcf\xfa"})

# Where program headers, section tables and load commands are; of Go's own linker they end before 4 KiB.
START_BYTES = 64 * 1024

_MARKS = (Mark.of(BUILD_INFO), Mark.of(MODULES), *map(Mark.of, RELEASES), *COMPRESSED, LITTLE_NOTE, BIG_NOTE)
_SEAM = max(mark.length for mark in _MARKS) - 1


def _compiled() -> hyperscan.Database:
    """All marks as one database, which is quicker than to look for one of them with `bytes.find`; takes ten milliseconds."""
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    expressions = [mark.pattern for mark in _MARKS]
    flags = [hyperscan.HS_FLAG_DOTALL] * len(_MARKS)
    database.compile(expressions=expressions, ids=range(len(_MARKS)), elements=len(_MARKS), flags=flags)
    return database


_DATABASE = _compiled()


class NativeCataloger:
    """Any file that begins as an executable does, wherever it is.

    It may have Go's build information, Rust's crates and notes of packages, and be one of the known programs.
    """

    type = "native"
    version = 5
    places: tuple[str, ...] = ()
    selection = Selection(heads=HEADS, names=NAMES)

    def wants(self, path: str, size: int) -> bool:  # noqa: ARG002 - wherever it is
        return size <= MAX_BYTES

    def begin(self, path: str, size: int) -> "NativeReading":  # noqa: ARG002 - however large
        programs = programs_called(path)
        return NativeReading(path=path, programs=ProgramSearch(path, programs) if programs else None)


@dataclass(slots=True, kw_only=True)
class NativeReading:
    """One executable as it comes by. Its first START_BYTES are kept, and what passages keep."""

    path: str
    programs: ProgramSearch | None = None
    _position: int = 0
    _start: bytearray = field(default_factory=bytearray)
    _last: bytes = b""
    _marks: int = 0
    _overflow: bool = False
    _open: list[OpenPassage] = field(default_factory=list)
    _go: GoBuilds = field(init=False)
    _rust: RustBuilds = field(default_factory=RustBuilds)
    _notes: Notes = field(default_factory=Notes)
    _passages: tuple[Callable[[int], Passage], ...] = field(init=False)

    def __post_init__(self) -> None:
        self._go = GoBuilds(start=self._start)
        go, rust = self._go, self._rust
        self._passages = (
            *(go.build_info, go.modules, *(go.release for _ in RELEASES)),
            *(rust.compressed for _ in COMPRESSED),
            *(self._notes.little, self._notes.big),
        )

    def feed(self, piece: bytes) -> None:
        begins = self._position
        if begins < START_BYTES:
            self._start += piece[: START_BYTES - begins]
        seam = self._last + piece[:_SEAM]
        if self._last:
            self._search(seam, begins - len(self._last), across=len(self._last))
        self._search(piece, begins, across=0)
        if self._open:
            self._open = [each for each in self._open if each.goes_on(piece, begins)]
        if self.programs is not None:
            self.programs.feed(piece)
        self._last = piece[-_SEAM:] if len(piece) >= _SEAM else (self._last + piece)[-_SEAM:]
        self._position += len(piece)

    def facts(self) -> Facts:
        for each in self._open:
            each.ends()
        self._open = []
        found: list[PackageRecord | Unread] = [*self._go.records(), *self._rust.records(), *self._notes.records()]
        if self.programs is not None:
            # What Go says of a main module needs no guess.
            told = {each.version for each in found if isinstance(each, PackageRecord)}
            found += (each for each in self.programs.records() if f"v{each.version}" not in told)
        if self._overflow:
            found.append(Unread("more marks of packages than any executable has"))
        return complete(self.path, NativeCataloger.type, found, system=False) if found else ()

    def _search(self, data: bytes, begins: int, *, across: int) -> None:
        """Begin the passages of `data`, which is at `begins` of the file; of those only that lie on both sides of `across`."""
        if self._overflow:
            return
        hits: list[tuple[int, int]] = []

        def matched(mark: int, _begin: int, end: int, _flags: int, _context: object) -> bool:
            hits.append((end - _MARKS[mark].length, mark))
            return len(hits) > MAX_MARKS

        try:
            _DATABASE.scan(data, match_event_handler=matched)
        except hyperscan.ScanTerminated:
            self._overflow = True
        for first, mark in hits:
            if across and not first < across < first + _MARKS[mark].length:
                continue
            self._marks += 1
            if self._marks > MAX_MARKS:
                self._overflow = True
                return
            opened = OpenPassage(passage=self._passages[mark](begins + first), at=begins + first)
            if opened.goes_on(data, begins):
                self._open.append(opened)
