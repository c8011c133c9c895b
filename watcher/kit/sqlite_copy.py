"""A consistent copy of a database that is in use: what `cp` cannot make, because the newest changes stand in the log beside it."""

import contextlib
import os
import sqlite3
from pathlib import Path

from watcher.kit.sqlite_engine import BUSY_SECONDS, read_only_url, refusal
from watcher.kit.sqlite_trouble import Ailment, trouble_of
from watcher.model.errors import ConfigurationError

_WRITING = (sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_TRUNCATE)


def copy(source: Path, target: Path, *, replace: bool) -> int:
    """Write a copy of `source` to `target`, for its owner alone, and give its size in bytes.

    The copy is of one moment, whatever is written meanwhile, and nobody who writes waits for it. It is whole and on disk, or not
    there. With `replace` it takes the place of what is there, but never that of a database in use.

    Raises:
        ConfigurationError: there is no source, it is damaged, or the target is there or cannot be written.
    """
    if not source.exists():
        raise ConfigurationError(f"store {source} does not exist")
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        _refuse_to_harm(source, target, replace=replace)
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        _copy(source, part, target)
        _flush(part)
        _refuse_to_harm(source, target, replace=replace)
        part.replace(target)
        _flush(target.parent)
    except OSError as error:
        raise ConfigurationError(f"{target}: cannot be written: {error.strerror}") from error
    finally:
        for each in (part, *companions(part)):
            with contextlib.suppress(OSError):
                each.unlink()
    return target.stat().st_size


def companions(path: Path) -> tuple[Path, ...]:
    """What SQLite keeps beside a file while it is in use, and leaves there when its user is killed."""
    return Path(f"{path}-wal"), Path(f"{path}-shm"), Path(f"{path}-journal")


def _refuse_to_harm(source: Path, target: Path, *, replace: bool) -> None:
    if target.exists() and target.samefile(source):
        raise ConfigurationError(f"{target}: is the store itself")
    if target.exists() and not target.is_file():
        raise ConfigurationError(f"{target}: is no file")  # a device would be gone when a file took its place
    if target.exists() and not replace:
        raise ConfigurationError(f"{target}: is there already; --replace takes its place")
    for each in companions(target):
        if each.exists():
            # It would be read as part of the copy.
            raise ConfigurationError(f"{target}: {each.name} is beside it, so it is a database in use; name another file")


def _copy(source: Path, part: Path, target: Path) -> None:
    try:
        with contextlib.closing(sqlite3.connect(read_only_url(source), uri=True, timeout=BUSY_SECONDS)) as reading:
            reading.execute("SELECT count(*) FROM sqlite_master")  # whether it is a database at all
            with contextlib.closing(sqlite3.connect(part)) as writing:
                # All pages in one step: in several it would begin anew at every commit of the daemon.
                reading.backup(writing, pages=-1)
    except sqlite3.Error as error:
        raise _not_written(error, part, target) or refusal(error, source) from error
    with contextlib.closing(sqlite3.connect(part)) as written:
        try:
            # A file of its own, without a log beside it, so that any copy of it is whole.
            written.execute("PRAGMA journal_mode = DELETE")
            found = written.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.DatabaseError as error:
            if (not_written := _not_written(error, part, target)) is not None:
                raise not_written from error
            found = str(error)
    if found != "ok":
        said = " ".join(str(found).split())
        raise ConfigurationError(f"store {source} is damaged, so there is no copy ({said:.200}): `watcher store check` says more")


def _not_written(error: sqlite3.Error, part: Path, target: Path) -> ConfigurationError | None:
    """What only writing meets, which is not done where the store is."""
    trouble = trouble_of(error, part)
    if trouble is None or (trouble.ailment is not Ailment.FULL and error.sqlite_errorcode not in _WRITING):
        return None
    return ConfigurationError(f"{target}: cannot be written: {trouble.text}: {trouble.advice}")


def _flush(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
