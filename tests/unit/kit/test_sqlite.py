"""One writer that commits in groups, readers beside it, one owner."""

import asyncio
import contextlib
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection

from watcher.kit import sqlite
from watcher.kit.sqlite import Database, StoreUnavailableError
from watcher.kit.sqlite_engine import raw_connection, sqlite_engine
from watcher.model.errors import BusyError, ConfigurationError


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database(tmp_path / "test.db")
    await opened.open()
    await opened.write(_execute("CREATE TABLE t (x INTEGER PRIMARY KEY, y INTEGER REFERENCES t (x) DEFERRABLE INITIALLY DEFERRED)"))
    yield opened
    await opened.close()


def _execute(statement: str) -> Callable[[Connection], None]:
    def run(connection: Connection) -> None:
        connection.exec_driver_sql(statement)

    return run


def _rows(connection: Connection) -> list[int]:
    return [row[0] for row in connection.exec_driver_sql("SELECT x FROM t ORDER BY x")]


async def _queued_together(database: Database, *writes: Callable[[Connection], object]) -> list[object]:
    """Hold the writer until all of `writes` wait, so that they share one transaction."""
    started, release = threading.Event(), threading.Event()

    def hold(_: Connection) -> None:
        started.set()
        release.wait(5)

    async with asyncio.TaskGroup() as group:
        group.create_task(database.write(hold))
        await asyncio.to_thread(started.wait, 5)
        together = [group.create_task(_outcome(database, write)) for write in writes]
        await asyncio.sleep(0)
        release.set()
    return [task.result() for task in together]


async def _outcome(database: Database, write: Callable[[Connection], object]) -> object:
    try:
        return await database.write(write)
    except (ValueError, StoreUnavailableError, RuntimeError) as error:
        return error


def _then_fail(statement: str) -> Callable[[Connection], None]:
    def run(connection: Connection) -> None:
        connection.exec_driver_sql(statement)
        raise ValueError("mine")

    return run


async def test_a_reader_sees_what_a_write_has_returned_from(database: Database) -> None:
    """After `write` returned, every later `read` sees what it did."""
    assert await database.write(lambda connection: connection.exec_driver_sql("INSERT INTO t VALUES (1, NULL)").rowcount) == 1
    assert await database.read(_rows) == [1]


async def test_a_write_that_fails_undoes_only_itself(database: Database) -> None:
    """Writes share a transaction, but a failing one takes back its own statements and no neighbour's."""
    results = await _queued_together(
        database,
        _execute("INSERT INTO t VALUES (1, NULL)"),
        _then_fail("INSERT INTO t VALUES (2, NULL)"),
        _execute("INSERT INTO t VALUES (3, NULL)"),
    )
    assert [type(result) for result in results] == [type(None), ValueError, type(None)]
    assert await database.read(_rows) == [1, 3]


async def test_writes_that_wait_are_committed_once(database: Database) -> None:
    """Everything that waits shares one commit, up to the size of a batch."""
    statements: list[str] = []
    await database.write(lambda connection: raw_connection(connection).set_trace_callback(statements.append))
    statements.clear()
    insert = _execute("INSERT INTO t DEFAULT VALUES")
    await _queued_together(database, *([insert] * (sqlite.BATCH_WRITES + 10)))
    # The write that held the writer, a full batch, and the rest.
    assert statements.count("COMMIT") == 3
    assert len(await database.read(_rows)) == sqlite.BATCH_WRITES + 10


async def test_a_commit_that_fails_fails_everybody(database: Database) -> None:
    """When the commit fails nothing was kept, and every write of the batch says so; one that failed by itself keeps its error."""
    results = await _queued_together(
        database,
        _execute("INSERT INTO t VALUES (1, NULL)"),
        _then_fail("INSERT INTO t VALUES (2, NULL)"),
        _execute("INSERT INTO t VALUES (3, 99)"),  # breaks its foreign key, which is checked at the end
    )
    assert [type(result) for result in results] == [StoreUnavailableError, ValueError, StoreUnavailableError]
    assert await database.read(_rows) == []
    await database.write(_execute("INSERT INTO t VALUES (4, NULL)"))
    assert await database.read(_rows) == [4]


async def test_a_full_disk_is_retryable_and_passes(database: Database) -> None:
    """A disk that is full gives `store-unavailable` and nothing half done; with space again, writing goes on."""
    await database.write(_execute("PRAGMA max_page_count = 3"))
    fill = _execute("INSERT INTO t SELECT value, NULL FROM (WITH RECURSIVE c (value) AS "
                    "(VALUES (10) UNION ALL SELECT value + 1 FROM c WHERE value < 9000) SELECT value FROM c)")  # fmt: skip
    results = await _queued_together(database, _execute("INSERT INTO t VALUES (1, NULL)"), fill)
    assert isinstance(results[1], StoreUnavailableError)
    assert results[1].reason == "store-unavailable"
    # Whether SQLite undid only the statement or the transaction, a write that says it succeeded is there.
    assert await database.read(_rows) == ([1] if results[0] is None else [])
    await database.write(_execute("PRAGMA max_page_count = 100000"))
    await database.write(fill)
    assert 8999 in await database.read(_rows)


async def test_a_transaction_that_is_lost_fails_everybody(database: Database) -> None:
    """When the whole transaction is rolled back under a write, its neighbours are told that nothing was kept."""

    def lose(connection: Connection) -> None:
        raw_connection(connection).execute("ROLLBACK")
        raise ValueError("mine")

    results = await _queued_together(database, _execute("INSERT INTO t VALUES (1, NULL)"), lose)
    assert [type(result) for result in results] == [StoreUnavailableError, ValueError]
    assert await database.read(_rows) == []


async def test_a_reader_cannot_write(database: Database) -> None:
    """Readers are read-only, so that nothing bypasses the writer."""
    with pytest.raises(StoreUnavailableError, match="readonly"):
        await database.read(_execute("INSERT INTO t VALUES (1, NULL)"))


async def test_savepoints_nest_within_a_write(database: Database) -> None:
    """SQLAlchemy's own savepoints do what they say: Python's sqlite3 does not open transactions behind our back."""

    def run(connection: Connection) -> None:
        connection.exec_driver_sql("INSERT INTO t VALUES (1, NULL)")
        inner = connection.begin_nested()
        connection.exec_driver_sql("INSERT INTO t VALUES (2, NULL)")
        inner.rollback()

    await database.write(run)
    assert await database.read(_rows) == [1]


async def test_a_cancelled_caller_harms_nobody(database: Database) -> None:
    """A caller that goes away leaves its place in the queue in order."""
    started, release = threading.Event(), threading.Event()

    def hold(_: Connection) -> None:
        started.set()
        release.wait(5)

    async with asyncio.TaskGroup() as group:
        group.create_task(database.write(hold))
        await asyncio.to_thread(started.wait, 5)
        cancelled = group.create_task(database.write(_execute("INSERT INTO t VALUES (1, NULL)")))
        await asyncio.sleep(0)
        cancelled.cancel()
        kept = group.create_task(database.write(_execute("INSERT INTO t VALUES (2, NULL)")))
        await asyncio.sleep(0)
        release.set()
    assert cancelled.cancelled()
    assert kept.result() is None


async def test_the_queue_is_bounded(tmp_path: Path) -> None:
    """Beyond its bound a write waits before it is queued, and is served when there is room."""
    database = Database(tmp_path / "bounded.db", waiting_writes=2)
    await database.open()
    try:
        await database.write(_execute("CREATE TABLE t (x INTEGER PRIMARY KEY)"))
        await asyncio.gather(*(database.write(_execute("INSERT INTO t DEFAULT VALUES")) for _ in range(50)))
        assert len(await database.read(_rows)) == 50
    finally:
        await database.close()


async def test_closing_commits_what_is_queued(tmp_path: Path) -> None:
    """`close` ends the writer after everything that was queued before it."""
    database = Database(tmp_path / "test.db")
    await database.open()
    await database.write(_execute("CREATE TABLE t (x INTEGER PRIMARY KEY)"))
    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(database.write(_execute("INSERT INTO t DEFAULT VALUES")))
        await asyncio.sleep(0)
        await database.close()
    again = Database(tmp_path / "test.db")
    await again.open(create=False)
    assert len(await again.read(_rows)) == 20
    await again.close()


async def test_after_closing_nothing_is_taken(tmp_path: Path) -> None:
    """A closed database refuses reads and writes as one that cannot be reached; closing it again is harmless."""
    database = Database(tmp_path / "test.db")
    await database.open()
    await database.close()
    await database.close()
    for attempt in (database.write(_rows), database.read(_rows)):
        with pytest.raises(StoreUnavailableError, match="not open"):
            await attempt


async def test_a_file_has_one_owner(tmp_path: Path) -> None:
    """A second daemon on one file is refused with the process that has it; a reader beside the owner is not."""
    path = tmp_path / "test.db"
    first, second = Database(path), Database(path)
    first.own()
    await first.open()
    with pytest.raises(BusyError, match=r"in use by another watcher, process \d+"):
        second.own()
    await second.open(create=False)
    await second.close()
    await first.close()
    third = Database(path)
    third.own()
    await third.close()


async def test_an_owner_that_dies_leaves_the_file_free(tmp_path: Path) -> None:
    """Ownership ends with the process, however it ends."""
    script = (
        "import os, pathlib, sys; from watcher.kit.sqlite import Database;"
        "Database(pathlib.Path(sys.argv[1])).own(); os.kill(os.getpid(), 9)"
    )
    child = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", script, str(tmp_path / "test.db")], check=False)
    assert child.returncode == -9
    database = Database(tmp_path / "test.db")
    database.own()
    await database.close()


async def test_what_is_no_database_is_refused_in_words(tmp_path: Path) -> None:
    """A file of something else is named, not overwritten."""
    path = tmp_path / "notes.txt"
    path.write_text("not a database " * 100)
    database = Database(path)
    with pytest.raises(ConfigurationError, match=r"notes\.txt.*file is not a database"):
        await database.open()
    await database.close()
    assert path.read_text().startswith("not a database")


async def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Neither ownership nor opening creates folders; both say which path is wrong."""
    database = Database(tmp_path / "missing" / "test.db")
    with pytest.raises(ConfigurationError, match=r"missing/test\.db\.lock cannot be written: No such file or directory"):
        database.own()
    with pytest.raises(ConfigurationError, match=r"missing/test\.db.*unable to open"):
        await database.open()
    await database.close()


async def test_a_reader_does_not_create_the_file(tmp_path: Path) -> None:
    """The command line on a store that is not there says what creates it."""
    database = Database(tmp_path / "test.db")
    with pytest.raises(ConfigurationError, match="does not exist: `watcher run` creates it"):
        await database.open(create=False)
    await database.close()
    assert not (tmp_path / "test.db").exists()


async def test_a_lock_held_by_another_process_is_retryable(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that another process keeps out for too long says so and can be called again."""
    await database.write(_execute("PRAGMA busy_timeout = 10"))
    engine = sqlite_engine(database.path)
    with engine.connect() as other:
        other.begin()
        with pytest.raises(StoreUnavailableError, match="locked"):
            await database.write(_execute("INSERT INTO t VALUES (1, NULL)"))
    engine.dispose()
    await database.write(_execute("INSERT INTO t VALUES (1, NULL)"))


async def test_a_file_opened_to_be_read_is_not_written(tmp_path: Path, database: Database) -> None:
    """Not by us, not by SQLite itself: a look at a store from the command line leaves every byte of it as it was."""
    await database.write(_execute("INSERT INTO t VALUES (1, NULL)"))
    before = _bytes_of(tmp_path)
    reader = Database(database.path)
    await reader.open(create=False, read_only=True)
    assert await reader.read(lambda connection: connection.exec_driver_sql("SELECT count(*) FROM t").scalar_one()) == 1
    with pytest.raises(StoreUnavailableError, match="not open"):
        await reader.write(_execute("INSERT INTO t VALUES (2, NULL)"))
    for statement in ("INSERT INTO t VALUES (3, NULL)", "PRAGMA query_only = OFF", "PRAGMA journal_mode = DELETE", "DELETE FROM t"):
        with contextlib.suppress(StoreUnavailableError):
            await reader.read(_execute(statement))
    await reader.close()
    assert _bytes_of(tmp_path) == before


def _bytes_of(folder: Path) -> dict[str, bytes]:
    # What readers share of the log's index is theirs to write.
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".db-shm"}
