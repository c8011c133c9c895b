"""What publishers get of a daemon, without one."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tests.doubles.databases import open_database
from tests.doubles.inventories import an_inventory
from tests.doubles.routes import sending
from tests.doubles.verdicts import MOMENT, a_verdict
from watcher.backlog.sqlite import SqliteBacklog
from watcher.inspection.image.merge import merged_files
from watcher.kit.proxies import Proxies
from watcher.kit.sqlite import Database
from watcher.kit.through_proxies import through
from watcher.kit.wakeup import Wakeup
from watcher.model.image import ImageConfig
from watcher.model.verdict import Verdict
from watcher.pipeline.stored_pushes import StoredPushes
from watcher.pipeline.stored_sboms import StoredSboms
from watcher.publishing.context import PublisherContext
from watcher.publishing.links import Links
from watcher.publishing.protocol import Sboms
from watcher.publishing.quarantine.catalog import build_driver
from watcher.registry.access import RegistryClients
from watcher.store.images import StoredImages
from watcher.store.judgements import StoredJudgements
from watcher.store.labels import StoredLabels
from watcher.store.outbox import MAX_NOTE
from watcher.store.own_writes import OwnWriteStore
from watcher.store.protocol import Judged
from watcher.store.quarantines import StoredQuarantines
from watcher.store.subject_locks import StoredSubjectLocks
from watcher.store.tags import StoredTagHistory
from watcher.store.tickets import StoredTickets
from watcher.store.verdicts import StoredVerdicts


@asynccontextmanager
async def publisher_context(
    database: Path, sboms: Sboms | None = None, *, labels: Mapping[str, str] | None = None
) -> AsyncIterator[PublisherContext]:
    """Any registry can be reached, without waiting between attempts, and it is MOMENT.

    The file `database` is made; `sboms` are those of what it holds, or others.
    With `labels` it holds the image of `a_verdict`, which has them.
    """
    proxies = Proxies.of_environment()
    async with (
        open_database(database) as opened,
        RegistryClients.of([], sleep=_at_once) as registries,
        aiohttp.ClientSession(middlewares=(through(proxies),)) as session,
    ):
        if labels is not None:
            await record_labels(opened, a_verdict(), labels)
        yield PublisherContext(
            registries=registries,
            own_writes=OwnWriteStore(opened, lambda: MOMENT),
            locks=StoredSubjectLocks(opened, lambda: MOMENT),
            sboms=sboms or StoredSboms(StoredImages(opened, merged_files)),
            tags=StoredTagHistory(opened),
            labels=StoredLabels(opened),
            tickets=StoredTickets(opened),
            quarantines=StoredQuarantines(opened),
            judgements=StoredJudgements(opened),
            pushes=StoredPushes(SqliteBacklog(opened, lambda: MOMENT)),
            driver=build_driver,
            environment=lambda _registry, _repository: None,
            session=session,
            proxies=proxies,
            links=Links(public_url="https://watcher.example.com"),
            clock=lambda: MOMENT,
        )


async def _at_once(_seconds: float) -> None:
    """Whoever asks a registry again asks it now."""


async def record_labels(database: Database, verdict: Verdict, labels: Mapping[str, str]) -> None:
    """The image of the verdict was inspected, and has these."""
    config = ImageConfig(architecture="amd64", os="linux", labels=dict(labels))
    inventory = an_inventory(digest=verdict.subject.digest, config=config)
    recorded = StoredVerdicts(database, lambda: MOMENT, bell=Wakeup())
    await recorded.record([Judged(verdict=verdict, inventory=inventory)], sending({}))


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
