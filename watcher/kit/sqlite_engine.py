"""Connections to a SQLite file: how its transactions begin, and what must be so at the start."""

import contextlib
import os
import sqlite3
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from watcher.kit.sqlite_trouble import Ailment, trouble_of
from watcher.model.errors import BusyError, ConfigurationError

READERS = 2
# How long a statement waits for another process (the command line beside the daemon) to end its transaction.
BUSY_SECONDS = 5.0
# The log is truncated to this after a checkpoint, so that one burst does not keep its space for ever.
LOG_BYTES = 64 * 1024 * 1024
# Pages in the log before they are carried into the file: the keys of events are random, so that every commit touches many pages,
# and carrying each of them once for ten commits costs intake a third less than SQLite's thousand. 40 MiB at 4 KiB.
CHECKPOINT_PAGES = 10_000
# What a database begins with, once it has been written to.
MAGIC = b"SQLite format 3\0"


class StoreLockedError(BusyError):
    """Another process holds the file at our start."""


def read_only_url(path: Path) -> str:
    """As `sqlite3.connect` takes it: nothing is written to the file, whatever is executed."""
    return f"{path.absolute().as_uri()}?mode=ro"


def make_private(path: Path) -> None:
    """Let nobody but us read the file and what is beside it: verdicts say where an image can be broken into.

    A file that is not there is made, since SQLite would give it whatever mode the process's mask leaves; its log has the mode of
    the file. One that belongs to somebody else stays as it is, and so does one that is no database: `store.url` may name anything.
    """
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    if not _may_be_ours(path):
        return
    for each in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        with contextlib.suppress(OSError):
            each.chmod(0o600)


def _may_be_ours(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) in {b"", MAGIC}
    except OSError:
        return False


def sqlite_engine(path: Path, *, read_only: bool = False, at_rest: bool = False) -> Engine:
    """An engine whose transactions are what they seem. `at_rest` says that nobody writes: then nothing is made beside the file.

    Python's sqlite3 opens transactions by itself, late and not before every statement, which breaks savepoints and DDL. So it
    is told not to (`isolation_level = None`) and BEGIN is written here; a writer takes its lock at once, because a transaction
    that reads first and writes later can fail in a way that no waiting repairs.
    """
    # `mode=ro` holds even for a statement that lifts `query_only`, and for what SQLite itself writes: no checkpoint, no change of
    # the journal's kind.
    query = {"mode": "ro", "uri": "true"} | ({"immutable": "1"} if at_rest else {})
    url = URL.create("sqlite", database=path.absolute().as_uri(), query=query) if read_only else None
    engine = create_engine(
        url or URL.create("sqlite", database=str(path)),
        poolclass=QueuePool,
        pool_size=READERS,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def prepare(raw: sqlite3.Connection, _record: object) -> None:
        raw.isolation_level = None
        if read_only:
            raw.execute("PRAGMA query_only = ON")
            return
        mode = raw.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise ConfigurationError(f"store {path}: its file system does not support SQLite's write-ahead log; use a local disk")
        # FULL: a commit that was acknowledged survives the loss of power, not only of the process.
        raw.execute("PRAGMA synchronous = FULL")
        raw.execute("PRAGMA foreign_keys = ON")
        raw.execute("PRAGMA temp_store = MEMORY")
        raw.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
        raw.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


def connect(engine: Engine, path: Path) -> Connection:
    """The first connection to a file, with its troubles in words for the operator.

    Raises:
        ConfigurationError: not a database, or cannot be opened or written.
    """
    try:
        return engine.connect()
    except (DBAPIError, sqlite3.Error) as error:
        raise refusal(error, path) from error


def refusal(error: DBAPIError | sqlite3.Error, path: Path, failed: str = "") -> ConfigurationError:
    """What the operator must know and do when a file cannot be used at the start; `failed` is what was under way."""
    trouble = trouble_of(error, path)
    if trouble is None:
        return ConfigurationError(f"store {path}: {failed}{cause(error)}")
    kind = StoreLockedError if trouble.ailment is Ailment.LOCKED else ConfigurationError
    return kind(f"store {path}: {f'{failed}{cause(error)}' if failed else trouble.text}: {trouble.advice}")


def raw_connection(connection: Connection) -> sqlite3.Connection:
    """The driver's own connection, for statements that run thousands of times a second."""
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    return raw


def cause(error: BaseException) -> str:
    return str(error.orig) if isinstance(error, DBAPIError) else str(error)
