"""What a cataloger is: one ecosystem's package database as a pure function of its path and bytes."""

from collections.abc import Iterable
from typing import Protocol

from watcher.model.errors import PermanentError
from watcher.model.inventory import PackageDatabase


class DamagedDatabaseError(PermanentError):
    """A file that must be a package database is none: what is installed in the layer is not known."""

    reason = "damaged-database"


class DatabaseTooLargeError(PermanentError):
    """A package database lists more packages than anyone installs: it is not read further."""

    reason = "database-too-large"


class PartlyReadError(PermanentError):
    """Not all of a package database could be read: what could is in `database`."""

    reason = "partly-read-database"

    def __init__(self, message: str, database: PackageDatabase) -> None:
        super().__init__(message)
        self.database = database


class Cataloger(Protocol):
    """Reads one kind of package database.

    A caller that walks an archive looks at the basename first, and only then asks: `wants` is called for a regular file whose
    basename is in `names`, or whose parent directory's basename is in `directories`, and for no other.
    """

    @property
    def type(self) -> str:
        """The purl type of what it finds."""
        ...

    @property
    def version(self) -> int:
        """Raised whenever the same file would give another answer: layers that hold such files are then read again."""
        ...

    @property
    def names(self) -> frozenset[bytes]:
        """Basenames of files it may want."""
        ...

    @property
    def directories(self) -> frozenset[bytes]:
        """Basenames of directories in which a file of any name may be wanted."""
        ...

    def wants(self, path: str, size: int) -> bool:
        """Whether the whole content of this file must be kept for `read`. `path` has no leading slash, `size` is in bytes.

        A path that is wanted at size 0 and not at its own is a database beyond the cataloger's budget, which the caller records.
        """
        ...

    def read(self, path: str, content: bytes) -> PackageDatabase | None:
        """The packages that the file says are installed, None when it turns out to be no package database.

        Pure, and linear in the size of `content`; the texts of a record are cut at lengths that no real package reaches.

        Raises:
            DamagedDatabaseError: the file must be a database by its place, and is none.
            PartlyReadError: it is one, and has more packages than those that could be read.
            DatabaseTooLargeError: more packages than anyone installs. No other error, whatever the bytes.
        """
        ...


def asked(catalogers: Iterable[Cataloger], name: bytes, parent: bytes) -> list[Cataloger]:
    """Those whose `wants` is to be asked about a file called `name` in a directory called `parent`."""
    return [each for each in catalogers if name in each.names or parent in each.directories]
