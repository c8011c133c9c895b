"""What publishers get of a daemon, without one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tests.doubles.databases import open_database
from tests.doubles.verdicts import MOMENT
from watcher.inspection.image.merge import merged_files
from watcher.pipeline.stored_sboms import StoredSboms
from watcher.publishing.context import PublisherContext
from watcher.publishing.links import Links
from watcher.publishing.protocol import Sboms
from watcher.registry.access import RegistryClients
from watcher.store.images import StoredImages
from watcher.store.outbox import MAX_NOTE
from watcher.store.own_writes import OwnWriteStore
from watcher.store.subject_locks import StoredSubjectLocks
from watcher.store.tags import StoredTagHistory


@asynccontextmanager
async def publisher_context(database: Path, sboms: Sboms | None = None) -> AsyncIterator[PublisherContext]:
    """Any registry can be reached, and it is MOMENT. The file `database` is made; `sboms` are those of what it holds, or others."""
    async with open_database(database) as opened, RegistryClients.of([]) as registries, aiohttp.ClientSession() as session:
        yield PublisherContext(
            registries=registries,
            own_writes=OwnWriteStore(opened, lambda: MOMENT),
            locks=StoredSubjectLocks(opened, lambda: MOMENT),
            sboms=sboms or StoredSboms(StoredImages(opened, merged_files)),
            tags=StoredTagHistory(opened),
            session=session,
            links=Links(public_url="https://watcher.example.com"),
            clock=lambda: MOMENT,
        )


class Notes:
    """`Progress` in memory: what is noted, and everything that ever was."""

    def __init__(self, noted: str = "") -> None:
        self.noted = noted
        self.all: list[str] = []

    async def note(self, text: str) -> None:
        if len(text) > MAX_NOTE:
            raise ValueError(f"a note of {len(text)} characters")
        self.noted = text
        self.all.append(text)
