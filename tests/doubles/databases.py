"""A database as the daemon opens it: owned, with its tables, for the length of a test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from watcher.kit.sqlite import Database
from watcher.store.migrate import migrate


@asynccontextmanager
async def open_database(path: Path) -> AsyncIterator[Database]:
    _begin(path)
    database = Database(path)
    database.own()
    try:
        migrate(path)
        await database.open()
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def opened_beside(path: Path) -> AsyncIterator[Database]:
    """One that somebody owns, as a command opens it beside the daemon."""
    database = Database(path)
    await database.open(create=False)
    try:
        yield database
    finally:
        await database.close()


def _begin(path: Path) -> None:
    if not path.exists():
        path.write_bytes(_new())


@cache
def _new() -> bytes:
    """The file of a store in which there is nothing yet. Making the tables takes longer than most tests do with them."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "watcher.db"
        migrate(path)
        return path.read_bytes()
