"""What the suite of publishers asks of a destination, and those that are machines: brokers, topics, queues and buses."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.mosquitto import start_mosquitto
from tests.doubles.moto import REGION, Moto, MotoQueue, isolate_identity, shared_moto, start_moto
from tests.doubles.mqtt_reader import reading
from tests.doubles.publishing import publisher_context
from tests.doubles.pubsub_server import TOPIC, PubsubServer
from tests.doubles.verdicts import a_verdict
from watcher.model.verdict import Verdict
from watcher.publishing.catalog import build_publisher
from watcher.publishing.eventbridge import EventBridgePublisher
from watcher.publishing.eventbridge_settings import EventBridgePublisherSettings
from watcher.publishing.mqtt import MqttPublisher
from watcher.publishing.mqtt_settings import MqttPublisherSettings
from watcher.publishing.protocol import Publisher
from watcher.publishing.pubsub import PubsubPublisher
from watcher.publishing.pubsub_settings import PubsubPublisherSettings
from watcher.publishing.settings import AnyPublisherSettings
from watcher.publishing.sns import SnsPublisher
from watcher.publishing.sns_settings import SnsPublisherSettings
from watcher.publishing.sqs import SqsPublisher
from watcher.publishing.sqs_settings import SqsPublisherSettings
from watcher.publishing.wanted import PublisherSettings


@dataclass(kw_only=True)
class Destination:
    """A publisher with its name, a verdict it can publish, what a reader then sees, and how to take the destination away."""

    name: str
    publisher: Publisher
    verdict: Verdict
    seen: Callable[[], object]
    leave: Callable[[], Awaitable[None]] | None


Opening = Callable[[AsyncExitStack, Path], Awaitable[Destination]]


async def _mqtt(stack: AsyncExitStack, folder: Path) -> Destination:
    broker = start_mosquitto(folder / "broker")
    stack.callback(broker.stop)
    reader = stack.enter_context(reading(broker.port))
    publisher = await _built(stack, folder, MqttPublisherSettings(name="mine", host="127.0.0.1", port=broker.port))

    async def leave() -> None:
        await asyncio.to_thread(broker.stop)

    def seen() -> object:
        events = {json.loads(each)["id"] for each in reader.of("watcher/events")}
        return events, {topic: event["id"] for topic, event in reader.standing().items()}

    return Destination(name="mine", publisher=publisher, verdict=a_verdict(), seen=seen, leave=leave)


async def _built(stack: AsyncExitStack, folder: Path, settings: AnyPublisherSettings) -> Publisher:
    publisher = build_publisher(settings, await stack.enter_async_context(publisher_context(folder / "w.db")))
    stack.push_async_callback(publisher.aclose)
    return publisher


def _received(queue: MotoQueue) -> Callable[[], object]:
    """The events in a queue by id, as a consumer keeps them that drops repeats; whatever wraps them is taken off."""
    events: dict[str, Any] = {}

    def seen() -> object:
        while received := queue.receive():
            for each in received:
                body = json.loads(each["Body"])
                event = body.get("detail", body)
                events.setdefault(event["id"], event)
                queue.moto.client("sqs").delete_message(QueueUrl=queue.url, ReceiptHandle=each["ReceiptHandle"])
        return dict(events)

    return seen


async def _sns(stack: AsyncExitStack, folder: Path) -> Destination:
    moto = await _amazon(stack, folder)
    queue = await asyncio.to_thread(moto.queue)
    topic = await asyncio.to_thread(queue.topic, raw=True)
    settings = SnsPublisherSettings(name="mine", topic_arn=topic, endpoint_url=moto.endpoint)

    async def leave() -> None:
        await asyncio.to_thread(moto.client("sns").delete_topic, TopicArn=topic)

    publisher = await _built(stack, folder, settings)
    return Destination(name="mine", publisher=publisher, verdict=a_verdict(), seen=_received(queue), leave=leave)


async def _sqs(stack: AsyncExitStack, folder: Path) -> Destination:
    moto = await _amazon(stack, folder)
    queue = await asyncio.to_thread(moto.queue)
    settings = SqsPublisherSettings(name="mine", queue_url=queue.url, region=REGION)

    async def leave() -> None:
        await asyncio.to_thread(queue.delete)

    publisher = await _built(stack, folder, settings)
    return Destination(name="mine", publisher=publisher, verdict=a_verdict(), seen=_received(queue), leave=leave)


async def _eventbridge(stack: AsyncExitStack, folder: Path) -> Destination:
    """A bus that is not there takes events all the same, so it is the service that goes away."""
    moto = await _amazon(stack, folder, own=True)
    queue = await asyncio.to_thread(moto.queue)
    await asyncio.to_thread(queue.rule, {"source": ["registry-watcher"], "detail": {"outcome": ["fail"]}})
    settings = EventBridgePublisherSettings(name="mine", region=REGION, endpoint_url=moto.endpoint)

    async def leave() -> None:
        await asyncio.to_thread(moto.stop)

    publisher = await _built(stack, folder, settings)
    return Destination(name="mine", publisher=publisher, verdict=a_verdict(), seen=_received(queue), leave=leave)


async def _pubsub(stack: AsyncExitStack, folder: Path) -> Destination:
    server = PubsubServer()
    server.start()
    stack.callback(server.kill)
    settings = PubsubPublisherSettings(name="mine", topic=TOPIC, endpoint=server.endpoint)

    def seen() -> object:
        return {json.loads(each.data)["id"]: each.data for each in server.main.waiting}

    async def leave() -> None:
        await asyncio.to_thread(server.kill)

    publisher = await _built(stack, folder, settings)
    return Destination(name="mine", publisher=publisher, verdict=a_verdict(), seen=seen, leave=leave)


async def _amazon(stack: AsyncExitStack, folder: Path, *, own: bool = False) -> Moto:
    """A server, its own or that of all, and an identity for the SDK."""
    patching = stack.enter_context(pytest.MonkeyPatch.context())
    for name, value in isolate_identity(folder).items():
        patching.setenv(name, value)
    moto = await asyncio.to_thread(start_moto if own else shared_moto)
    if own:
        stack.callback(moto.stop)
    return moto


# By the settings that ask for it: the class, and its destination.
MACHINES: Mapping[type[PublisherSettings], tuple[type, Opening]] = {
    MqttPublisherSettings: (MqttPublisher, _mqtt),
    SnsPublisherSettings: (SnsPublisher, _sns),
    SqsPublisherSettings: (SqsPublisher, _sqs),
    EventBridgePublisherSettings: (EventBridgePublisher, _eventbridge),
    PubsubPublisherSettings: (PubsubPublisher, _pubsub),
}
