"""What publishers get of a daemon, without one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tests.doubles.databases import open_database
from tests.doubles.verdicts import MOMENT
from watcher.publishing.context import PublisherContext
from watcher.registry.access import Registries
from watcher.store.own_writes import OwnWriteStore


@asynccontextmanager
async def publisher_context(database: Path) -> AsyncIterator[PublisherContext]:
    """Any registry can be reached, and it is MOMENT. The file `database` is made."""
    async with open_database(database) as opened, Registries.of([]) as registries, aiohttp.ClientSession() as session:
        yield PublisherContext(
            access=registries.access,
            own_writes=OwnWriteStore(opened, lambda: MOMENT),
            session=session,
            clock=lambda: MOMENT,
        )
