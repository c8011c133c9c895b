"""What is true of every source, however news arrives.

A bench for a source knows how to make news (`send`) and whether its sender considers it delivered.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import get_args

import aiohttp
import pytest
from aiohttp import web

from tests.doubles.intakes import RecordingIntake
from tests.doubles.mqtt_bench import MqttBench
from tests.doubles.pubsub_bench import PubsubBench
from tests.doubles.source_bench import BODY, SourceBench, listening
from tests.doubles.sqs_bench import SqsBench
from tests.doubles.sweep_bench import SweepBench
from watcher.api.bodies import read_body
from watcher.api.limits import LIMITS
from watcher.model.reference import Host
from watcher.sources.binding import SourceSettings
from watcher.sources.catalog import SOURCES
from watcher.sources.mqtt import MqttSource
from watcher.sources.mqtt_settings import MqttSourceSettings
from watcher.sources.protocol import HookRequest, Source
from watcher.sources.pubsub import PubsubSource
from watcher.sources.pubsub_settings import PubsubSourceSettings
from watcher.sources.settings import AnySourceSettings
from watcher.sources.sqs import SqsSource
from watcher.sources.sqs_settings import SqsSourceSettings
from watcher.sources.sweep import SweepSource
from watcher.sources.sweep_settings import SweepSourceSettings
from watcher.sources.webhook import WebhookSource
from watcher.sources.webhook_settings import NoAuth, WebhookSourceSettings


class WebhookBench:
    """News is a POST; delivered means that it was answered with 2xx."""

    def __init__(self) -> None:
        self.webhook = WebhookSource(
            WebhookSourceSettings(name="main", auth=NoAuth(), registry="registry.example.com"), max_body_bytes=1024
        )
        self.source: Source = self.webhook
        self.url = ""
        self.session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator["WebhookBench"]:
        app = web.Application()
        app.router.add_post("/hook", self._receive)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        async with aiohttp.ClientSession() as self.session:
            yield self
        await runner.cleanup()

    async def _receive(self, request: web.Request) -> web.Response:
        reply = await self.webhook.receive(
            HookRequest(method=request.method, headers=request.headers, read=partial(read_body, request, LIMITS))
        )
        assert reply is not None
        return web.Response(status=reply.status, headers=reply.headers, body=reply.body)

    async def send(self) -> bool:
        assert self.session is not None
        async with self.session.post(self.url, data=BODY) as response:
            return 200 <= response.status < 300


# By the settings that ask for it: the class that is held to this suite, and its bench.
BENCHES: Mapping[type[SourceSettings], tuple[type, Callable[[], SourceBench]]] = {
    WebhookSourceSettings: (WebhookSource, WebhookBench),
    SqsSourceSettings: (SqsSource, SqsBench),
    PubsubSourceSettings: (PubsubSource, PubsubBench),
    MqttSourceSettings: (MqttSource, MqttBench),
    SweepSourceSettings: (SweepSource, SweepBench),
}


@pytest.fixture(params=BENCHES, ids=lambda settings: settings.__struct_config__.tag)
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[SourceBench]:
    adapter, make = BENCHES[request.param]
    async with make().open() as opened:
        assert type(opened.source) is adapter
        yield opened


def test_everything_that_can_be_configured_is_held_to_this_suite() -> None:
    """A source that is not named here could hear nothing, and nobody would know."""
    assert set(BENCHES) == set(SOURCES) == set(get_args(AnySourceSettings))


def news(intake: RecordingIntake) -> list[tuple[str, Host]]:
    """Whose it was and of which registry, in a delivery or found."""
    delivered = [(name, delivery.registry) for name, delivery in intake.taken]
    return delivered + [(name, push.registry) for name, push in intake.swept]


async def test_news_is_acknowledged_only_when_it_is_durable(bench: SourceBench) -> None:
    """The sender's confirmation comes after intake has returned, never before."""
    intake = RecordingIntake()
    async with listening(bench.source, intake), asyncio.TaskGroup() as group:
        sent = group.create_task(bench.send(), name="send")
        await intake.entered.wait()
        assert not sent.done()
        intake.gate.set()
        assert await sent
    assert news(intake) == [("main", "registry.example.com")]
    assert [delivery.body for _, delivery in intake.taken] == [BODY] * len(intake.taken)


async def test_news_that_cannot_be_kept_is_not_acknowledged(bench: SourceBench) -> None:
    """The sender keeps it and tries again, and then it is taken. Meanwhile the source is not connected, and says why."""
    intake = RecordingIntake(broken=True)
    intake.gate.set()
    health = bench.source.health
    async with listening(bench.source, intake):
        assert not await bench.send()
        assert (health.connected, bool(health.problem)) == (False, True)
        intake.broken = False
        assert await bench.send()
        async with asyncio.timeout(20):
            while not health.connected:
                await asyncio.sleep(0.01)
        assert (health.problem, health.last_event_at is not None) == ("", True)
    assert len(news(intake)) == 1


async def test_a_source_that_does_not_listen_acknowledges_nothing(bench: SourceBench) -> None:
    """Neither before it was started nor after it was stopped."""
    intake = RecordingIntake()
    intake.gate.set()
    assert not await bench.send()
    async with listening(bench.source, intake):
        assert await bench.send()
    assert not await bench.send()
    assert len(news(intake)) == 1


async def test_a_source_listens_until_it_is_cancelled(bench: SourceBench) -> None:
    """It has the configured name and never ends by itself."""
    task = asyncio.create_task(bench.source.run(RecordingIntake()), name="source")
    done, _ = await asyncio.wait([task], timeout=0.02)
    assert not done
    task.cancel()
    await asyncio.wait([task])
    assert bench.source.name == "main"
