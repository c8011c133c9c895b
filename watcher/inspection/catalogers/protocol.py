"""What a cataloger is: one ecosystem's package databases as a pure function of their paths and bytes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from typing import Protocol, TypeGuard, cast

from watcher.model.certificates import CertificateFile
from watcher.model.errors import PermanentError
from watcher.model.inventory import FileList, Note, PackageDatabase

# As many bytes of a file as a selection by its head looks at.
HEAD_BYTES = 2

# As many of a name as tell most of those without a wanted suffix.
ENDING_BYTES = 3

Facts = tuple[PackageDatabase | Note | FileList | CertificateFile, ...]
"""What one file says: mostly one database, nothing when it turns out to be no package database."""


class DamagedDatabaseError(PermanentError):
    """A file that must be a package database is none: what is installed in the layer is not known."""

    reason = "damaged-database"


class DatabaseTooLargeError(PermanentError):
    """A package database lists more packages than anyone installs: it is not read further."""

    reason = "database-too-large"


class PartlyReadError(PermanentError):
    """Not all of a package database could be read: what could is in `facts`."""

    reason = "partly-read-database"

    def __init__(self, message: str, facts: tuple[PackageDatabase, ...]) -> None:
        super().__init__(message)
        self.facts = facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which regular files a cataloger is asked about, by what a walk over a hundred thousand of them can look up.

    `names` are basenames, `directories` basenames of directories in which a file of any name may be wanted, `suffixes` what
    basenames have from their last dot on, as it is written, at least ENDING_BYTES. `heads` are the first HEAD_BYTES bytes of files
    that may be anywhere.
    """

    names: frozenset[bytes] = frozenset()
    directories: frozenset[bytes] = frozenset()
    suffixes: frozenset[bytes] = frozenset()
    heads: frozenset[bytes] = frozenset()

    @property
    def endings(self) -> frozenset[bytes]:
        """How a name ends that may have one of the suffixes; quicker to look up than those."""
        return frozenset(each[-ENDING_BYTES:] for each in self.suffixes)

    def takes(self, name: bytes, parent: bytes, head: bytes = b"") -> bool:
        """Whether a file called `name`, in a directory called `parent`, that begins with `head` is one to be asked about."""
        return name in self.names or parent in self.directories or suffix(name) in self.suffixes or head in self.heads

    @classmethod
    def joined(cls, selections: "Iterable[Selection]") -> "Selection":
        """Takes what any of these takes."""
        each = tuple(selections)
        return cls(**{one.name: frozenset().union(*(getattr(other, one.name) for other in each)) for one in fields(cls)})


def suffix(name: bytes) -> bytes:
    """The last dot and what follows it; of a name without one something that is no suffix."""
    return name[name.rfind(b".") :]


class Selecting(Protocol):
    """What both kinds of catalogers say of the files they want."""

    @property
    def type(self) -> str:
        """Its name: the purl type of what it finds, or what its files have in common where that is of several types."""
        ...

    @property
    def version(self) -> int:
        """Raised whenever the same file would give another answer: layers that hold such files are then read again."""
        ...

    @property
    def places(self) -> tuple[str, ...]:
        """Where the tools of a distribution have the database of all that is installed; none where each place is as good."""
        ...

    @property
    def selection(self) -> Selection:
        """The files that `wants` is asked about."""
        ...

    def wants(self, path: str, size: int) -> bool:
        """Whether the content of this file must be read. `path` has no leading slash, `size` is in bytes.

        A path that is wanted at size 0 and not at its own is a database beyond the cataloger's budget, which the caller records.
        """
        ...


class Cataloger(Selecting, Protocol):
    """Reads one kind of package database, each at once."""

    def read(self, path: str, content: bytes) -> Facts:
        """What the file says is installed; nothing when it turns out to be no package database.

        Pure, and linear in the size of `content`; the texts of a record are cut at lengths that no real package reaches.

        Raises:
            DamagedDatabaseError: the file must be a database by its place, and is none.
            PartlyReadError: it is one, and has more packages than those that could be read.
            DatabaseTooLargeError: more packages than anyone installs. No other error, whatever the bytes.
        """
        ...


class Reading(Protocol):
    """One file as it comes by."""

    def feed(self, piece: bytes) -> None:
        """The next bytes, as many as there happen to be. Raises as `Cataloger.read`; then nothing more is fed, or asked for."""
        ...

    def facts(self) -> Facts:
        """As `Cataloger.read`, once all bytes were fed."""
        ...


class StreamCataloger(Selecting, Protocol):
    """Reads files that are too large to be held, piece by piece."""

    def begin(self, path: str, size: int) -> Reading:
        """A reading of this file, of whose `size` bytes no more is kept than the cataloger says it needs."""
        ...


AnyCataloger = Cataloger | StreamCataloger


@dataclass(slots=True)
class Held:
    """A cataloger that reads at once as one that reads by pieces: the content is held, once."""

    cataloger: Cataloger
    path: str
    _content: bytearray = field(default_factory=bytearray)

    def feed(self, piece: bytes) -> None:
        self._content += piece

    def facts(self) -> Facts:
        return self.cataloger.read(self.path, bytes(self._content))


def is_stream(cataloger: AnyCataloger) -> TypeGuard[StreamCataloger]:
    return hasattr(cataloger, "begin")


def begin(cataloger: AnyCataloger, path: str, size: int) -> Reading:
    """A reading of the file, whichever kind the cataloger is of."""
    return cataloger.begin(path, size) if is_stream(cataloger) else Held(cast("Cataloger", cataloger), path)


class Choice:
    """As `asked`, for a hundred thousand files: catalogers by what they select."""

    def __init__(self, catalogers: Iterable[AnyCataloger]) -> None:
        by: dict[str, dict[bytes, tuple[AnyCataloger, ...]]] = {each.name: {} for each in fields(Selection)}
        for cataloger in catalogers:
            for kind, those in by.items():
                for value in getattr(cataloger.selection, kind):
                    those[value] = (*those.get(value, ()), cataloger)
        self._names, self._directories, self._suffixes, self._heads = (by[each.name] for each in fields(Selection))

    def asked(self, path: bytes, head: bytes = b"") -> tuple[AnyCataloger, ...]:
        """Each once. `path` as the archive has it."""
        directory, _, name = path.rpartition(b"/")
        found = self._names.get(name, ()) + self._suffixes.get(suffix(name), ()) + self._heads.get(head, ())
        found += self._directories.get(directory[directory.rfind(b"/") + 1 :], ())
        return found if len(found) < 2 else tuple(dict.fromkeys(found))


def asked(catalogers: Iterable[AnyCataloger], path: str, head: bytes = b"") -> Iterator[AnyCataloger]:
    """Those whose `wants` is to be asked about this file."""
    directory, _, name = path.rpartition("/")
    called, parent = name.encode(), directory.rpartition("/")[2].encode()
    return (each for each in catalogers if each.selection.takes(called, parent, head))
