"""Opens everything durable. The one place that knows which database it is kept in."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import structlog
from prometheus_client.registry import Collector

from watcher.advisories.protocol import FirstSeen
from watcher.backlog.protocol import Backlog, BacklogKeeper, BacklogReader
from watcher.backlog.sqlite import SqliteBacklog
from watcher.inspection.image.merge import merged_files
from watcher.inspection.protocol import KnownBases, LayerCache
from watcher.kit.clock import Clock, utc_now
from watcher.kit.sqlite import Database, StoreUnavailableError
from watcher.kit.sqlite_engine import StoreLockedError
from watcher.kit.sqlite_files import DatabaseFiles
from watcher.kit.sqlite_trouble import Ailment
from watcher.kit.threads import in_a_thread
from watcher.kit.units import seconds
from watcher.kit.wakeup import Wakeup
from watcher.model.digest import Digest
from watcher.model.errors import ConfigurationError, RetryableError
from watcher.model.reference import Tag
from watcher.pipeline.protocol import HeldImages
from watcher.publishing.protocol import Judgements, Labels, OwnWrites, Quarantines, SubjectLocks, TagHistory, Tickets
from watcher.registry.probe_artefacts import DIGESTS
from watcher.sources.context import Known
from watcher.store.bases import StoredBases
from watcher.store.beginning import cannot_begin, require_room
from watcher.store.facts import LayerStore
from watcher.store.failed_publications import StoredFailedPublications
from watcher.store.first_seen import StoredFirstSeen
from watcher.store.holders import StoredPackageIndex
from watcher.store.holdings import StoredHoldings
from watcher.store.images import StoredImages
from watcher.store.judgements import StoredJudgements
from watcher.store.labels import StoredLabels
from watcher.store.ledger import StoredLedger
from watcher.store.migrate import migrate, require_current
from watcher.store.outbox import StoredOutbox
from watcher.store.own_writes import OwnWriteStore
from watcher.store.protocol import FailedPublications, ImageReader, Outbox, PackageIndex, VerdictStore
from watcher.store.quarantines import StoredQuarantines
from watcher.store.retention import Retention
from watcher.store.salt import stored_salt
from watcher.store.settings import StoreSettings
from watcher.store.standing import StoredStanding
from watcher.store.subject_locks import StoredSubjectLocks
from watcher.store.tags import StoredTagHistory
from watcher.store.tickets import StoredTickets
from watcher.store.trial import write_trial
from watcher.store.verdicts import StoredVerdicts

log = structlog.get_logger(__name__)

# Whoever reads or copies the file holds it for seconds; beyond this a person, or what started us, has to try again.
LOCK_SECONDS = 60.0
LOCK_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """What is waiting and what we know, each part by its Protocol; all of it is in one database.

    `salt` gives the salt of this deployment's fingerprints, which is made when it is first asked for. `trouble` says why nothing
    could be written now, None when something was. `files` has the metrics of their size and of the room that is left.
    """

    backlog: Backlog
    keeper: BacklogKeeper
    jobs: BacklogReader
    verdicts: VerdictStore
    images: ImageReader
    packages: PackageIndex
    outbox: Outbox
    publications: FailedPublications
    layers: LayerCache
    bases: KnownBases
    own_writes: OwnWrites
    tags: TagHistory
    first_seen: FirstSeen
    standing: StoredStanding
    locks: SubjectLocks
    labels: Labels
    tickets: Tickets
    quarantines: Quarantines
    judgements: Judgements
    known: Known
    held: HeldImages
    salt: Callable[[], Awaitable[bytes]]
    trouble: Callable[[], Awaitable[str | None]]
    files: Collector
    retention: Retention


@asynccontextmanager
async def owned(
    settings: StoreSettings, clock: Clock = utc_now, *, counted: Callable[[str], None] = lambda _ailment: None
) -> AsyncIterator[Storage]:
    """As its one daemon: made or upgraded where needed. What a daemon before this one had begun waits again.

    `counted` hears the word for every failure of the file.

    Raises:
        BusyError: another daemon is at work on it, or another process holds it for longer than LOCK_SECONDS.
        ConfigurationError: it cannot be written, or is of a newer version.
    """
    database = Database(settings.sqlite_path(), trial=write_trial, counted=counted)
    try:
        database.own()
        await _migrate_patiently(database.path)
        await database.open()
        storage = _storage(settings, database, clock, alone=True)
        await _begin(storage, database)
        try:
            yield storage
        finally:
            with suppress(RetryableError):
                await storage.keeper.forgive()
                await storage.outbox.forgive()
    finally:
        await database.close()


async def _migrate_patiently(path: Path) -> None:
    """A lock that another process holds is waited for, since senders can only be answered afterwards.

    Cancelled it leaves a thread behind that no end waits for: it comes to its own, or nothing has happened.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + LOCK_SECONDS
    while True:
        try:
            return await in_a_thread(partial(migrate, path), name="migrate")
        except StoreLockedError as error:
            if loop.time() > deadline:
                raise
            log.warning("store.locked", detail=str(error))
            await asyncio.sleep(LOCK_PAUSE_SECONDS)


async def _begin(storage: Storage, database: Database) -> None:
    """Take back what a daemon before this one held, which shows too whether the file can be written.

    Raises:
        ConfigurationError: it cannot, with what to do.
    """
    try:
        await storage.keeper.recover()
        await storage.outbox.recover()
        await database.write(write_trial)
    except StoreUnavailableError as error:
        is_locked = error.trouble is not None and error.trouble.ailment is Ailment.LOCKED
        kind = StoreLockedError if is_locked else ConfigurationError
        raise kind(cannot_begin(database.path, error.trouble or str(error))) from error
    require_room(database.path)


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
        yield _storage(settings, database, clock, alone=False)
    finally:
        await database.close()


def unopened(settings: StoreSettings) -> Storage:
    """For whoever only puts together what would use it: nothing of it may be called, and nothing is there to be closed."""
    return _storage(settings, Database(Path("unopened")), utc_now, alone=False)


def _storage(settings: StoreSettings, database: Database, clock: Clock, *, alone: bool) -> Storage:
    backlog, bell = SqliteBacklog(database, clock, kept_seconds=seconds(settings.keep_events)), Wakeup()
    verdicts = StoredVerdicts(database, clock, bell=bell)
    # Of the commands beside the daemon only `doctor` puts what is ours, and that is always the same.
    own_writes = OwnWriteStore(database, clock, alone=alone, constant=DIGESTS)
    return Storage(
        backlog=backlog,
        keeper=backlog,
        jobs=backlog,
        verdicts=verdicts,
        images=StoredImages(database, merged_files),
        packages=StoredPackageIndex(database),
        outbox=StoredOutbox(database, clock, bell=bell),
        publications=StoredFailedPublications(database, clock, bell=bell),
        layers=LayerStore(database),
        bases=StoredBases(database),
        first_seen=StoredFirstSeen(database),
        standing=StoredStanding(database),
        own_writes=own_writes,
        tags=StoredTagHistory(database),
        locks=StoredSubjectLocks(database, clock),
        labels=StoredLabels(database),
        tickets=StoredTickets(database),
        quarantines=StoredQuarantines(database),
        judgements=StoredJudgements(database),
        held=StoredLedger(database),
        known=Known(judged=verdicts.judged, ours=partial(_still_ours, own_writes), holdings=StoredHoldings(database)),
        salt=lambda: stored_salt(database, secrets.token_bytes(32)),
        trouble=database.trouble,
        files=DatabaseFiles(database.path),
        retention=Retention(database, clock, keep=timedelta(seconds=seconds(settings.keep_verdicts))),
    )


async def _still_ours(own_writes: OwnWrites, digests: Collection[Digest]) -> Mapping[Digest, Tag | None]:
    """See `Ours`. What is seen in a registry is still there, and stays ours for as long."""
    mine = await own_writes.claimed(digests)
    await own_writes.keep(mine)
    return mine
