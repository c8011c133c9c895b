"""A database that cannot be written: why, in words; that it can again; and what is said of both."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest
import structlog
from sqlalchemy import Connection

from watcher.kit import sqlite_condition
from watcher.kit.sqlite import Database, StoreUnavailableError
from watcher.kit.sqlite_condition import QUIET_SECONDS, Condition
from watcher.kit.sqlite_trouble import Ailment, full, gone, read_only, trouble_of
from watcher.model.errors import ConfigurationError


@pytest.fixture
def counted() -> list[str]:
    return []


@pytest.fixture
async def database(tmp_path: Path, counted: list[str]) -> AsyncIterator[Database]:
    opened = Database(tmp_path / "in" / "test.db", counted=counted.append)
    opened.path.parent.mkdir()
    await opened.open()
    await opened.write(execute("CREATE TABLE t (x INTEGER PRIMARY KEY)"))
    yield opened
    await opened.close()


def execute(statement: str) -> Callable[[Connection], None]:
    def run(connection: Connection) -> None:
        connection.exec_driver_sql(statement)

    return run


INSERT = execute("INSERT INTO t DEFAULT VALUES")


async def refused(database: Database) -> str:
    with pytest.raises(StoreUnavailableError) as caught:
        await database.write(INSERT)
    return str(caught.value)


async def test_a_write_shows_that_writing_is_possible(database: Database) -> None:
    """Whoever asks whether anything can be written has it tried, with a change that reaches the disk."""
    statements: list[str] = []
    await database.write(lambda connection: connection.connection.driver_connection.set_trace_callback(statements.append))  # type: ignore[union-attr]
    database._condition._known_at = float("-inf")
    assert await database.trouble() is None
    assert any(statement.startswith("PRAGMA user_version = ") for statement in statements)


async def test_who_asks_at_the_same_time_shares_a_write(database: Database) -> None:
    """A flood of probes costs nothing."""
    database._condition._known_at = float("-inf")
    before = await database.read(lambda connection: connection.exec_driver_sql("PRAGMA user_version").scalar_one())
    for _ in range(50):
        assert await database.trouble() is None
    after = await database.read(lambda connection: connection.exec_driver_sql("PRAGMA user_version").scalar_one())
    assert after - before <= 2


async def test_a_lock_is_named_and_passes(database: Database, counted: list[str]) -> None:
    """While another process holds the file every write says so, and the first one afterwards is kept."""
    await database.write(execute("PRAGMA busy_timeout = 10"))
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert "the database is locked by another process" in await refused(database)
        assert "locked" in (await database.trouble() or "")
        other.execute("ROLLBACK")
    await database.write(INSERT)
    assert await database.trouble() is None
    assert set(counted) == {"locked"}


async def test_a_transaction_without_a_change_proves_nothing(database: Database) -> None:
    """On a full disk it succeeds; it is no recovery while what has to be written does not fit."""
    await database.write(execute("PRAGMA max_page_count = 2"))
    fill = execute(
        "INSERT INTO t WITH RECURSIVE c (v) AS (VALUES (1) UNION ALL SELECT v + 1 FROM c WHERE v < 9000) SELECT v FROM c"
    )
    with pytest.raises(StoreUnavailableError, match="the disk is full"):
        await database.write(fill)
    database._trial = fill
    with pytest.raises(StoreUnavailableError, match="the disk is full"):
        await database.write(lambda connection: connection.exec_driver_sql("SELECT 1").scalar_one())
    assert await database.trouble() == "the disk is full"
    await database.write(execute("PRAGMA max_page_count = 100000"))
    assert await database.trouble() is None


@pytest.mark.parametrize("what", ["file", "folder", "log", "replaced"])
async def test_a_file_that_is_gone_takes_nothing_in(database: Database, what: str, tmp_path: Path) -> None:
    """SQLite would write on into files that nobody will ever open again: what it acknowledged would be lost."""
    path = database.path
    await database.write(INSERT)
    moves = {
        "file": (path, path.with_suffix(".away")),
        "folder": (path.parent, tmp_path / "away"),
        "log": (Path(f"{path}-wal"), path.with_suffix(".log")),
        "replaced": (path, path.with_suffix(".away")),
    }
    source, away = moves[what]
    source.rename(away)
    if what == "replaced":
        path.write_bytes(away.read_bytes())
    assert "removed or replaced" in await refused(database)
    assert "removed or replaced" in (await database.trouble() or "")
    away.replace(source)
    await database.write(INSERT)
    assert await database.trouble() is None


@pytest.mark.parametrize(
    ("code", "ailment", "words"),
    [
        (sqlite3.SQLITE_FULL, Ailment.FULL, "the disk is full"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, Ailment.LOCKED, "locked by another process"),
        (sqlite3.SQLITE_READONLY_DIRECTORY, Ailment.READ_ONLY, "cannot be written"),
        (sqlite3.SQLITE_IOERR_WRITE, Ailment.BROKEN_DISK, "I/O error"),
        (sqlite3.SQLITE_CANTOPEN, Ailment.OTHER, "cannot be opened"),
        (sqlite3.SQLITE_CORRUPT_INDEX, Ailment.DAMAGED, "damaged"),
        (sqlite3.SQLITE_NOTADB, Ailment.DAMAGED, "damaged"),
    ],
)
def test_what_sqlite_says_is_said_in_words(code: int, ailment: Ailment, words: str, tmp_path: Path) -> None:
    """With what to do, and without a path, since senders of events see it."""
    error = sqlite3.OperationalError("as it says")
    error.sqlite_errorcode = code
    trouble = trouble_of(error, tmp_path / "watcher.db")
    assert trouble is not None
    assert (trouble.ailment, words in trouble.text, str(tmp_path) in trouble.text) == (ailment, True, False)
    assert trouble.advice


@pytest.mark.parametrize(
    ("flags", "free", "ailment"),
    [(os.ST_RDONLY, 10**9, Ailment.READ_ONLY), (0, 0, Ailment.FULL), (0, 10**9, Ailment.BROKEN_DISK)],
)
def test_an_io_error_is_explained_by_its_file_system(
    flags: int, free: int, ailment: Ailment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite calls a full or read-only file system an I/O error at some of its calls."""
    monkeypatch.setattr(os, "statvfs", lambda _path: os.statvfs_result((1, 1, 1, free, free, 1, 1, 1, flags, 255)))
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_SHMSIZE
    trouble = trouble_of(error, tmp_path / "watcher.db")
    assert trouble is not None
    assert trouble.ailment is ailment


def test_a_mistake_of_ours_is_none_of_the_files(tmp_path: Path) -> None:
    """Nothing is wrong with the file when a constraint says no."""
    assert trouble_of(sqlite3.IntegrityError("UNIQUE"), tmp_path / "watcher.db") is None
    assert trouble_of(ValueError("mine"), tmp_path / "watcher.db") is None


def modes_in(folder: Path) -> dict[str, int]:
    return {each.name: each.stat().st_mode & 0o777 for each in folder.iterdir()}


@pytest.mark.parametrize("existing", [False, True])
async def test_nobody_else_reads_it(tmp_path: Path, existing: bool) -> None:
    """The file and all that is beside it, whatever the mask of the process; those of an earlier version too."""
    path, mask = tmp_path / "test.db", os.umask(0)
    try:
        if existing:
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("CREATE TABLE before (x)")
                path.with_name("test.db.lock").touch(0o666)
        owned = Database(path)
        owned.own()
        await owned.open()
        await owned.write(execute("CREATE TABLE t (x)"))
        modes = modes_in(tmp_path)
        await owned.close()
    finally:
        os.umask(mask)
    assert modes == dict.fromkeys(("test.db", "test.db-wal", "test.db-shm", "test.db.lock"), 0o600)


@pytest.mark.parametrize("kind", ["folder", "pipe", "text"])
def test_what_is_no_database_stays_as_it_is(tmp_path: Path, kind: str) -> None:
    """Whatever `store.url` names by mistake: /tmp, or /dev/null, that only root may use was the end of the machine."""
    path = tmp_path / "named"
    match kind:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case _:
            path.write_text("root:x:0:0::/root:/bin/sh\n")
    path.chmod(0o755)
    owned = Database(path)
    if kind == "text":  # that it is no database is found when it is opened
        owned.own()
        asyncio.run(owned.close())
    else:
        with pytest.raises(ConfigurationError, match="named: is no file"):
            owned.own()
    assert path.stat().st_mode & 0o777 == 0o755
    assert kind == "text" or list(tmp_path.iterdir()) == [path]


async def test_a_name_that_cannot_be_is_said_to_be_one(tmp_path: Path) -> None:
    """To the daemon that would own it, and to who would only read."""
    long = Database(tmp_path / ("a" * 300))
    with pytest.raises(ConfigurationError, match="cannot be written: File name too long"):
        long.own()
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        await long.open(create=False, read_only=True)
    await long.close()


def test_damage_does_not_pass(told: "Told") -> None:
    """Other parts of the file can still be written; that says nothing of what was met."""
    error = sqlite3.DatabaseError("database disk image is malformed")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    damaged = trouble_of(error, told.path)
    assert damaged is not None
    told.condition.failed(damaged)
    told.condition.proved()
    assert told.condition.trouble is damaged


def overwrite(path: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.write(b"\xff" * size)


async def test_nothing_is_acknowledged_into_a_file_in_which_a_reader_met_damage(database: Database, counted: list[str]) -> None:
    """The writer has its own view of a log that was overwritten: what it adds is lost when the file is opened again."""
    await database.write(INSERT)
    overwrite(Path(f"{database.path}-wal"))
    with pytest.raises(StoreUnavailableError, match="the database file is damaged"):
        await database.read(execute("SELECT * FROM t"))
    assert "the database file is damaged" in await refused(database)
    assert "the database file is damaged" in (await database.trouble() or "")
    assert set(counted) == {"damaged"}


class Told:
    """A condition of a file on a roomy disk, and what the log has of it. `now` is its time."""

    def __init__(self, path: Path) -> None:
        self.now = 0.0
        self.counted: list[str] = []
        self.condition = Condition(path, counted=self.counted.append, monotonic=lambda: self.now)
        self.path = path


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(tmp_path / "watcher.db")


def test_trouble_is_said_once_and_counted_always(told: Told) -> None:
    """A flood of events that are refused does not flood the log; another trouble is news, and so is the end of all."""
    with structlog.testing.capture_logs() as logged:
        for _ in range(1000):
            told.condition.failed(full(told.path))
        told.condition.failed(read_only(told.path, "read-only file system"))
        told.condition.proved()
        told.condition.proved()
    assert [(each["event"], each["reason"]) for each in logged] == [
        ("store.failed", "disk-full"),
        ("store.failed", "read-only"),
        ("store.recovered", "read-only"),
    ]
    assert logged[0]["advice"] == f"make room on the file system of {told.path.parent}"
    assert len(told.counted) == 1001


def test_what_comes_and_goes_is_said_once_a_minute(told: Told) -> None:
    """A disk at its limit that takes every other write; when it stays full that is said again."""
    with structlog.testing.capture_logs() as logged:
        for _ in range(100):
            told.condition.failed(gone())
            told.condition.proved()
        assert [each["event"] for each in logged] == ["store.failed", "store.recovered"]
        told.now += QUIET_SECONDS + 1
        told.condition.failed(gone())
    assert [each["event"] for each in logged] == ["store.failed", "store.recovered", "store.failed"]


def test_a_full_disk_has_room_again_when_it_has_some(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """What just fits into the space that a failed write left is no recovery."""
    free = [0.0]
    monkeypatch.setattr(sqlite_condition, "free_bytes", lambda _path: free[0])
    told.condition.failed(full(told.path))
    told.condition.proved()
    assert told.condition.trouble is not None
    free[0] = 10e6
    told.condition.proved()
    assert told.condition.trouble is None
