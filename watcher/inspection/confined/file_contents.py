"""Files whose content is needed: which of an archive they are, and what catalogers make of them. Runs in the confined worker."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import cast

from watcher.inspection.catalogers.catalog import CATALOGERS, CERTIFICATES, LOCKS
from watcher.inspection.catalogers.kept_texts import MAX_KEPT_BYTES, MAX_LAYER_BYTES, is_kept, kept_text
from watcher.inspection.catalogers.kept_texts import SELECTION as KEPT
from watcher.inspection.catalogers.native import HEADS, NativeCataloger
from watcher.inspection.catalogers.native_kind import KIND_BYTES, is_library
from watcher.inspection.catalogers.protocol import (
    AnyCataloger,
    Cataloger,
    Choice,
    Facts,
    PartlyReadError,
    Reading,
    Selection,
    begin,
    is_stream,
)
from watcher.inspection.catalogers.texts import MAX_TEXT_BYTES, TEXTS
from watcher.inspection.confined.layer_marks import LayerMarks
from watcher.inspection.confined.parts import fact_parts, program_parts, text_parts
from watcher.inspection.confined.secret_stream import SecretStream
from watcher.inspection.confined.tar_fields import text
from watcher.inspection.problems import DECLARED, FILES, PACKAGES, USERS_AND_DISTRO, ProblemList
from watcher.inspection.workers.messages import Alias, Content, Forgotten, Message
from watcher.model.certificates import CertificateFile
from watcher.model.errors import PermanentError
from watcher.model.inventory import PackageDatabase

_TEXT_NAMES = frozenset(path.encode().rpartition(b"/")[2] for path in TEXTS)

# A sparse file is put together in memory, whoever reads it.
MAX_SPARSE_BYTES = 64 * 1024 * 1024

# A monorepo has some thirty lock files of two thousand packages each.
MAX_DECLARED = 100_000

# Some hundred times as many as a distribution trusts.
MAX_CERTIFICATES = 20_000

# Whoever may run it.
_EXECUTABLE = 0o111

Feed = Callable[[bytes], None]


@dataclass(slots=True, kw_only=True)
class FileContents:
    """The files of one layer, one after another: `wanted`, and `read` once more where that says so, before the next one.

    `selection` are those that may be wanted, by what a walk can look up at once; `known` are the paths of those that something
    was said of, as the archive has them; `programs` those of executables, libraries apart. `searched` is the layer, if marks are
    found in it anyway.
    """

    emit: Callable[[Message], None]
    problems: ProblemList
    catalogers: Collection[AnyCataloger] = tuple(CATALOGERS.values())
    searched: SecretStream | None = None
    selection: Selection = field(init=False)
    known: set[bytes] = field(default_factory=set)
    programs: list[bytes] = field(default_factory=list)
    _choice: Choice = field(init=False)
    _row: int = 0
    _path: bytes = b""
    _size: int = 0
    _is_program: bool = False
    _is_kept: bool = False
    _kept_bytes: int = 0
    _start: bytes = b""
    _declared: int = 0
    _certificates: int = 0
    _catalogers: list[AnyCataloger] = field(default_factory=list)
    _readings: "list[_Guarded]" = field(default_factory=list)

    def __post_init__(self) -> None:
        self._choice = Choice(self.catalogers)
        self.selection = Selection.joined((Selection(names=_TEXT_NAMES), KEPT, *(each.selection for each in self.catalogers)))

    def wanted(self, row: int, written: bytes, mode: int, size: int, head: bytes, begins: int | None) -> tuple[bool, Feed | None]:
        """Whether the content of a file is needed, and who is to be fed with it if not all at once. `row` is the entry's number.

        `begins` is where in the layer the content does, None for a sparse file, of which it is not in one piece there.
        """
        self._is_program, self._start = bool(mode & _EXECUTABLE) and head in HEADS, b""
        path = text(written)
        possible = self._choice.asked(written, head)
        wanted = [each for each in possible if each.wants(path, size)]
        if path in TEXTS and size > MAX_TEXT_BYTES:
            self.problems.add("text-too-large", f"{path} has {size} bytes and was not read", USERS_AND_DISTRO)
        if begins is None and size > MAX_SPARSE_BYTES:
            wanted = []
        for each in possible:
            if each not in wanted and each.wants(path, 0):
                self.problems.add("database-too-large", f"{path[:200]} has {size} bytes and was not read", _sections(each))
        self._row, self._path, self._size, self._catalogers, self._readings = row, written, size, wanted, []
        self._is_kept = False
        if any(map(is_stream, wanted)) and begins is not None:
            self._readings = [_Guarded(self._begin(each, path, begins), self.problems, _sections(each)) for each in wanted]
            return True, self._feed
        if self._is_program and not wanted:
            self.programs.append(written)
        self._is_kept = is_kept(path) and size <= MAX_KEPT_BYTES and self._kept_bytes + size <= MAX_LAYER_BYTES
        return bool(wanted) or self._is_kept or (path in TEXTS and size <= MAX_TEXT_BYTES), None

    def read(self, content: bytes) -> None:
        """What the file that was wanted says. `content` is all of it, unless it was fed."""
        path = text(self._path)
        if self._is_program and not is_library(self._start or content[:KIND_BYTES]):
            self.programs.append(self._path)
        if self._readings:
            self._say([each.facts() for each in self._readings])
            self._readings = []
        else:
            self._say([self._read(each, path, content) for each in self._catalogers])
        if path in TEXTS:
            self.known.add(self._path)
            for text_part in text_parts(path, content):
                self.emit(text_part)
        if self._is_kept and (kept := kept_text(content)) is not None:
            self._kept_bytes += len(content)
            self.emit(Content(row=self._row, text=kept))

    def send_programs(self) -> None:
        """Once every file was seen."""
        for part in program_parts(self.programs):
            self.emit(part)

    def linked(self, written: bytes, target: bytes) -> None:
        """A hard link to `target`: it says what that does, or it is not known what it says."""
        path = text(written)
        if target in self.known or path in TEXTS or any(each.wants(path, 0) for each in self._choice.asked(written, b"")):
            self.known.add(written)
            self.emit(Alias(path=path, target=text(target)))

    def replaced(self, path: bytes) -> None:
        """Another entry of the layer has this path, which is known."""
        self.known.discard(path)
        self.emit(Forgotten(path=text(path)))

    def _begin(self, cataloger: AnyCataloger, path: str, begins: int) -> Reading:
        if isinstance(cataloger, NativeCataloger) and self.searched is not None and not self.searched.overflow:
            return cataloger.begin(path, self._size, LayerMarks(self.searched, begins))
        return begin(cataloger, path, self._size)

    def _feed(self, piece: bytes) -> None:
        if self._is_program and len(self._start) < KIND_BYTES:
            self._start += piece[:KIND_BYTES]
        for each in self._readings:
            each.feed(piece)

    def _read(self, cataloger: AnyCataloger, path: str, content: bytes) -> Facts:
        if not is_stream(cataloger):
            read = cast("Cataloger", cataloger).read
            return _guarded(lambda: read(path, content), self.problems, _sections(cataloger))
        reading = _Guarded(cataloger.begin(path, self._size), self.problems, _sections(cataloger))
        reading.feed(content)
        return reading.facts()

    def _say(self, found: Iterable[Facts]) -> None:
        for facts in found:
            for part in fact_parts(self._within_limits(facts)):
                self.known.add(self._path)
                self.emit(part)

    def _within_limits(self, facts: Facts) -> Facts:
        """What is declared is of less worth than what is installed: many lock files must not be a reason to read no layer, nor many
        certificates.
        """
        self._declared += sum(len(each.packages) for each in facts if isinstance(each, PackageDatabase) and each.declared)
        self._certificates += sum(len(each.certificates) + len(each.keys) for each in facts if isinstance(each, CertificateFile))
        unread = f"{text(self._path)[:200]} and what follows it was not read: too many"
        if self._declared > MAX_DECLARED:
            self.problems.add("too-many-declared", f"{unread} packages", DECLARED)
            facts = tuple(each for each in facts if not isinstance(each, PackageDatabase) or not each.declared)
        if self._certificates > MAX_CERTIFICATES:
            self.problems.add("too-many-certificates", f"{unread} certificates", FILES)
            facts = tuple(each for each in facts if not isinstance(each, CertificateFile))
        return facts


@dataclass(slots=True)
class _Guarded:
    """A reading whose errors are problems of the layer."""

    reading: Reading
    problems: ProblemList
    sections: tuple[str, ...]
    _failed: bool = False

    def feed(self, piece: bytes) -> None:
        if not self._failed:
            try:
                self.reading.feed(piece)
            except PermanentError as error:
                self._failed = True
                _tell(self.problems, error, self.sections)

    def facts(self) -> Facts:
        return () if self._failed else _guarded(self.reading.facts, self.problems, self.sections)


def _guarded(read: Callable[[], Facts], problems: ProblemList, sections: tuple[str, ...]) -> Facts:
    try:
        return read()
    except PartlyReadError as error:
        _tell(problems, error, sections)
        return error.facts
    except PermanentError as error:
        _tell(problems, error, sections)
        return ()


def _tell(problems: ProblemList, error: PermanentError, sections: tuple[str, ...]) -> None:
    problems.add(error.reason, str(error)[:500], sections)


def _sections(cataloger: AnyCataloger) -> tuple[str, ...]:
    """What is not known whole where one of its files cannot be read."""
    return DECLARED if cataloger.type in LOCKS else FILES if cataloger.type in CERTIFICATES else PACKAGES
