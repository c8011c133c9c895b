"""What ails a database file, in words: why it cannot be read or written, and what a person can do about it.

SQLite says little ("disk I/O error"); its code, and a look at the file system, say the rest.
"""

import os
import sqlite3
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sqlalchemy.exc import DBAPIError


class Ailment(StrEnum):
    """A low-cardinality word for metrics."""

    FULL = "disk-full"
    LOCKED = "locked"
    READ_ONLY = "read-only"
    BROKEN_DISK = "io-error"
    GONE = "file-gone"
    DAMAGED = "damaged"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """`text` names no path, since senders of events see it; `advice` is for whoever runs the daemon."""

    ailment: Ailment
    text: str
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileIdentity:
    """Which files of a database are open, so that one which was removed or replaced under us is not written to for nobody."""

    device: int
    file: int
    log: int | None

    @classmethod
    def of(cls, path: Path) -> "FileIdentity | None":
        """None when there is no such file. The log beside it may come later: SQLite makes it with the first change."""
        try:
            found = path.stat()
        except OSError:
            return None
        try:
            log = Path(f"{path}-wal").stat().st_ino
        except OSError:
            log = None
        return cls(device=found.st_dev, file=found.st_ino, log=log)

    def is_still(self, found: "FileIdentity | None") -> bool:
        """Whether `found` is the same file with the same log."""
        if found is None or (found.device, found.file) != (self.device, self.file):
            return False
        return self.log is None or found.log == self.log


def trouble_of(error: BaseException, path: Path) -> Trouble | None:
    """What `error` says of the file; None when it says that a statement of ours is wrong."""
    raw = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(raw, sqlite3.Error):
        return None
    said = str(raw)
    match getattr(raw, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_FULL:
            return full(path)
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            text = f"the database is locked by another process ({said})"
            return Trouble(ailment=Ailment.LOCKED, text=text, advice=f"end what holds it: `fuser {path}` names it")
        case sqlite3.SQLITE_READONLY:
            return _of_file_system(path) or read_only(path, said)
        case sqlite3.SQLITE_IOERR:
            advice = f"look at the kernel's log for the disk that holds {path.parent}"
            return _of_file_system(path) or Trouble(ailment=Ailment.BROKEN_DISK, text=f"I/O error ({said})", advice=advice)
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            text = f"the database file cannot be opened ({said})"
            advice = f"{path.parent} must be there and the watcher must be allowed to write in it"
            return _of_file_system(path) or Trouble(ailment=Ailment.OTHER, text=text, advice=advice)
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            text = f"the database file is damaged ({said})"
            advice = (
                f"`watcher store check` says what is lost; restore a backup, or move {path}, its -wal and its -shm away and start"
                " anew: the inbox and every verdict are lost then, and a sweep has the images judged again"
            )
            return Trouble(ailment=Ailment.DAMAGED, text=text, advice=advice)
    # What SQLite raises when memory, a lock or the file is the trouble. Its other errors are mistakes in our statements.
    if type(raw).__name__ in {"OperationalError", "DatabaseError", "InternalError"}:
        return Trouble(ailment=Ailment.OTHER, text=said, advice="expected a SQLite database in a folder we may write")
    return None


def full(path: Path) -> Trouble:
    advice = f"make room on the file system of {path.parent}"
    return Trouble(ailment=Ailment.FULL, text="the disk is full", advice=advice)


def gone() -> Trouble:
    text = "the database file was removed or replaced while it was in use"
    advice = "put the same file back with its -wal, or start the watcher again to go on with what is there now"
    return Trouble(ailment=Ailment.GONE, text=text, advice=advice)


def read_only(path: Path, said: str) -> Trouble:
    text = f"the database cannot be written: {said}"
    return Trouble(ailment=Ailment.READ_ONLY, text=text, advice=f"make {path.parent} and the files in it writable for the watcher")


def free_bytes(path: Path) -> float:
    """What is free for us on the file system of `path`; infinite where it does not say."""
    try:
        found = os.statvfs(path.parent)
    except OSError:
        return float("inf")
    return found.f_bavail * found.f_frsize


def _of_file_system(path: Path) -> Trouble | None:
    """What the file system itself says: SQLite reports a full one, a quota or a read-only one as an I/O error at some calls."""
    try:
        found = os.statvfs(path.parent)
    except OSError:
        return None
    if found.f_flag & os.ST_RDONLY:
        return read_only(path, "read-only file system")
    # Pages of the log are 4 KiB, and its index grows by 32 KiB.
    return full(path) if free_bytes(path) < 32 * 1024 else None
