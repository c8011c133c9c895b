"""A source of MQTT with mosquitto behind it, and a registry that publishes to it."""

import asyncio
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.doubles.mosquitto import Mosquitto, start_mosquitto
from tests.doubles.source_bench import BODY
from watcher.sources.condition import UNAVAILABLE
from watcher.sources.mqtt import MqttSource
from watcher.sources.mqtt_settings import MqttSourceSettings
from watcher.sources.protocol import Source

CLIENT = "watcher-main"
TOPIC = "registry/events"
# A refusal is seen at once, in the source's health; these are for a source that says that it does not run, and for any other.
ABSENT_SECONDS = 0.3
GIVE_UP_SECONDS = 20.0

DEADLINE_SECONDS = 20.0
# Of many messages, that wait for their acknowledgement: enough to keep the broker busy; and until all of them have it.
UNDER_WAY = 1000
PUBLISH_SECONDS = 300.0


def source_at(port: int, **given: Any) -> MqttSource:
    """A source named `main` of a broker on this machine; `given` are further settings."""
    usual: dict[str, Any] = {"name": "main", "host": "127.0.0.1", "topic": TOPIC, "registry": "registry.example.com"}
    return MqttSource(MqttSourceSettings(port=port, **{**usual, **given}))


async def until(is_true: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not is_true():
        assert time.monotonic() < deadline, "it did not come true"
        await asyncio.sleep(0.005)


async def publish(port: int, *payloads: bytes, topic: str = TOPIC, qos: int = 1, retain: bool = False, **settings: Any) -> None:
    """Returns once the broker has all of it. `settings` are of the client that publishes."""
    async with aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5, **settings) as client:
        for payload in payloads:
            await client.publish(topic, payload, qos=qos, retain=retain)


def publish_many(port: int, payloads: Iterable[bytes], *, user: tuple[str, str] | None = None) -> None:
    """As quickly as the broker takes them, with QoS 1; returns when it has acknowledged everything. `user` has a password."""
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.max_inflight_messages_set(UNDER_WAY)
    if user is not None:
        client.username_pw_set(*user)
    acknowledged = threading.Semaphore(0)

    def on_publish(*_: Any) -> None:
        acknowledged.release()

    client.on_publish = on_publish
    client.connect("127.0.0.1", port)
    client.loop_start()
    count = 0
    for payload in payloads:
        client.publish(TOPIC, payload, qos=1)
        count += 1
    deadline = time.monotonic() + PUBLISH_SECONDS
    for number in range(count):
        if not acknowledged.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise RuntimeError(f"{number} of {count} messages were acknowledged")
    client.disconnect()
    client.loop_stop()


async def renew_session(port: int, client_id: str = CLIENT, topic: str = TOPIC) -> None:
    """Leave the session of a client who subscribed and went away, with nothing in it."""
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho has no annotations there
    properties.SessionExpiryInterval = 3600
    async with aiomqtt.Client(
        "127.0.0.1", port, identifier=client_id, protocol=aiomqtt.ProtocolVersion.V5, clean_start=True, properties=properties
    ) as client:
        await client.subscribe(topic, qos=1)


class MqttBench:
    """News is a message; delivered means that the broker got the source's PUBACK for it.

    MQTT has no refusal: a source that cannot store a message keeps it. What was not delivered is then taken out of its session,
    and the connection with it, as by a sender who gives up, because a broker never does.
    """

    def __init__(self) -> None:
        self.source: Source  # it needs the broker's port
        self._broker: Mosquitto

    @asynccontextmanager
    async def open(self) -> AsyncIterator["MqttBench"]:
        with tempfile.TemporaryDirectory() as directory:
            self._broker = start_mosquitto(Path(directory))
            try:
                port = self._broker.port
                await renew_session(port)
                self.source = source_at(port)
                yield self
            finally:
                self._broker.stop()

    async def send(self) -> bool:
        before = len(self._broker.log)
        await publish(self._broker.port, BODY)
        acknowledged = await self._is_acknowledged(before)
        if not acknowledged:
            await renew_session(self._broker.port)
        return acknowledged

    async def _is_acknowledged(self, before: int) -> bool:
        """Whether the broker's log says so after position `before`."""
        health = self.source.health
        absent = health.problem in {"not started", "stopped"}
        try:
            async with asyncio.timeout(ABSENT_SECONDS if absent else GIVE_UP_SECONDS):
                while True:
                    since = self._broker.log[before:]
                    _, sent, answered = since.partition(f"Sending PUBLISH to {CLIENT} ")
                    if sent and f"Received PUBACK from {CLIENT} " in answered:
                        return True
                    if sent and health.problem.startswith(UNAVAILABLE):
                        return False
                    await asyncio.sleep(0.005)
        except TimeoutError:
            return False
