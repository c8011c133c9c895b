"""The store of the configuration, for commands that look into it beside the daemon or while none runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from watcher.kit.sqlite import Database
from watcher.settings import Settings
from watcher.store.migrate import require_current


@asynccontextmanager
async def opened_store(settings: Settings) -> AsyncIterator[Database]:
    """Never creates or upgrades a store: that is for its owner, the daemon.

    Raises:
        ConfigurationError: there is none, or its tables are of another version.
    """
    database = Database(settings.store.sqlite_path())
    try:
        await database.open(create=False)
        await asyncio.to_thread(require_current, database.path)
        yield database
    finally:
        await database.close()
