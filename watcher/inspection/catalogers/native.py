"""Executables and shared libraries, of whatever system: what their compilers and linkers wrote into them.

They are fed as they come by; of all marks that packages begin with only what follows one is kept.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from watcher.inspection.catalogers.native_go import BUILD_INFO, MODULES, RELEASES, GoBuilds
from watcher.inspection.catalogers.native_notes import BIG_NOTE, LITTLE_NOTE, Notes
from watcher.inspection.catalogers.native_passages import MAX_MARKS, Mark, OpenPassage, Passage
from watcher.inspection.catalogers.native_programs import NAMES, ProgramSearch, programs_called
from watcher.inspection.catalogers.native_rust import COMPRESSED, RustBuilds
from watcher.inspection.catalogers.native_search import FileSearch, MarkSearch, seam_of
from watcher.inspection.catalogers.protocol import Facts, Selection
from watcher.inspection.catalogers.stanzas import Unread, complete
from watcher.model.inventory import PackageRecord

# Nothing of an executable is held, so that only time bounds it.
MAX_BYTES = 4 * 1024 * 1024 * 1024

# Of ELF, PE, and Mach-O of 32 and 64 bits, in either order of bytes.
HEADS = frozenset({b"\x7fE", b"MZ", b"\xfe\xed", b"\xce\xfa", b"\xcf\xfa"})

# Where program headers, section tables and load commands are; of Go's own linker they end before 4 KiB.
START_BYTES = 64 * 1024

MARKS = (Mark.of(BUILD_INFO), Mark.of(MODULES), *map(Mark.of, RELEASES), *COMPRESSED, LITTLE_NOTE, BIG_NOTE)
_SEAM = seam_of(MARKS)


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

    def begin(self, path: str, size: int, marks: MarkSearch | None = None) -> "NativeReading":  # noqa: ARG002 - however large
        """`marks` is for whoever finds them anyway."""
        programs = programs_called(path)
        search = ProgramSearch(path, programs) if programs else None
        return NativeReading(path=path, programs=search, marks=marks or FileSearch(MARKS))


@dataclass(slots=True, kw_only=True)
class NativeReading:
    """One executable as it comes by. Its first START_BYTES are kept, and what passages keep."""

    path: str
    marks: MarkSearch
    programs: ProgramSearch | None = None
    _position: int = 0
    _start: bytearray = field(default_factory=bytearray)
    _last: bytes = b""
    _begun: int = 0
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
        self._begin(piece)
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
        if self.marks.overflow or self._begun > MAX_MARKS:
            found.append(Unread("more marks of packages than any executable has"))
        return complete(self.path, NativeCataloger.type, found, system=False) if found else ()

    def _begin(self, piece: bytes) -> None:
        """Begin the passages of the marks that end in the piece."""
        begins, last = self._position, len(self._last)
        for end, mark in self.marks.ends(piece):
            first = end - MARKS[mark].length
            if first < 0:
                continue
            self._begun += 1
            if self._begun > MAX_MARKS:
                return
            opened = OpenPassage(passage=self._passages[mark](first), at=first)
            data, at = (piece, begins) if first >= begins else (self._last + piece, begins - last)
            if opened.goes_on(data, at):
                self._open.append(opened)
