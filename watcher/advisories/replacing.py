"""The next file of advisories: a copy of the present one, changed, and put into its place when all of it is on disk."""

import contextlib
import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from watcher.advisories.tables import FORMAT, SCHEMA, open_read_only
from watcher.advisories.writer import Writer
from watcher.model.errors import BusyError, ConfigurationError

# What SQLite may hold of the file while it is written.
CACHE_KIB = 96 * 1024


@contextmanager
def next_file(path: Path, *, now: datetime) -> Iterator[Writer]:
    """Write the next file. It takes the place of the present one when the block ends, and is thrown away when that raises.

    Raises:
        BusyError: another import is at work.
        ConfigurationError: the present file cannot be read, or the next one cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    with _locked(path):
        try:
            part.unlink(missing_ok=True)
            with contextlib.closing(_begun(path, part)) as connection:
                writer = Writer(connection, now=now)
                yield writer
                writer.finish()
            _flush(part)
            part.replace(path)
            _flush(path.parent)
        except (OSError, sqlite3.OperationalError) as error:
            raise ConfigurationError(f"{path}: cannot be written: {error}") from error
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    try:
        holder = os.open(path.with_name(f".{path.name}.lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise BusyError(f"{path}: another import is at work on it") from error
    finally:
        os.close(holder)


def _begun(path: Path, part: Path) -> sqlite3.Connection:
    """A copy of the present file, or an empty one, in one transaction that nothing but a finished import ends."""
    there = path.exists()
    if there:
        open_read_only(path).close()
        shutil.copyfile(path, part)
    connection = sqlite3.connect(part, isolation_level=None)
    # Until it is finished nobody reads it, and if it never is it is thrown away: there is nothing to roll back.
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    if not there:
        connection.executescript(SCHEMA)
        connection.executemany("INSERT INTO meta VALUES (?, ?)", [("format", str(FORMAT)), ("lineage", uuid4().hex)])
    connection.execute("BEGIN")
    return connection


def _flush(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
