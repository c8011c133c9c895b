"""Opens everything durable. The one place that knows which database it is kept in."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from watcher.backlog.protocol import Backlog, BacklogKeeper, BacklogReader
from watcher.backlog.sqlite import SqliteBacklog
from watcher.inspection.image.merge import merged_files
from watcher.inspection.protocol import KnownBases, LayerCache
from watcher.kit.clock import Clock, utc_now
from watcher.kit.sqlite import Database
from watcher.kit.wakeup import Wakeup
from watcher.model.errors import RetryableError
from watcher.publishing.protocol import OwnWrites, SubjectLocks
from watcher.store.bases import StoredBases
from watcher.store.facts import LayerStore
from watcher.store.images import StoredImages
from watcher.store.migrate import migrate, require_current
from watcher.store.outbox import StoredOutbox
from watcher.store.own_writes import OwnWriteStore
from watcher.store.protocol import ImageReader, Outbox, VerdictStore
from watcher.store.salt import stored_salt
from watcher.store.settings import StoreSettings
from watcher.store.subject_locks import StoredSubjectLocks
from watcher.store.verdicts import StoredVerdicts


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """What is waiting and what we know, each part by its Protocol; all of it is in one database.

    `salt` gives the salt of this deployment's fingerprints, which is made when it is first asked for.
    """

    backlog: Backlog
    keeper: BacklogKeeper
    jobs: BacklogReader
    verdicts: VerdictStore
    images: ImageReader
    outbox: Outbox
    layers: LayerCache
    bases: KnownBases
    own_writes: OwnWrites
    locks: SubjectLocks
    salt: Callable[[], Awaitable[bytes]]


@asynccontextmanager
async def owned(settings: StoreSettings, clock: Clock = utc_now) -> AsyncIterator[Storage]:
    """As its one daemon: made or upgraded where needed. What a daemon before this one had begun waits again.

    Raises:
        ConfigurationError: another daemon is at work on it, or it cannot be written, or is of a newer version.
    """
    database = Database(settings.sqlite_path())
    try:
        database.own()
        await asyncio.to_thread(migrate, database.path)
        await database.open()
        storage = _storage(database, clock, alone=True)
        await storage.keeper.recover()
        await storage.outbox.recover()
        try:
            yield storage
        finally:
            with suppress(RetryableError):
                await storage.keeper.forgive()
                await storage.outbox.forgive()
    finally:
        await database.close()


@asynccontextmanager
async def opened(settings: StoreSettings, clock: Clock = utc_now, *, read_only: bool = True) -> AsyncIterator[Storage]:
    """Beside the daemon, or while none runs. Never made or upgraded here: that is for its owner.

    Raises:
        ConfigurationError: there is none, or its tables are of another version.
    """
    database = Database(settings.sqlite_path())
    try:
        await database.open(create=False, read_only=read_only)
        await asyncio.to_thread(require_current, database.path)
        yield _storage(database, clock, alone=False)
    finally:
        await database.close()


def _storage(database: Database, clock: Clock, *, alone: bool) -> Storage:
    backlog, bell = SqliteBacklog(database, clock), Wakeup()
    return Storage(
        backlog=backlog,
        keeper=backlog,
        jobs=backlog,
        verdicts=StoredVerdicts(database, clock, bell=bell),
        images=StoredImages(database, merged_files),
        outbox=StoredOutbox(database, clock, bell=bell),
        layers=LayerStore(database),
        bases=StoredBases(database),
        own_writes=OwnWriteStore(database, clock, alone=alone),
        locks=StoredSubjectLocks(database, clock),
        salt=lambda: stored_salt(database, secrets.token_bytes(32)),
    )
