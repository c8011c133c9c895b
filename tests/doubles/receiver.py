"""The real HTTP server with webhook sources, which all lead through the real intake to one recording backlog."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.doubles.api import RunningApi, running_api
from tests.doubles.hand_clock import HandClock
from tests.doubles.inboxes import RecordingInbox
from watcher.api.limits import LIMITS, Limits
from watcher.api.settings import ServerSettings
from watcher.backlog.protocol import Arrival
from watcher.dialects.protocol import Delivery, Dialect
from watcher.model.push import Decision, Ignored, Rejected
from watcher.pipeline.intake import DurableIntake
from watcher.sources.webhook import WebhookSource
from watcher.store.own_writes import OwnWriteStore


@dataclass
class WrittenDialect:
    """Decides everything alike, and keeps what it was given."""

    decision: Decision = field(default_factory=lambda: Ignored(reason="pull"))
    read_so_far: list[Delivery] = field(default_factory=list)

    def read(self, delivery: Delivery) -> Sequence[Decision]:
        self.read_so_far.append(delivery)
        return [self.decision]


@dataclass(kw_only=True)
class Receiver:
    """`post` and `send` give status and body."""

    api: RunningApi
    backlog: RecordingInbox
    sources: Sequence[asyncio.Task[None]] = ()

    def stop_sources(self) -> None:
        """They hear no more; the server still answers."""
        for source in self.sources:
            source.cancel()

    async def post(self, path: str, body: Any = b'{"events": []}', headers: dict[str, str] | None = None) -> tuple[int, Any]:
        async with self.api.session.post(f"{self.api.url}/hooks/{path}", data=body, headers=headers) as response:
            return response.status, await response.json(content_type=None)

    async def send(
        self, method: str, path: str, body: Any = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and raw body."""
        async with self.api.session.request(method, f"{self.api.url}/hooks/{path}", data=body, headers=headers) as response:
            return response.status, dict(response.headers), await response.read()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, _, port = self.api.url.removeprefix("http://").partition(":")
        return await asyncio.open_connection(host, int(port))

    @property
    def last(self) -> Arrival:
        return self.backlog.arrivals[-1]

    @property
    def rejected(self) -> Rejected:
        decision = self.last.decision
        assert isinstance(decision, Rejected)
        return decision


@asynccontextmanager
async def running_receiver(
    directory: Path,
    sources: Sequence[WebhookSource],
    dialect: Dialect | Mapping[str, Dialect],
    *,
    server: ServerSettings | None = None,
    limits: Limits = LIMITS,
) -> AsyncIterator[Receiver]:
    """Every source runs, and is reached by its name. Each reads with its own dialect where they are given by that."""
    inbox, clock = RecordingInbox(), HandClock()
    hooks = {source.name: source for source in sources}
    async with running_api(directory, hooks=hooks, settings=server, limits=limits) as api, asyncio.TaskGroup() as group:
        intake = DurableIntake(
            dialects=dialect if isinstance(dialect, Mapping) else {source.name: dialect for source in sources},
            backlog=inbox,
            own_writes=OwnWriteStore(api.database, clock),
            clock=clock,
            counted=lambda source, fate, reason: None,
        )
        tasks = [group.create_task(source.run(intake), name=source.name) for source in sources]
        receiver = Receiver(api=api, backlog=inbox, sources=tasks)
        yield receiver
        receiver.stop_sources()
