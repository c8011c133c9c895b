"""One SQLite file: one writer thread that commits in groups, a few readers, at most one owner.

A commit costs one flush of the disk whatever it holds, so everything that waits is written in one transaction. Nothing here
blocks the event loop; nothing outside of this module, `watcher/backlog/sqlite.py` and `watcher/storage.py` knows that it is SQLite.
"""

import asyncio
import fcntl
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from watcher.model.errors import ConfigurationError, RetryableError

T = TypeVar("T")

# One flush for this many writes. At 60 µs a write the first of them waits 15 ms for the last, which no sender notices.
BATCH_WRITES = 256
# Beyond this many waiting writes a caller waits before it may even queue: memory is bounded, and senders feel the pressure.
WAITING_WRITES = 4096
READERS = 2
# How long a statement waits for another process (the command line beside the daemon) to end its transaction.
BUSY_SECONDS = 5.0
# The log is truncated to this after a checkpoint, so that one burst does not keep its space for ever.
LOG_BYTES = 64 * 1024 * 1024
# Pages in the log before they are carried into the file: the keys of events are random, so that every commit touches many pages,
# and carrying each of them once for ten commits costs intake a third less than SQLite's thousand. 40 MiB at 4 KiB.
CHECKPOINT_PAGES = 10_000

# What SQLite raises when the disk, a lock or the file is the trouble. Its other errors are mistakes in our statements.
_UNAVAILABLE = ("OperationalError", "DatabaseError", "InternalError")


class StoreUnavailableError(RetryableError):
    """The database could not be read or written now: disk full, I/O error, locked by another process."""

    reason = "store-unavailable"


@dataclass(slots=True)
class _Write:
    run: Callable[[Connection], Any]
    future: asyncio.Future[Any]
    value: Any = None
    error: Exception | None = None


class _TransactionLostError(Exception):
    """SQLite rolled the whole transaction back by itself, as it does when the disk is full."""


class Database:
    """One file. `own`, then migrate, then `open`; `close` at the end.

    Statements run as functions of a SQLAlchemy connection, in a thread: they must not touch the event loop.
    """

    def __init__(self, path: Path, *, waiting_writes: int = WAITING_WRITES) -> None:
        self.path = path
        self._owner: TextIO | None = None
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._room = asyncio.Semaphore(waiting_writes)
        self._thread: threading.Thread | None = None
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="sqlite-reader")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._open = False
        self._writing: Engine | None = None
        self._reading: Engine | None = None

    def own(self) -> None:
        """Become the one daemon of this file until `close` or the end of the process, however it ends.

        The command line may read and write beside an owner; only a second owner is refused, because leases are released at
        start on the ground that nobody else can hold any.

        Raises:
            ConfigurationError: another process owns the file, or its folder cannot be written.
        """
        lock_path = self.path.with_name(self.path.name + ".lock")
        try:
            lock = lock_path.open("a+", encoding="ascii")
        except OSError as error:
            raise ConfigurationError(f"store {self.path}: {lock_path} cannot be written: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            owner = lock.read(20).strip() or "unknown"
            lock.close()
            raise ConfigurationError(f"store {self.path} is in use by another watcher, process {owner}: stop it first") from error
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        self._owner = lock

    async def open(self, *, create: bool = True, read_only: bool = False) -> None:
        """Open the file and start the writer, unless it is only to be read: then nothing is written to it, whatever is called.

        Raises:
            ConfigurationError: not there (with `create` false), not a database, or cannot be opened or written.
        """
        self._loop = asyncio.get_running_loop()
        if not create and not self.path.exists():
            raise ConfigurationError(f"store {self.path} does not exist: `watcher run` creates it")
        self._reading = sqlite_engine(self.path, read_only=True)
        if not read_only:
            self._writing = sqlite_engine(self.path)
        first = self._writing or self._reading
        connection = await self._loop.run_in_executor(self._readers, connect, first, self.path)
        connection.close()
        if not read_only:
            self._thread = threading.Thread(target=self._run, name="sqlite-writer", daemon=True)
            self._thread.start()
        self._open = True

    async def close(self) -> None:
        """Commit what is queued, stop the threads and give up ownership. Harmless when never opened, and when repeated."""
        writer, self._thread = self._thread, None
        if writer is not None:
            self._queue.put(None)
            await asyncio.to_thread(writer.join)
        self._open = False
        await asyncio.to_thread(self._readers.shutdown)
        for engine in (self._reading, self._writing):
            if engine is not None:
                engine.dispose()
        if self._owner is not None:
            self._owner.close()
            self._owner = None

    async def write(self, run: Callable[[Connection], T]) -> T:
        """Run `run` in the writer's transaction; after this returns, what it did is on disk and survives kill -9.

        It shares its transaction with others, each behind a savepoint: what it raises undoes its own statements only, and is
        raised here. When the caller is cancelled it may still be committed.

        Raises:
            StoreUnavailableError: nothing of it was kept.
        """
        await self._room.acquire()
        if self._thread is None or self._loop is None:
            self._room.release()
            raise StoreUnavailableError(f"store {self.path} is not open")
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(_Write(run, future))
        return await future

    async def read(self, run: Callable[[Connection], T]) -> T:
        """Run `run` on a reader, which sees everything that `write` has returned from. It cannot write.

        Raises:
            StoreUnavailableError: the file could not be read.
        """
        if self._loop is None or not self._open:
            raise StoreUnavailableError(f"store {self.path} is not open")
        return await self._loop.run_in_executor(self._readers, self._read, run)

    def _read(self, run: Callable[[Connection], T]) -> T:
        assert self._reading is not None
        try:
            with self._reading.begin() as connection:
                return run(connection)
        except (DBAPIError, sqlite3.Error) as error:
            raise _translated(error, self.path) from error

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            batch, ending = self._drain(first)
            self._commit(batch)
            self._hand_back(batch)
            if ending:
                return

    def _drain(self, first: _Write) -> tuple[list[_Write], bool]:
        batch = [first]
        while len(batch) < BATCH_WRITES:
            try:
                write = self._queue.get_nowait()
            except queue.Empty:
                break
            if write is None:
                return batch, True
            batch.append(write)
        return batch, False

    def _commit(self, batch: Sequence[_Write]) -> None:
        assert self._writing is not None
        try:
            with self._writing.connect() as connection:
                try:
                    with connection.begin():
                        for write in batch:
                            _attempt(connection, write)
                except BaseException:
                    # A COMMIT that fails can leave the transaction open; the next batch begins on a connection of its own.
                    connection.invalidate()
                    raise
        except Exception as error:  # noqa: BLE001 - the boundary: a writer thread that died would leave every caller waiting
            for write in batch:
                # A write that had failed by itself keeps its own error; what the others did was not kept.
                if write.error is None:
                    write.error = StoreUnavailableError(f"store {self.path}: {_cause(error)}")

    def _hand_back(self, batch: Sequence[_Write]) -> None:
        assert self._loop is not None
        for write in batch:
            if isinstance(write.error, (DBAPIError, sqlite3.Error)):
                write.error = _translated(write.error, self.path)
        try:
            self._loop.call_soon_threadsafe(self._resolve, batch)
        except RuntimeError:
            # The loop was closed without `close`: nobody is left to hear of it, and what was committed stays.
            return

    def _resolve(self, batch: Sequence[_Write]) -> None:
        for write in batch:
            self._room.release()
            if write.future.done():  # its caller was cancelled
                continue
            if write.error is None:
                write.future.set_result(write.value)
            else:
                write.future.set_exception(write.error)


def _attempt(connection: Connection, write: _Write) -> None:
    """Run one write behind a savepoint.

    Raises:
        _TransactionLostError: the transaction of the whole batch is gone.
    """
    raw = raw_connection(connection)
    raw.execute("SAVEPOINT one_write")
    try:
        write.value = write.run(connection)
    except Exception as error:  # not handled here but handed to the caller that waits for it
        write.error = error
        if not raw.in_transaction:
            raise _TransactionLostError(_cause(error)) from error
        raw.execute("ROLLBACK TO one_write")
    raw.execute("RELEASE one_write")


def sqlite_engine(path: Path, *, read_only: bool = False) -> Engine:
    """An engine whose transactions are what they seem.

    Python's sqlite3 opens transactions by itself, late and not before every statement, which breaks savepoints and DDL. So it
    is told not to (`isolation_level = None`) and BEGIN is written here; a writer takes its lock at once, because a transaction
    that reads first and writes later can fail in a way that no waiting repairs.
    """
    # `mode=ro` holds even for a statement that lifts `query_only`, and for what SQLite itself writes: no checkpoint, no change of
    # the journal's kind.
    url = URL.create("sqlite", database=path.absolute().as_uri(), query={"mode": "ro", "uri": "true"}) if read_only else None
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
        raise ConfigurationError(f"store {path}: {_cause(error)}: expected a SQLite database in a folder we may write") from error


def raw_connection(connection: Connection) -> sqlite3.Connection:
    """The driver's own connection, for statements that run thousands of times a second."""
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    return raw


def _cause(error: BaseException) -> str:
    return str(error.orig) if isinstance(error, DBAPIError) else str(error)


def _translated(error: DBAPIError | sqlite3.Error, path: Path) -> Exception:
    kind = type(error.orig if isinstance(error, DBAPIError) else error).__name__
    if kind in _UNAVAILABLE:
        unavailable = StoreUnavailableError(f"store {path}: {_cause(error)}")
        unavailable.__cause__ = error
        return unavailable
    return error
