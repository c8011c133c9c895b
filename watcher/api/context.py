"""What the API is given: Protocols, nothing it could build itself."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import web

from watcher.api.settings import AdmissionSettings
from watcher.backlog.protocol import Backlog, BacklogReader
from watcher.evaluation.protocol import Evaluator
from watcher.kit.clock import Clock, utc_now
from watcher.kit.secret import Secret
from watcher.kit.telemetry import Metrics
from watcher.model.digest import Digest
from watcher.model.reference import Host, Reference
from watcher.store.protocol import ImageReader, VerdictStore


class Hook(Protocol):
    """One source that is fed by requests."""

    def admits(self, request: web.Request, path_token: str | None) -> bool:
        """Whether the sender has proved itself, decided in constant time and without reading the body."""
        ...

    async def receive(self, request: web.Request) -> web.Response | None:
        """Answer a request that was admitted; None refuses it after all, for what its body says or is signed with."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiContext:
    """`evaluator` gives the present revision; `resolve` asks a configured registry for a tag's digest, None when it has none.

    `not_ready` gives the reason why the daemon cannot do its work yet or any more, None when it can. `down` gives the parts of it
    that do not run now, each with a word for why. `admission` None switches the endpoint off.
    """

    backlog: Backlog
    jobs: BacklogReader
    verdicts: VerdictStore
    images: ImageReader
    evaluator: Callable[[], Evaluator]
    resolve: Callable[[Reference], Awaitable[Digest | None]]
    registries: Collection[Host]
    metrics: Metrics
    hooks: Mapping[str, Hook] = field(default_factory=dict)
    not_ready: Callable[[], str | None] = lambda: None
    down: Callable[[], Mapping[str, str]] = dict
    api_token: Secret | None = None
    admission: AdmissionSettings | None = None
    admission_token: Secret | None = None
    clock: Clock = utc_now


CONTEXT: web.AppKey[ApiContext] = web.AppKey("context", ApiContext)
