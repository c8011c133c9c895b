"""`watcher store backup`, `check` and `stats`, beside a daemon or on a file that is broken."""

import asyncio
import json
import os
import resource
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.doubles.databases import open_database
from tests.doubles.routes import nobody
from tests.doubles.verdicts import MOMENT, a_verdict
from tests.unit.cli.conftest import Ended, Run
from watcher.kit.sqlite import Database
from watcher.store.protocol import Judged
from watcher.store.verdicts import StoredVerdicts

VERDICTS = 300


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with verdicts, that nobody has open."""
    path = tmp_path_factory.mktemp("filled") / "watcher.db"
    asyncio.run(fill(path))
    return path


@pytest.fixture
def path(tmp_path: Path, filled: Path) -> Path:
    """A copy of it, that a configuration in the same folder names."""
    (tmp_path / "watcher.yaml").write_text(f"store: {{url: 'sqlite:///{tmp_path}/watcher.db'}}\n")
    return Path(shutil.copy(filled, tmp_path / "watcher.db"))


async def fill(path: Path) -> None:
    async with open_database(path) as database:
        judged = [Judged(verdict=a_verdict(id=f"v-{number}", reason="because " * 40)) for number in range(VERDICTS)]
        await StoredVerdicts(database, lambda: MOMENT).record(judged, nobody)


def count(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        number: int = connection.execute("SELECT count(*) FROM verdict").fetchone()[0]
        return number


def test_a_backup_has_what_only_the_log_has(watcher: Run, path: Path, tmp_path: Path) -> None:
    """Beside a daemon: what was committed a moment ago stands in the log, which `cp` of the file leaves behind."""

    async def beside() -> tuple[Ended, int]:
        async with open_database(path) as database:
            await StoredVerdicts(database, lambda: MOMENT).record([Judged(verdict=a_verdict(id="newest"))], nobody)
            shutil.copy(path, tmp_path / "cp")
            return await asyncio.to_thread(watcher, "store", "backup", "copy.db"), count(tmp_path / "cp")

    ended, copied = asyncio.run(beside())
    assert (ended.code, ended.out, ended.err) == (0, f"copy.db: {(tmp_path / 'copy.db').stat().st_size // 1024} KiB\n", "")
    assert (count(tmp_path / "copy.db"), copied) == (VERDICTS + 1, VERDICTS)
    assert watcher("store", "check", "copy.db").code == 0
    assert sorted(each.name for each in tmp_path.glob("*copy*")) == ["copy.db"]


def test_a_backup_is_for_its_owner_alone(watcher: Run, path: Path, tmp_path: Path) -> None:
    """Whatever the mask of the process."""
    assert path.exists()
    watcher("store", "backup", "copy.db")
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600


def test_a_backup_takes_nothings_place_by_mistake(watcher: Run, path: Path, tmp_path: Path) -> None:
    """Not that of a file, unless it is told to; never that of the store itself, nor of a database in use."""
    (tmp_path / "copy.db").write_text("precious")
    refused = watcher("store", "backup", "copy.db")
    assert (refused.code, "is there already; --replace" in refused.err) == (2, True)
    assert (tmp_path / "copy.db").read_text() == "precious"
    assert watcher("store", "backup", "--replace", "copy.db").code == 0
    assert count(tmp_path / "copy.db") == VERDICTS
    assert "is the store itself" in watcher("store", "backup", "--replace", "watcher.db").err
    (tmp_path / "other.db-wal").touch()
    assert "a database in use" in watcher("store", "backup", "other.db").err
    assert "cannot be written: No such file or directory" in watcher("store", "backup", "nowhere/copy.db").err
    assert count(path) == VERDICTS


def test_a_whole_store_is_said_to_be_whole(watcher: Run, path: Path) -> None:
    """With what is in it, as text and as JSON."""
    assert path.exists()
    text = watcher("store", "check")
    assert (text.code, text.out.splitlines()[-1]) == (0, "undamaged")
    said = json.loads(watcher("store", "check", "--quick", "-o", "json").out)
    assert (said["undamaged"], said["problems"], said["rows"]["verdict"]) == (True, [], VERDICTS)


def zero_header(content: bytearray) -> None:
    content[:100] = bytes(100)


def truncate(content: bytearray) -> None:
    del content[len(content) // 2 :]


def zero_pages(content: bytearray) -> None:
    half = len(content) // 8192 * 4096
    content[half : half + 8 * 4096] = bytes(8 * 4096)


def lose_rows(content: bytearray) -> None:
    """Another program's content under a header that is right."""
    content[4096:] = b"\x00\xff" * ((len(content) - 4096) // 2)


@pytest.mark.parametrize("harm", [zero_header, truncate, zero_pages, lose_rows])
def test_damage_is_named_with_what_is_lost(watcher: Run, path: Path, harm: Callable[[bytearray], None]) -> None:
    """1, what is wrong, and what to do; there is no copy of it, and whatever reads it says so in a sentence."""
    content = bytearray(path.read_bytes())
    harm(content)
    path.write_bytes(content)
    ended = watcher("store", "check")
    assert (ended.code, "DAMAGED:" in ended.out, "restore a backup" in ended.out, ended.err) == (1, True, True, "")
    assert path.read_bytes() == content
    backup = watcher("store", "backup", "copy.db")
    assert (backup.code, "damaged" in backup.err, backup.err.count("\n")) == (2, True, 1)
    assert not path.with_name("copy.db").exists()


def test_what_is_no_store_is_not_said_to_be_one(watcher: Run, tmp_path: Path) -> None:
    """A file that is not there, an empty one, and one of another program."""
    (tmp_path / "empty.db").touch()
    with closing(sqlite3.connect(tmp_path / "strange.db")) as connection:
        connection.execute("CREATE TABLE t (x)")
    assert watcher("store", "check", "missing.db").code == 2
    for name in ("empty.db", "strange.db"):
        ended = watcher("store", "check", name)
        assert (ended.code, "has no tables of ours" in ended.out) == (1, True)
        assert "has no tables of ours: it is no store" in watcher("store", "stats", name).err
    (tmp_path / "watcher.yaml").write_text(f"store: {{url: 'sqlite:///{tmp_path}/empty.db'}}\n")
    refused = watcher("store", "backup", "copy.db")
    assert (refused.code, "it is no store" in refused.err, (tmp_path / "copy.db").exists()) == (2, True, False)


def test_nothing_is_to_be_done_to_a_file_that_is_none(watcher: Run, path: Path, tmp_path: Path) -> None:
    """Whoever names a file of the system by mistake is not told to move it away, nor what of ours is lost in it."""
    other = tmp_path / "passwd"
    other.write_text("root:x:0:0:root:/root:/bin/bash\n" * 200)
    checked, stats = watcher("store", "check", str(other)), watcher("store", "stats", str(other))
    assert (checked.code, stats.code) == (1, 3)
    assert "NO STORE:\n  file is not a database\n" in checked.out
    for said in (checked.out, stats.err):
        assert not any(words in said for words in ("away", "damaged", "DAMAGED", "inbox"))
    harmed = bytearray(path.read_bytes())
    zero_pages(harmed)
    (tmp_path / "backup.db").write_bytes(harmed)
    of_backup = watcher("store", "check", "backup.db").out
    assert ("DAMAGED:" in of_backup, "Do not restore" in of_backup, "away" in of_backup) == (True, True, False)


def test_a_folder_is_no_store(watcher: Run, path: Path) -> None:
    """Named by the configuration, as a volume that docker made where a file was to be."""
    path.unlink()
    path.mkdir()
    for command in ("check",), ("backup", "copy.db"):
        ended = watcher("store", *command)
        assert (ended.code, ended.err) == (2, f"watcher: store {path}: is no file\n")


def test_a_table_that_is_not_there_is_damage(watcher: Run, path: Path) -> None:
    """The file is whole for SQLite, and no daemon can use it."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE job")
    ended = watcher("store", "check")
    assert (ended.code, "DAMAGED:" in ended.out, "  job: cannot be read" in ended.out) == (1, True, True)


def test_a_store_of_a_newer_version_is_not_called_damaged(watcher: Run, path: Path) -> None:
    """Nobody is to move it away: it is read by the version that wrote it."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    ended = watcher("store", "check")
    assert (ended.code, ended.out) == (2, "")
    assert "was written by a newer version (tables '9999'): run that version or a later one" in ended.err


def test_a_backup_replaces_files_only(watcher: Run, path: Path, tmp_path: Path) -> None:
    """A pipe or a device would be gone; and a name that cannot be is said to be one."""
    assert path.exists()
    os.mkfifo(tmp_path / "pipe")
    refused = watcher("store", "backup", "--replace", "pipe")
    assert (refused.code, refused.err, (tmp_path / "pipe").is_fifo()) == (2, "watcher: pipe: is no file\n", True)
    refused = watcher("store", "backup", "a" * 250)
    assert (refused.code, "cannot be written: File name too long" in refused.err, refused.err.count("\n")) == (2, True, 1)


def test_who_cannot_write_the_backup_is_told_where(watcher: Run, path: Path, tmp_path: Path) -> None:
    """Not that the store's disk is in trouble; and nothing half-written is left."""
    (tmp_path / "there").mkdir()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size // 2, hard))
    try:
        refused = watcher("store", "backup", "there/copy.db")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (refused.code, refused.err.startswith("watcher: there/copy.db: cannot be written: ")) == (2, True)
    assert list((tmp_path / "there").iterdir()) == []


def test_stats_say_what_the_store_consists_of(watcher: Run, path: Path) -> None:
    """Rows and bytes by table, with what is free; the tables and what is free in the file are all of it."""
    ended = watcher("store", "stats", "-o", "json")
    told = json.loads(ended.out)
    assert (ended.code, told["tables"]["verdict"]["rows"]) == (0, VERDICTS)
    assert told["files"]["database"] == path.stat().st_size
    in_tables = sum(each["bytes"] for each in told["tables"].values())
    assert told["files"]["database"] * 0.8 < in_tables + told["reusable_bytes"] <= told["files"]["database"]
    assert list(told["tables"].values()) == sorted(told["tables"].values(), key=lambda each: -each["bytes"])
    lines = watcher("store", "stats").out.splitlines()
    assert any(line.split()[:2] == ["verdict", str(VERDICTS)] for line in lines)
    assert lines[-1].startswith(f"{path}: ")


@pytest.mark.parametrize(("content", "code"), [(b"", 2), (b"x" * 5000, 3)])
def test_stats_of_what_is_no_store_are_refused(watcher: Run, path: Path, tmp_path: Path, content: bytes, code: int) -> None:
    """An empty file has no tables of ours, and one that is no database cannot be read: one line, no traceback."""
    other = tmp_path / "other.db"
    other.write_bytes(content)
    ended = watcher("store", "stats", str(other))
    assert (ended.code, ended.out) == (code, "")
    assert ended.err.startswith(f"watcher: store {other}")
    assert ended.err.count("\n") == 1


def test_a_store_that_another_watcher_has_may_be_free_soon(watcher: Run, tmp_path: Path) -> None:
    """`run` ends with another code than for what has to be changed, for which nobody should start it again."""
    (tmp_path / "watcher.yaml").write_text(f"store: {{url: 'sqlite:///{tmp_path}/watcher.db'}}\n")
    owner = Database(tmp_path / "watcher.db")
    owner.own()
    try:
        ended = watcher("run")
    finally:
        asyncio.run(owner.close())
    assert (ended.code, "in use by another watcher" in ended.err) == (os.EX_TEMPFAIL, True)
