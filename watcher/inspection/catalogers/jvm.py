"""Packages of the JVM: jar, war, ear and their kin, and the archives in those.

Nothing is unpacked and no archive is held: what lies in one is read as it comes by, and so is what lies in that.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from watcher.inspection.catalogers.jvm_identity import Contents, packages_of
from watcher.inspection.catalogers.jvm_identity_files import Pom, has_end, manifest_fields, properties_coordinates
from watcher.inspection.catalogers.jvm_identity_names import SUFFIXES, written
from watcher.inspection.catalogers.protocol import DamagedDatabaseError, Facts, Selection
from watcher.inspection.catalogers.stanzas import MAX_PACKAGES, Unread, bounded, complete
from watcher.inspection.catalogers.zip_stream import ENDING_BYTES, Sink, ZipStream, shown
from watcher.model.inventory import PackageRecord

# Nothing of it is held. The largest that are deployed, with all that they need, have a few hundred MB.
MAX_BYTES = 4 * 1024 * 1024 * 1024

# An archive in one in one in one: a bundle in a plugin in an application.
MAX_DEPTH = 3
# The Kotlin compiler has 30 000; what unites all libraries of an application may have 200 000, each in two places.
MAX_ENTRIES = 2_000_000
# As many bytes a byte of the file, and for small ones, as are inflated of what is read or lies deeper: no archive of archives is
# packed 16 to 1, since what is packed twice gains nothing the second time, and no manifest.
_INFLATED_BYTES, _INFLATED_RATIO = 256 * 1024, 16
# Elements of POMs: each takes 5 bytes of the file, packed as well as it can be.
_ELEMENTS, _ELEMENT_BYTES = 2000, 4
# Of a manifest the main section is wanted, which is at its beginning; the longest are lists of the packages of a bundle.
_MANIFEST_BYTES = 1024 * 1024
_PROPERTIES_BYTES = 64 * 1024
_POM_BYTES = 1024 * 1024

# The suffixes of something else as well: what has one and is no zip says nothing. A zip is no package, but may hold some.
_SHARED_SUFFIXES = frozenset({"par", "sar", "nar", "kar", "far", "rar", "zap", "zip"})
_WRAPPED = b".zip"
_SUFFIXES = written(SUFFIXES)
_MANIFEST, _PROPERTIES, _POM = b"meta-inf/manifest.mf", b"pom.properties", b"pom.xml"
_IN_MAVEN = b"meta-inf/maven/"
_ENDINGS = frozenset(each[-ENDING_BYTES:].lower() for each in (*_SUFFIXES, _MANIFEST, _PROPERTIES, _POM))
# As many of what could not be read as are kept.
_MAX_UNREAD = 1000


class JvmCataloger:
    """Archives by their suffix, wherever they are."""

    type = "jvm"
    version = 6
    places: tuple[str, ...] = ()
    selection = Selection(suffixes=_SUFFIXES)

    def wants(self, path: str, size: int) -> bool:
        return size <= MAX_BYTES and _suffix(path.encode()) in _SUFFIXES

    def begin(self, path: str, size: int) -> "_Reading":
        return _Reading(path=path, size=size)


class _EnoughError(Exception):
    """No more of this archive is read."""


@dataclass(slots=True, kw_only=True)
class _Reading:
    path: str
    size: int
    budget: "_Budget" = field(init=False)
    archive: "_Archive" = field(init=False)
    _stopped: bool = False

    def __post_init__(self) -> None:
        self.budget = _Budget(
            inflated=_INFLATED_BYTES + _INFLATED_RATIO * self.size, elements=_ELEMENTS + self.size // _ELEMENT_BYTES
        )
        self.archive = _Archive(self.budget, self.path.rpartition("/")[2], "", 0)

    def feed(self, piece: bytes) -> None:
        if self._stopped:
            return
        try:
            self.archive.zip.feed(piece)
        except _EnoughError as enough:
            self._stop(enough)

    def facts(self) -> Facts:
        try:
            self.archive.end(sound=True)
        except _EnoughError as enough:
            self._stop(enough)
        budget = self.budget
        if not self.archive.zip.is_zip:
            if self.size and not is_shared(self.path.encode()):
                raise DamagedDatabaseError(f"{self.path}: it is called an archive of the JVM, and is no zip")
            return ()
        found: dict[tuple[str, str, str], PackageRecord] = {}
        for each in budget.records:
            found.setdefault((each.place, each.name, each.version), each)
        if not found and (not budget.unread or (self.archive.is_wrapper and not budget.archives)):
            return ()
        return complete(self.path, JvmCataloger.type, [*found.values(), *budget.unread], system=False)

    def _stop(self, enough: _EnoughError) -> None:
        self._stopped = True
        self.budget.unread.insert(0, Unread(str(enough)))


@dataclass(slots=True, kw_only=True)
class _Budget:
    """What one file may cost, however deep, and what was found of it."""

    inflated: int
    elements: int
    entries: int = MAX_ENTRIES
    descriptions: int = MAX_PACKAGES
    archives: int = 0
    records: list[PackageRecord] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)

    def spend(self, entries: int, inflated: int) -> None:
        """So many entries, or entries of a directory, and so many bytes."""
        self.entries -= entries
        self.inflated -= inflated
        if self.inflated < 0 or self.entries < 0:
            raise _EnoughError("it holds more than any archive does, and was not read further")

    def describe(self) -> None:
        """One more archive, or description of a package, whether or not there was the same before."""
        self.descriptions -= 1
        if self.descriptions < 0:
            raise _EnoughError(f"it describes more than {MAX_PACKAGES} packages, and was not read further")

    def doubt(self, place: str, what: str) -> None:
        if len(self.unread) < _MAX_UNREAD:
            self.unread.append(Unread(f"{place}: {what}" if place else what))


class _Archive:
    """One archive, which may lie in another one: then it is what wants the content of an entry."""

    def __init__(self, budget: _Budget, file_name: str, place: str, depth: int) -> None:
        self._budget, self._place, self._depth = budget, place, depth
        self._contents = Contents(file_name=file_name)
        self._size = 0
        self.is_wrapper = _suffix(file_name.encode()).lower() == _WRAPPED
        budget.archives += not self.is_wrapper
        self._found_before, self._unread_before = len(budget.records), len(budget.unread)
        self.zip = ZipStream(_ENDINGS, self._open, budget.spend, self._doubt)

    def feed(self, piece: bytes) -> bool:
        self._size += len(piece)
        self.zip.feed(piece)
        return True

    def end(self, *, sound: bool) -> None:
        if not sound:
            # What was found before depends on how the pieces happened to be cut; facts must not.
            del self._budget.records[self._found_before :], self._budget.unread[self._unread_before :]
            return
        self.zip.finish()
        if self.zip.is_zip:
            if not self.is_wrapper:
                self._budget.records += packages_of(self._contents, self._place)
        elif self._size and self._place and not is_shared(self._place.encode()):
            self._doubt("it is called an archive of the JVM, and is no zip")

    def _open(self, name: bytes) -> Sink | None:
        folder, _, called = name.rpartition(b"/")

        def too_long(_: bytes) -> None:
            self._doubt(f"{shown(name)} is longer than any")

        if not called:
            return None
        if _suffix(called) in _SUFFIXES:
            place = bounded(name) if not self._place else f"{self._place}!/{bounded(name)}"
            if self._depth < MAX_DEPTH:
                self._budget.describe()
                return _Archive(self._budget, bounded(called), place, self._depth + 1)
            self._budget.doubt(place, "it lies too deep in other archives")
        elif self.is_wrapper:
            pass
        elif name.lower() == _MANIFEST:
            return _Text(_MANIFEST_BYTES, self._manifest, self._long_manifest)
        elif called == _PROPERTIES:
            return _Text(_PROPERTIES_BYTES, lambda content: self._properties(folder, content), too_long)
        elif called == _POM and name.lower().startswith(_IN_MAVEN):
            return _Text(_POM_BYTES, lambda content: self._pom(folder, content), too_long)
        return None

    def _long_manifest(self, content: bytes) -> None:
        if not has_end(content):
            self._doubt("its manifest is longer than any")

    def _manifest(self, content: bytes) -> None:
        self._contents.manifest = manifest_fields(content)

    def _properties(self, folder: bytes, content: bytes) -> None:
        self._budget.describe()
        self._contents.properties.append((folder, properties_coordinates(content)))

    def _pom(self, folder: bytes, content: bytes) -> None:
        self._budget.describe()
        pom = Pom(content, self._budget.elements)
        self._budget.elements -= pom.elements
        self._contents.poms[folder] = pom.coordinates
        if not pom.is_whole:
            self._doubt("its POMs have more elements than any")

    def _doubt(self, what: str) -> None:
        self._budget.doubt(self._place, what)


class _Text:
    """A file that is held, up to what real ones have."""

    def __init__(self, limit_bytes: int, read: Callable[[bytes], None], too_long: Callable[[bytes], None]) -> None:
        self._limit_bytes, self._read, self._too_long = limit_bytes, read, too_long
        self._content = bytearray()

    def feed(self, piece: bytes) -> bool:
        self._content += piece[: self._limit_bytes + 1 - len(self._content)]
        return len(self._content) <= self._limit_bytes

    def end(self, *, sound: bool) -> None:
        content = bytes(self._content) if sound else b""
        if len(content) > self._limit_bytes:
            self._too_long(content)
        if content:
            self._read(content)


def is_shared(name: bytes) -> bool:
    """Whether files of other formats have the suffix of this one, too."""
    return _suffix(name)[1:].lower().decode("ascii", "replace") in _SHARED_SUFFIXES


def _suffix(name: bytes) -> bytes:
    return name[name.rfind(b".") :]
