"""What the file that everything is kept in consists of: rows and bytes, by table."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from watcher.kit.sqlite_files import file_bytes
from watcher.kit.sqlite_trouble import Ailment, free_bytes, trouble_of
from watcher.store.checking import CannotTellError, cannot_tell, opened_to_look, require_ours


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSize:
    """`bytes` are those of the pages of the table and of its indexes."""

    rows: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """`files` are the database and its log; `reusable_bytes` are pages of the database that hold nothing now."""

    path: Path
    files: Mapping[str, int]
    free_bytes: float
    reusable_bytes: int
    tables: Mapping[str, TableSize]


def sizes(path: Path) -> Sizes:
    """Look through all pages, largest table first. Nothing is written, whoever uses it meanwhile.

    Raises:
        ConfigurationError: there is no such file, or it is no store.
        CannotTellError: it is locked, damaged or cannot be read.
    """
    require_ours(path)
    try:
        with closing(opened_to_look(path)) as connection:
            reusable = _number(connection, "PRAGMA freelist_count") * _number(connection, "PRAGMA page_size")
            tables = _tables(connection)
    except sqlite3.Error as error:
        trouble = trouble_of(error, path)
        if trouble is not None and trouble.ailment is Ailment.DAMAGED:  # or nothing of ours, to which nothing is to be done
            said = f"store {path}: cannot be read ({error}); if it is a store, `watcher store check` says what is lost"
            raise CannotTellError(said) from error
        raise cannot_tell(error, path) from error
    return Sizes(path=path, files=file_bytes(path), free_bytes=free_bytes(path), reusable_bytes=reusable, tables=tables)


def _tables(connection: sqlite3.Connection) -> Mapping[str, TableSize]:
    owner = dict(connection.execute("SELECT name, tbl_name FROM sqlite_master WHERE type IN ('table', 'index')"))
    held: dict[str, int] = {}
    for name, size in connection.execute("SELECT name, pgsize FROM dbstat WHERE aggregate = TRUE"):
        table = owner.get(name, "(catalogue)")
        held[table] = held.get(table, 0) + size
    named = [table for table in held if not table.startswith(("sqlite_", "(", "alembic_"))]
    # The names are those of our own tables.
    found = {table: TableSize(rows=_number(connection, f'SELECT count(*) FROM "{table}"'), bytes=held[table]) for table in named}  # noqa: S608
    return dict(sorted(found.items(), key=lambda item: (-item[1].bytes, item[0])))


def _number(connection: sqlite3.Connection, statement: str) -> int:
    return int(connection.execute(statement).fetchone()[0])
