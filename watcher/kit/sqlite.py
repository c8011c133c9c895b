"""One SQLite file: one writer thread that commits in groups, a few readers, at most one owner.

A commit costs one flush of the disk whatever it holds, so everything that waits is written in one transaction. Nothing here
blocks the event loop; nothing outside of this module and its neighbours of that name, `watcher/backlog/sqlite.py` and
`watcher/storage.py` knows that it is SQLite.
"""

import asyncio
import contextlib
import fcntl
import os
import queue
import sqlite3
import stat
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from watcher.kit.sqlite_condition import Condition
from watcher.kit.sqlite_engine import BUSY_SECONDS, READERS, cause, connect, make_private, raw_connection, sqlite_engine
from watcher.kit.sqlite_trouble import Ailment, FileIdentity, Trouble, gone, trouble_of
from watcher.model.errors import BusyError, ConfigurationError, RetryableError

T = TypeVar("T")

# One flush for this many writes. At 60 µs a write the first of them waits 15 ms for the last, which no sender notices.
BATCH_WRITES = 256
# Beyond this many waiting writes a caller waits before it may even queue: memory is bounded, and senders feel the pressure.
WAITING_WRITES = 4096
# The same once a wait was in vain: whoever comes meanwhile hears so at once, and the lock is asked for often enough.
LOCKED_SECONDS = 0.2


class StoreUnavailableError(RetryableError):
    """The database could not be read or written now: `trouble` says why, None when it is not open at all."""

    reason = "store-unavailable"

    def __init__(self, message: str, *, trouble: Trouble | None = None) -> None:
        super().__init__(message)
        self.trouble = trouble


@dataclass(slots=True)
class _Write:
    run: Callable[[Connection], Any]
    future: asyncio.Future[Any]
    value: Any = None
    error: Exception | None = None


class _TransactionLostError(Exception):
    """SQLite rolled the whole transaction back by itself, as it does when the disk is full."""


class _FileGoneError(Exception):
    """The file is not, or not any more, the one that was opened."""


def _touch(connection: Connection) -> None:
    """The least that can be written: a number in the file's header that nothing else uses."""
    version: int = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    connection.exec_driver_sql(f"PRAGMA user_version = {(version + 1) % 2**31}")


class Database:
    """One file. `own`, then migrate, then `open`; `close` at the end.

    Statements run as functions of a SQLAlchemy connection, in a thread: they must not touch the event loop.
    `trial` is a small write that changes something and means nothing; `counted` hears the word for every failure.
    """

    def __init__(
        self,
        path: Path,
        *,
        waiting_writes: int = WAITING_WRITES,
        trial: Callable[[Connection], object] = _touch,
        counted: Callable[[str], None] = lambda _ailment: None,
    ) -> None:
        self.path = path
        self._trial = trial
        self._condition = Condition(path, counted=counted)
        self._identity: FileIdentity | None = None
        self._trying = asyncio.Lock()
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
            BusyError: another process owns the file.
            ConfigurationError: its folder cannot be written, or it is a folder or a device.
        """
        with contextlib.suppress(OSError):  # what cannot be looked at cannot be locked either, or is not there yet
            if not stat.S_ISREG(self.path.stat().st_mode):
                raise ConfigurationError(f"store {self.path}: is no file")
        lock_path = self.path.with_name(self.path.name + ".lock")
        try:
            lock = os.fdopen(os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "a+", encoding="ascii")
        except OSError as error:
            told = f"{lock_path} cannot be written: {error.strerror}; the store needs a folder that the watcher may write"
            raise ConfigurationError(f"store {self.path}: {told}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            owner = lock.read(20).strip() or "unknown"
            lock.close()
            raise BusyError(f"store {self.path} is in use by another watcher, process {owner}: stop it first") from error
        except OSError as error:
            lock.close()
            raise ConfigurationError(
                f"store {self.path}: {lock_path} cannot be locked: {error.strerror}; use a local disk"
            ) from error
        self._owner = lock
        with contextlib.suppress(OSError):
            os.fchmod(lock.fileno(), 0o600)
        make_private(self.path)
        # The number is for people; on a full disk the lock holds without it.
        with contextlib.suppress(OSError):
            lock.truncate(0)
            os.write(lock.fileno(), f"{os.getpid()}\n".encode())

    async def open(self, *, create: bool = True, read_only: bool = False) -> None:
        """Open the file and start the writer, unless it is only to be read: then nothing is written to it, whatever is called.

        Raises:
            ConfigurationError: not there (with `create` false), not a database, or cannot be opened or written.
        """
        self._loop = asyncio.get_running_loop()
        if not create and _is_missing(self.path):
            raise ConfigurationError(f"store {self.path} does not exist: `watcher run` creates it")
        self._reading = sqlite_engine(self.path, read_only=True)
        if not read_only:
            self._writing = sqlite_engine(self.path)
        first = self._writing or self._reading
        connection = await self._loop.run_in_executor(self._readers, connect, first, self.path)
        connection.close()
        self._identity = FileIdentity.of(self.path)
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
            StoreUnavailableError: nothing of it was kept. Of a file in which damage was met nothing is kept any more: what is in
                it may be lost when it is opened again.
        """
        if (damage := self._condition.damage) is not None:
            self._condition.failed(damage)
            raise StoreUnavailableError(f"store: {damage.text}", trouble=damage)
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

    async def trouble(self) -> str | None:
        """Why nothing could be written now, in words; None when something was, a moment ago at most.

        It is tried by writing, once for all who ask within a second.
        """
        async with self._trying:
            if self._thread is None:
                return "the store does not answer"
            if not self._condition.is_fresh():
                with contextlib.suppress(StoreUnavailableError):  # the condition knows
                    await self.write(self._trial)
                    self._condition.proved()
        found = self._condition.trouble
        return None if found is None else found.text

    @property
    def in_trouble(self) -> bool:
        """Whether the last that was written failed, or damage was met."""
        return self._condition.trouble is not None

    def _read(self, run: Callable[[Connection], T]) -> T:
        assert self._reading is not None
        try:
            with self._reading.begin() as connection:
                return run(connection)
        except (DBAPIError, sqlite3.Error) as error:
            trouble = trouble_of(error, self.path)
            if trouble is None:
                raise
            self._condition.read_failed(trouble)
            raise StoreUnavailableError(f"store: {trouble.text}", trouble=trouble) from error

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
            self._check_identity()
            with self._writing.connect() as connection:
                try:
                    changed = self._write_all(connection, batch)
                except BaseException:
                    # A COMMIT that fails can leave the transaction open; the next batch begins on a connection of its own, and
                    # with another log if it was the last that the old one had.
                    connection.invalidate()
                    self._identity = replace(self._identity, log=None) if self._identity else None
                    raise
            # What went into a file that is nobody's is lost, though the commit succeeded.
            self._check_identity()
        except Exception as error:  # noqa: BLE001 - the boundary: a writer thread that died would leave every caller waiting
            trouble = self._trouble_of(error)
            for write in batch:
                # A write that had failed by itself keeps its own error; what the others did was not kept.
                if write.error is None:
                    write.error = StoreUnavailableError(f"store: {trouble.text if trouble else cause(error)}", trouble=trouble)
            if trouble is not None:
                self._condition.failed(trouble)
        else:
            if changed and not any(isinstance(write.error, (DBAPIError, sqlite3.Error)) for write in batch):
                self._condition.proved()

    def _write_all(self, connection: Connection, batch: Sequence[_Write]) -> bool:
        """Run and commit a batch; whether anything was written, which proves that writing is possible.

        A transaction that changes nothing succeeds on a full disk: while there is trouble something is written with it.
        """
        raw, trouble = raw_connection(connection), self._condition.trouble
        is_locked = trouble is not None and trouble.ailment is Ailment.LOCKED
        if is_locked:
            raw.execute(f"PRAGMA busy_timeout = {LOCKED_SECONDS * 1000:.0f}")
        with connection.begin():
            before = raw.total_changes
            for write in batch:
                _attempt(connection, write)
            if trouble is not None:
                self._trial(connection)
        if is_locked:
            raw.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}")
        return trouble is not None or raw.total_changes > before

    def _check_identity(self) -> None:
        """Raises _FileGoneError: the file was removed or replaced."""
        found = FileIdentity.of(self.path)
        if self._identity is not None and not self._identity.is_still(found):
            raise _FileGoneError
        self._identity = found

    def _trouble_of(self, error: BaseException) -> Trouble | None:
        if isinstance(error, _FileGoneError):
            return gone()
        return trouble_of(error.__cause__ or error if isinstance(error, _TransactionLostError) else error, self.path)

    def _hand_back(self, batch: Sequence[_Write]) -> None:
        assert self._loop is not None
        for write in batch:
            if write.error is not None and (trouble := trouble_of(write.error, self.path)) is not None:
                self._condition.failed(trouble)
                unavailable = StoreUnavailableError(f"store: {trouble.text}", trouble=trouble)
                unavailable.__cause__ = write.error
                write.error = unavailable
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


def _is_missing(path: Path) -> bool:
    """Whether it is not there; what cannot be looked at is not missing, and opening it says why."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


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
            raise _TransactionLostError(cause(error)) from error
        raw.execute("ROLLBACK TO one_write")
    raw.execute("RELEASE one_write")
