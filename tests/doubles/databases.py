"""A database as the daemon opens it: owned, with its tables, for the length of a test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from watcher.kit.sqlite import Database
from watcher.store.migrate import migrate


@asynccontextmanager
async def open_database(path: Path) -> AsyncIterator[Database]:
    database = Database(path)
    database.own()
    try:
        migrate(path)
        await database.open()
        yield database
    finally:
        await database.close()
