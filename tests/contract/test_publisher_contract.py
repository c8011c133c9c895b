"""What every publisher promises, over all of them."""

import asyncio
import io
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestServer
from rich.console import Console
from structlog.testing import capture_logs

from tests.doubles.chat_hosts import ChatHosts, served
from tests.doubles.code_host_destinations import CODE_HOSTS
from tests.doubles.destinations import MACHINES, Destination, Opening
from tests.doubles.publishing import Notes, publisher_context
from tests.doubles.quarantine_bench import quarantine_bench
from tests.doubles.verdicts import a_verdict
from watcher.cli.demo import DemoPublisher
from watcher.model.errors import RetryableError
from watcher.model.reference import RepositoryName
from watcher.model.referrers_tag import fallback_tag
from watcher.publishing.catalog import PUBLISHERS, build_publisher
from watcher.publishing.log import LogPublisher
from watcher.publishing.notify import NotifyPublisher
from watcher.publishing.notify_settings import NotifyPublisherSettings
from watcher.publishing.quarantine.publisher import QuarantinePublisher
from watcher.publishing.quarantine.settings import QuarantinePublisherSettings
from watcher.publishing.referrer import ReferrerPublisher
from watcher.publishing.settings import (
    AnyPublisherSettings,
    LogPublisherSettings,
    ReferrerPublisherSettings,
    WebhookPublisherSettings,
)
from watcher.publishing.wanted import PublisherSettings
from watcher.publishing.webhook import WebhookPublisher
from watcher.testing.faults import Fault
from watcher.testing.images import build_image, build_layer, put_image
from watcher.testing.registry import serve_registry

pytestmark = pytest.mark.enable_socket


async def _referrer(stack: AsyncExitStack, folder: Path) -> Destination:
    registry = await stack.enter_async_context(serve_registry())
    repository, image = RepositoryName("team/app"), build_image([build_layer({"a": "b"})])
    put_image(registry, repository, image, "v1")
    verdict = a_verdict()
    subject = replace(verdict.subject, registry=registry.host, repository=repository, digest=image.digest)

    async def leave() -> None:
        registry.faults.add(Fault(status=403, times=1000))

    return Destination(
        name="mine",
        publisher=build_publisher(
            ReferrerPublisherSettings(name="mine"), await stack.enter_async_context(publisher_context(folder / "w.db"))
        ),
        verdict=replace(verdict, subject=subject),
        seen=lambda: registry.content.existing(repository).tags.get(fallback_tag(image.digest)),
        leave=leave,
    )


async def _quarantine(stack: AsyncExitStack, folder: Path) -> Destination:
    bench = await stack.enter_async_context(quarantine_bench(folder))
    verdict = await bench.pushed_bad()

    async def leave() -> None:
        bench.registry.faults.add(Fault(status=503, times=1000))

    return Destination(
        name="mine",
        publisher=build_publisher(QuarantinePublisherSettings(name="mine", dry_run=False), bench.context),
        verdict=verdict,
        seen=lambda: bench.tags,
        leave=leave,
    )


async def _webhook(stack: AsyncExitStack, folder: Path) -> Destination:
    events: dict[str, bytes] = {}

    async def take(request: web.Request) -> web.Response:
        # A consumer that drops repeats by id, as CloudEvents asks of it.
        events.setdefault(request.headers["webhook-id"], await request.read())
        return web.Response(status=202)

    app = web.Application()
    app.router.add_post("/", take)
    server = await stack.enter_async_context(TestServer(app))
    settings = WebhookPublisherSettings(name="mine", url=str(server.make_url("/")))
    return Destination(
        name="mine",
        publisher=build_publisher(settings, await stack.enter_async_context(publisher_context(folder / "w.db"))),
        verdict=a_verdict(),
        seen=lambda: dict(events),
        leave=server.close,
    )


async def _notify(stack: AsyncExitStack, folder: Path) -> Destination:
    hosts = ChatHosts()
    server = await stack.enter_async_context(served(hosts))
    url = folder / "url"
    url.write_text(f"json://{server.host}:{server.port}/told")
    return Destination(
        name="mine",
        publisher=build_publisher(
            NotifyPublisherSettings(name="mine", urls=(f"file:{url}",)),
            await stack.enter_async_context(publisher_context(folder / "w.db")),
        ),
        verdict=a_verdict(),
        # What is written in a chat twice is there twice, and says nothing new.
        seen=lambda: {each.json["title"]: each.json["message"] for each in hosts.posted},
        leave=server.close,
    )


async def _log(stack: AsyncExitStack, folder: Path) -> Destination:
    lines = stack.enter_context(capture_logs())
    structlog.get_logger().debug("ready")
    return Destination(
        name="mine",
        publisher=build_publisher(
            LogPublisherSettings(name="mine"), await stack.enter_async_context(publisher_context(folder / "w.db"))
        ),
        verdict=a_verdict(),
        seen=lambda: {line["verdict_id"]: line["outcome"] for line in lines if line["event"] == "verdict.published"},
        leave=None,
    )


async def _terminal(stack: AsyncExitStack, folder: Path) -> Destination:
    del stack, folder
    printed = io.StringIO()
    return Destination(
        name="terminal",
        publisher=DemoPublisher(Console(file=printed)),
        verdict=a_verdict(),
        seen=printed.getvalue,
        leave=None,
    )


# By the settings that ask for it: the class that is held to this suite, and its destination.
DESTINATIONS: Mapping[type[PublisherSettings], tuple[type, Opening]] = {
    ReferrerPublisherSettings: (ReferrerPublisher, _referrer),
    QuarantinePublisherSettings: (QuarantinePublisher, _quarantine),
    WebhookPublisherSettings: (WebhookPublisher, _webhook),
    LogPublisherSettings: (LogPublisher, _log),
    NotifyPublisherSettings: (NotifyPublisher, _notify),
    **MACHINES,
    **CODE_HOSTS,
}
# The demo's own is there without being configured.
PLACES: Mapping[type, Opening] = dict((*DESTINATIONS.values(), (DemoPublisher, _terminal)))


@pytest.fixture(params=PLACES)
async def destination(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Destination]:
    async with AsyncExitStack() as stack:
        opened = await PLACES[request.param](stack, tmp_path)
        assert type(opened.publisher) is request.param
        yield opened


def test_everything_that_can_be_configured_is_held_to_this_suite() -> None:
    """A publisher that is not named here could publish nothing, and nobody would know."""
    assert set(DESTINATIONS) == set(PUBLISHERS) == set(get_args(AnyPublisherSettings))


async def test_a_publisher_is_named_as_configured(destination: Destination) -> None:
    """The outbox finds it by its name."""
    assert destination.publisher.name == destination.name


async def test_opening_publishes_nothing(destination: Destination) -> None:
    """It only says whether the destination is there."""
    before = destination.seen()
    await destination.publisher.open()
    assert destination.seen() == before


async def test_publishing_is_seen(destination: Destination) -> None:
    """After it returned, the destination has it."""
    before = destination.seen()
    await destination.publisher.publish(destination.verdict, Notes())
    assert destination.seen() != before


async def test_publishing_again_changes_nothing_that_a_reader_sees(destination: Destination) -> None:
    """The outbox delivers at least once, and after a crash once more."""
    await destination.publisher.publish(destination.verdict, Notes())
    before = destination.seen()
    await asyncio.gather(*(destination.publisher.publish(destination.verdict, Notes()) for _ in range(3)))
    assert destination.seen() == before


async def test_a_destination_that_is_gone_is_tried_again(destination: Destination) -> None:
    """Its being away is never the verdict's fault."""
    if destination.leave is None:
        return  # our own log is where we are, and so is a terminal
    await destination.leave()
    with pytest.raises(RetryableError):
        await destination.publisher.publish(destination.verdict, Notes())
