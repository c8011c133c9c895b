"""A store of its own for one test, every part as its Protocol."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.doubles.databases import open_database
from tests.doubles.hand_clock import HandClock
from tests.doubles.routes import sending
from tests.doubles.verdicts import IMAGE, SUBJECT, a_verdict
from watcher.inspection.image.merge import merged_files
from watcher.inspection.protocol import KnownBases, LayerCache
from watcher.kit.sqlite import Database
from watcher.kit.wakeup import Wakeup
from watcher.model.digest import Digest
from watcher.model.inspection_json import inspection_bytes
from watcher.model.publication import Publication
from watcher.model.verdict import Outcome, Subject
from watcher.publishing.protocol import Judgements, Labels, OwnWrites, Quarantines, SubjectLocks, TagHistory, Tickets
from watcher.store.bases import StoredBases
from watcher.store.facts import LayerStore
from watcher.store.failed_publications import StoredFailedPublications
from watcher.store.images import StoredImages
from watcher.store.judgements import StoredJudgements
from watcher.store.labels import StoredLabels
from watcher.store.outbox import StoredOutbox
from watcher.store.own_writes import OwnWriteStore
from watcher.store.protocol import FailedPublications, ImageReader, Judged, Outbox, VerdictStore
from watcher.store.quarantines import StoredQuarantines
from watcher.store.subject_locks import StoredSubjectLocks
from watcher.store.tags import StoredTagHistory
from watcher.store.tickets import StoredTickets
from watcher.store.verdicts import StoredVerdicts


@dataclass(frozen=True, kw_only=True)
class StoreBench:
    """Every part as its Protocol, so that the suite also says that the parts fit."""

    database: Database
    clock: HandClock
    verdicts: VerdictStore
    tags: TagHistory
    outbox: Outbox
    publications: FailedPublications
    images: ImageReader
    labels: Labels
    tickets: Tickets
    quarantines: Quarantines
    judgements: Judgements
    facts: LayerCache
    bases: KnownBases
    own_writes: OwnWrites
    others_writes: OwnWrites
    locks: SubjectLocks
    others_locks: SubjectLocks

    async def record(self, verdict_id: str, *publishers: str, subject: Subject = SUBJECT, outcome: Outcome = Outcome.PASS) -> None:
        said = a_verdict(id=verdict_id, subject=subject, outcome=outcome)
        await self.verdicts.record([Judged(verdict=said)], sending({verdict_id: publishers}))

    async def inspection(self, digest: Digest = IMAGE) -> Any:
        """The document of the image, None when it was never inspected."""
        inventory = await self.images.inventory(digest)
        return None if inventory is None else json.loads(inspection_bytes(inventory))

    async def due(self) -> list[tuple[str, str]]:
        return [(each.verdict_id, each.publisher) for each in await self.outbox.due(99)]

    async def take(self) -> Publication:
        (publication,) = await self.outbox.due(1)
        return publication


@asynccontextmanager
async def store_bench(path: Path, *, max_attempts: int = 3) -> AsyncIterator[StoreBench]:
    """Opened, at a new path; a publication is attempted `max_attempts` times."""
    clock, bell = HandClock(), Wakeup()
    async with open_database(path) as database:
        yield StoreBench(
            database=database,
            clock=clock,
            verdicts=StoredVerdicts(database, clock, bell=bell),
            tags=StoredTagHistory(database),
            outbox=StoredOutbox(database, clock, bell=bell, max_attempts=max_attempts, jitter=lambda: 0.5),
            publications=StoredFailedPublications(database, clock),
            images=StoredImages(database, merged_files),
            labels=StoredLabels(database),
            tickets=StoredTickets(database),
            quarantines=StoredQuarantines(database),
            judgements=StoredJudgements(database),
            facts=LayerStore(database),
            bases=StoredBases(database),
            own_writes=OwnWriteStore(database, clock),
            others_writes=OwnWriteStore(database, clock),
            locks=StoredSubjectLocks(database, clock),
            others_locks=StoredSubjectLocks(database, clock),
        )
