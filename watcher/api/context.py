"""What the API is given: Protocols, nothing it could build itself."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import web

from watcher.advisories.protocol import KnownVulnerabilities
from watcher.api.limits import LIMITS, Limits
from watcher.api.settings import AdmissionSettings
from watcher.backlog.protocol import BacklogReader
from watcher.evaluation.protocol import Evaluator
from watcher.kit.clock import Clock, utc_now
from watcher.kit.metrics import Metrics
from watcher.kit.secret import Secret
from watcher.kit.seldom import Seldom
from watcher.model.holding import LastPass
from watcher.model.ledger import LedgerEntry, LedgerLine
from watcher.model.push import Push
from watcher.model.reference import Host, RepositoryName
from watcher.publishing.protocol import Quarantines, Sboms, Standing
from watcher.registry.protocol import Registries
from watcher.sources.protocol import Hook, Source
from watcher.store.protocol import FailedPublications, ImageReader, PackageIndex, VerdictStore


class Submissions(Protocol):
    """What somebody wants to be judged now, before everything that was only announced."""

    async def submit(self, source: str, push: Push, *, environment: str | None) -> str:
        """The id of the job that it became, or of the one it is part of, once it is on disk. `environment` None asks for its own.

        Raises:
            RetryableError: it could not be kept.
        """
        ...


class Completeness(Protocol):
    """What registries hold, minus what has a verdict."""

    async def lines(
        self, *, registry: Host | None = None, after: tuple[Host, RepositoryName] | None = None, limit: int = 100
    ) -> Sequence[LedgerLine]:
        """One for each repository that a sweep looked at, in order of registry and repository, beginning after `after`."""
        ...

    async def entries(self, registry: Host, repository: RepositoryName) -> Sequence[LedgerEntry]:
        """Every image of a repository, in order of digest."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiContext:
    """`evaluator` gives the present revision.

    `store_trouble` gives the reason why nothing can be written now, None when something just was, and costs little however often
    it is asked. `not_ready` gives the reason why the daemon cannot do its work yet or any more, None when it can. `down` gives the
    parts of it that do not run now, each with a word for why; `destinations` how everybody is who is told of verdicts. `admission`
    None switches the endpoint off.
    """

    submissions: Submissions
    jobs: BacklogReader
    verdicts: VerdictStore
    images: ImageReader
    sboms: Sboms
    packages: PackageIndex
    advisories: KnownVulnerabilities
    publications: FailedPublications
    quarantines: Quarantines
    completeness: Completeness
    passes: Callable[[], Awaitable[Sequence[LastPass]]]
    evaluator: Callable[[], Evaluator]
    registries: Registries
    metrics: Metrics
    store_trouble: Callable[[], Awaitable[str | None]]
    hooks: Mapping[str, Hook] = field(default_factory=dict)
    sources: Sequence[Source] = ()
    destinations: Callable[[], Mapping[str, Standing]] = dict
    not_ready: Callable[[], str | None] = lambda: None
    down: Callable[[], Mapping[str, str]] = dict
    api_token: Secret | None = None
    admission: AdmissionSettings | None = None
    admission_token: Secret | None = None
    clock: Clock = utc_now
    limits: Limits = LIMITS
    refusals: Seldom = field(default_factory=Seldom)


CONTEXT: web.AppKey[ApiContext] = web.AppKey("context", ApiContext)
