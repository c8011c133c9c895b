"""Whether the file that everything is kept in is whole, and how much of each thing it has."""

import sqlite3
import stat
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from watcher.kit.sqlite_engine import BUSY_SECONDS, read_only_url
from watcher.kit.sqlite_trouble import Ailment, trouble_of
from watcher.model.errors import ConfigurationError, RetryableError
from watcher.store.migrate import newest_revision, require_known

# Of a file that is damaged all over, the first lines say as much as all.
MOST_PROBLEMS = 20
NO_REVISION = "none"
# Spec: sqlite.org/fileformat.html, "The Database Header".
_BEGINNING = b"SQLite format 3\x00"
# What is counted, and what it means that it is lost.
TABLES = {
    "event": "the inbox: deliveries that come again are taken for new",
    "job": "what is waiting or was given up: a sweep finds the images again",
    "verdict": "verdicts: a sweep has the images judged again",
    "publication": "what is still to be told to publishers",
    "image": "images and their inspections",
    "package": "packages of images",
    "layer": "facts of layers: they are read again",
    "findings": "findings of verdicts",
}


class CannotTellError(RetryableError):
    """The file could not be read for another reason than damage."""

    reason = "store-unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """`problems` is empty when the file is whole. `rows` is by table, None for one that cannot be read.

    `may_be_ours` is False of a file that is no database, and of one that is whole and has no tables of ours.
    """

    path: Path
    bytes: int
    revision: str
    problems: tuple[str, ...]
    rows: dict[str, int | None]
    may_be_ours: bool


def check(path: Path, *, quick: bool) -> Report:
    """Read the whole file; `quick` does not hold indexes against their tables. Nothing is written, whoever uses it meanwhile.

    Raises:
        ConfigurationError: there is no such file, or a newer version wrote it.
        CannotTellError: it is locked, or cannot be read.
    """
    with closing(opened_to_look(path)) as connection:
        size = path.stat().st_size
        problems = [*_integrity(connection, path, quick=quick)]
        revision = _revision(connection)
        strange = revision == NO_REVISION and (not problems or not _is_database(path))
        if not problems and revision == NO_REVISION:
            problems.append("the file has no tables of ours")
        elif not problems:
            require_known(revision, path)
        rows = {table: _count(connection, table) for table in TABLES}
        if not problems and revision == newest_revision() and None in rows.values():
            problems.append("tables are missing")
    return Report(path=path, bytes=size, revision=revision, problems=tuple(problems), rows=rows, may_be_ours=not strange)


def require_ours(path: Path) -> None:
    """Refuse a database that is undamaged and no store, so that nobody takes a copy of it for a backup.

    Raises:
        ConfigurationError: there is no such file, or no table of ours in it.
        CannotTellError: it cannot be opened.
    """
    with closing(opened_to_look(path)) as connection, suppress(sqlite3.Error):
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
            raise ConfigurationError(f"store {path} has no tables of ours: it is no store of the watcher")


def opened_to_look(path: Path) -> sqlite3.Connection:
    """For reading alone. Raises as `require_ours`."""
    try:
        kind = path.stat().st_mode
    except OSError as error:
        raise ConfigurationError(f"store {path}: {error.strerror}") from error
    if not stat.S_ISREG(kind):
        raise ConfigurationError(f"store {path}: is no file")
    try:
        return sqlite3.connect(read_only_url(path), uri=True, timeout=BUSY_SECONDS)
    except sqlite3.Error as error:
        raise cannot_tell(error, path) from error


def cannot_tell(error: sqlite3.Error, path: Path) -> CannotTellError:
    """What ails the file, with what to do about it."""
    trouble = trouble_of(error, path)
    return CannotTellError(f"store {path}: {f'{trouble.text}: {trouble.advice}' if trouble else error}")


def _integrity(connection: sqlite3.Connection, path: Path, *, quick: bool) -> Iterator[str]:
    try:
        found = connection.execute(f"PRAGMA {'quick' if quick else 'integrity'}_check({MOST_PROBLEMS})").fetchall()
        yield from (line for (text,) in found if text != "ok" for line in str(text).splitlines())
        broken = connection.execute("PRAGMA foreign_key_check").fetchmany(MOST_PROBLEMS)
        yield from (f"row {row} of {table} names a row of {parent} that is not there" for table, row, parent, _ in broken)
    except sqlite3.Error as error:
        trouble = trouble_of(error, path)
        if trouble is not None and trouble.ailment is not Ailment.DAMAGED:
            raise cannot_tell(error, path) from error
        yield str(error)


def _is_database(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_BEGINNING)) == _BEGINNING


def _revision(connection: sqlite3.Connection) -> str:
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error:
        return NO_REVISION
    return str(row[0]) if row else NO_REVISION


def _count(connection: sqlite3.Connection, table: str) -> int | None:
    try:
        return int(connection.execute(f"SELECT count(*) FROM {table} NOT INDEXED").fetchone()[0])  # noqa: S608  a name of TABLES
    except sqlite3.Error:
        return None


def lost(report: Report) -> Sequence[str]:
    """What it means that tables cannot be read."""
    return [f"{table}: cannot be read; {TABLES[table]}" for table, count in report.rows.items() if count is None]
