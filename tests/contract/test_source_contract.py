"""What is true of every source, however news arrives.

A bench for a source knows how to make news (`send`) and whether its sender considers it delivered.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from watcher.dialects.protocol import Delivery
from watcher.model.errors import RetryableError
from watcher.sources.protocol import Accepted, Source
from watcher.sources.webhook import WebhookSettings, WebhookSource
from watcher.sources.webhook_auth import NoAuth

BODY = b'{"events": []}'


class DiskFullError(RetryableError):
    reason = "store-unavailable"


@dataclass(kw_only=True)
class RecordingIntake:
    """Takes deliveries in, or refuses them all; `gate` holds them up in between."""

    taken: list[tuple[str, Delivery]] = field(default_factory=list)
    broken: bool = False
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    entered: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, source: str, delivery: Delivery) -> Accepted:
        self.entered.set()
        await self.gate.wait()
        if self.broken:
            raise DiskFullError("disk full")
        self.taken.append((source, delivery))
        return Accepted(accepted=1)


class WebhookBench:
    """News is a POST; delivered means that it was answered with 2xx."""

    def __init__(self) -> None:
        self.webhook = WebhookSource(
            WebhookSettings(name="main", auth=NoAuth(), registry="registry.example.com"), max_body_bytes=1024
        )
        self.source: Source = self.webhook
        self.url = ""
        self.session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator["WebhookBench"]:
        app = web.Application()
        app.router.add_post("/hook", self.webhook.receive)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        async with aiohttp.ClientSession() as self.session:
            yield self
        await runner.cleanup()

    async def send(self) -> bool:
        assert self.session is not None
        async with self.session.post(self.url, data=BODY) as response:
            return 200 <= response.status < 300


@pytest.fixture(params=[WebhookBench])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[WebhookBench]:
    async with request.param().open() as opened:
        yield opened


@asynccontextmanager
async def listening(source: Source, intake: RecordingIntake) -> AsyncIterator[None]:
    task = asyncio.create_task(source.run(intake), name="source")
    await asyncio.sleep(0)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


async def test_news_is_acknowledged_only_when_it_is_durable(bench: WebhookBench) -> None:
    """The sender's confirmation comes after intake has returned, never before."""
    intake = RecordingIntake()
    async with listening(bench.source, intake), asyncio.TaskGroup() as group:
        sent = group.create_task(bench.send(), name="send")
        await intake.entered.wait()
        assert not sent.done()
        intake.gate.set()
        assert await sent
    ((name, delivery),) = intake.taken
    assert (name, delivery.registry, delivery.body) == ("main", "registry.example.com", BODY)


async def test_news_that_cannot_be_kept_is_not_acknowledged(bench: WebhookBench) -> None:
    """The sender keeps it and tries again, and then it is taken."""
    intake = RecordingIntake(broken=True)
    intake.gate.set()
    async with listening(bench.source, intake):
        assert not await bench.send()
        intake.broken = False
        assert await bench.send()
    assert len(intake.taken) == 1


async def test_a_source_that_does_not_listen_acknowledges_nothing(bench: WebhookBench) -> None:
    """Neither before it was started nor after it was stopped."""
    intake = RecordingIntake()
    intake.gate.set()
    assert not await bench.send()
    async with listening(bench.source, intake):
        assert await bench.send()
    assert not await bench.send()
    assert len(intake.taken) == 1


async def test_a_source_listens_until_it_is_cancelled(bench: WebhookBench) -> None:
    """It has the configured name and never ends by itself."""
    task = asyncio.create_task(bench.source.run(RecordingIntake()), name="source")
    done, _ = await asyncio.wait([task], timeout=0.02)
    assert not done
    task.cancel()
    await asyncio.wait([task])
    assert bench.source.name == "main"
