"""The real HTTP server on a free port of loopback, over a real store and backlog in a file of the test's own."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.doubles.databases import open_database
from tests.doubles.evaluators import WrittenEvaluator
from tests.doubles.hand_clock import HandClock
from tests.doubles.registries import MemoryRegistries
from tests.doubles.routes import nobody
from tests.doubles.verdicts import SUBJECT, a_verdict
from watcher.advisories.enquiries import AdvisoryEnquiries
from watcher.advisories.gatherer import AdvisoryGatherer
from watcher.api.app import build_app, serving
from watcher.api.context import ApiContext
from watcher.api.limits import LIMITS, Limits
from watcher.api.settings import AdmissionSettings, ServerSettings
from watcher.backlog.sqlite import SqliteBacklog
from watcher.inspection.image.merge import merged_files
from watcher.kit.metrics import Metrics
from watcher.kit.secret import Secret
from watcher.kit.sqlite import Database
from watcher.model.reference import Host
from watcher.model.verdict import Verdict
from watcher.pipeline.intake import DurableIntake
from watcher.pipeline.ledger import Ledger
from watcher.pipeline.stored_sboms import StoredSboms
from watcher.publishing.protocol import Standing
from watcher.sources.protocol import Hook, Source
from watcher.store.failed_publications import StoredFailedPublications
from watcher.store.holders import StoredPackageIndex
from watcher.store.holdings import StoredHoldings
from watcher.store.images import StoredImages
from watcher.store.ledger import StoredLedger
from watcher.store.own_writes import OwnWriteStore
from watcher.store.protocol import Judged
from watcher.store.quarantines import StoredQuarantines
from watcher.store.verdicts import StoredVerdicts


@dataclass(kw_only=True)
class RunningApi:
    """`get` and `post` give status and decoded body."""

    url: str
    session: aiohttp.ClientSession
    clock: HandClock
    backlog: SqliteBacklog
    verdicts: StoredVerdicts
    evaluator: WrittenEvaluator
    registries: MemoryRegistries
    metrics: Metrics
    database: Database
    not_ready: list[str] = field(default_factory=list)

    async def record(self, **changes: Any) -> Verdict:
        verdict = a_verdict(**{"evaluated_at": self.clock(), **changes})
        await self.verdicts.record([Judged(verdict=verdict)], nobody)
        return verdict

    async def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
        async with self.session.get(self.url + path, headers=headers) as response:
            return response.status, await _body(response)

    async def post(self, path: str, json: Any = None, *, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
        async with self.session.post(self.url + path, json=json, headers=headers) as response:
            return response.status, await _body(response)


@asynccontextmanager
async def running_api(
    directory: Path,
    *,
    hooks: Mapping[str, Hook] | None = None,
    sources: Sequence[Source] = (),
    destinations: Mapping[str, Standing] | None = None,
    admission: AdmissionSettings | None = None,
    api_token: str | None = None,
    admission_token: str | None = None,
    settings: ServerSettings | None = None,
    limits: Limits = LIMITS,
) -> AsyncIterator[RunningApi]:
    clock, evaluator, metrics = HandClock(), WrittenEvaluator(), Metrics()
    registries = MemoryRegistries(hosts=(SUBJECT.registry, Host("localhost:5000")))
    not_ready: list[str] = []
    async with open_database(directory / "watcher.db") as database:
        backlog, verdicts = SqliteBacklog(database, clock), StoredVerdicts(database, clock)
        images = StoredImages(database, merged_files)
        context = ApiContext(
            submissions=DurableIntake(
                dialects={}, backlog=backlog, own_writes=OwnWriteStore(database, clock), clock=clock, counted=metrics.count_event
            ),
            jobs=backlog,
            verdicts=verdicts,
            images=images,
            sboms=StoredSboms(images),
            packages=StoredPackageIndex(database),
            advisories=AdvisoryEnquiries(AdvisoryGatherer(path=directory / "advisories.db", max_age_seconds=86400, clock=clock)),
            publications=StoredFailedPublications(database, clock),
            quarantines=StoredQuarantines(database),
            completeness=Ledger(held=StoredLedger(database), jobs=backlog, policy_revision=lambda: evaluator.revision),
            passes=StoredHoldings(database).passes,
            evaluator=lambda: evaluator,
            registries=registries,
            metrics=metrics,
            store_trouble=database.trouble,
            hooks=hooks or {},
            sources=sources,
            destinations=lambda: destinations or {},
            not_ready=lambda: next(iter(not_ready), None),
            api_token=Secret(api_token) if api_token else None,
            admission=admission,
            admission_token=Secret(admission_token) if admission_token else None,
            clock=clock,
            limits=limits,
        )
        server = settings or ServerSettings(port=0)
        async with serving(build_app(context), server, limits) as (host, port), aiohttp.ClientSession() as session:
            yield RunningApi(
                url=f"{'https' if server.tls else 'http'}://{host}:{port}",
                session=session,
                clock=clock,
                backlog=backlog,
                verdicts=verdicts,
                evaluator=evaluator,
                registries=registries,
                metrics=metrics,
                database=database,
                not_ready=not_ready,
            )


async def _body(response: aiohttp.ClientResponse) -> Any:
    return await response.json(content_type=None) if "json" in response.content_type else await response.text()
