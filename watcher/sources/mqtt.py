"""News by MQTT: any dialect's events as the payloads of messages on a topic.

A message is acknowledged once it is on disk. One that cannot be put there is kept, and so is everything that comes after it at the
broker: it gives nobody else what it has sent to us, and sends it again only over another connection.

Spec: MQTT 5.0, MQTT 3.1.1; CloudEvents MQTT binding 1.0.2.
"""

import asyncio
import math
from collections.abc import Mapping

import structlog

from watcher.dialects.protocol import Delivery
from watcher.kit.clock import Clock, utc_now
from watcher.kit.secret import resolve
from watcher.kit.units import seconds, size_bytes
from watcher.sources.condition import Condition
from watcher.sources.mqtt_connection import PACKET_BYTES, Broker, Connection, Message, connect
from watcher.sources.mqtt_connection_errors import TopicRefusedError
from watcher.sources.mqtt_settings import MqttSourceSettings, is_shared
from watcher.sources.patience import Patience
from watcher.sources.protocol import Intake
from watcher.sources.reconnecting import BACKOFF, Reconnecting

log = structlog.get_logger(__name__)

# Above a payload of the largest size: topic and properties, which the protocol limits to 64 KiB each.
PACKET_MARGIN_BYTES = 1024 * 1024


class MqttSource:
    """One session at a broker.

    Raises:
        ConfigurationError: the password, or a file of certificates or keys, cannot be read (on construction).
    """

    def __init__(self, settings: MqttSourceSettings, *, clock: Clock = utc_now) -> None:
        self.name = settings.name or settings.dialect
        self._condition = Condition(self.name, clock)
        self.health = self._condition.health
        self._settings = settings
        self._max_payload_bytes = size_bytes(settings.max_payload)
        self._patience = Patience(self._condition, math.inf)
        self._reconnecting = Reconnecting(self._condition)
        self._has_connected = False
        self._broker()  # what a person must change is said at the start

    async def run(self, intake: Intake) -> None:
        """Listen until cancelled, on one connection after the other."""
        self._warn()
        with self._condition.listening():
            await self._reconnecting.keep(lambda: self._listen(intake))

    async def _listen(self, intake: Intake) -> None:
        """Take messages in until the connection is lost, and raise how.

        A file that was readable at the start, and is not now, is being replaced.
        """
        broker = await asyncio.to_thread(self._broker)
        async with connect(broker) as connection, asyncio.TaskGroup() as group:
            self._note_session(connection)
            group.create_task(self._subscribe(connection), name=f"mqtt-subscribe:{self.name}")
            await self._take_all(connection, intake, group)

    async def _take_all(self, connection: Connection, intake: Intake, group: asyncio.TaskGroup) -> None:
        """Store up to `receive_maximum` messages at once: they then share a commit. Acknowledge in the order they came."""
        free = asyncio.Semaphore(self._settings.receive_maximum)
        order: asyncio.Queue[tuple[Message, asyncio.Task[None]]] = asyncio.Queue()

        async def acknowledge() -> None:
            while True:
                message, stored = await order.get()
                await stored
                connection.acknowledge(message)
                self._reconnecting.failures = 0
                free.release()

        group.create_task(acknowledge(), name=f"mqtt-acknowledge:{self.name}")
        await free.acquire()
        async for message in connection.messages():
            order.put_nowait((message, group.create_task(self._store(message, intake), name=f"mqtt-store:{self.name}")))
            await free.acquire()

    async def _store(self, message: Message, intake: Intake) -> None:
        delivery = self._delivery(message)
        await self._patience.stored(lambda: intake(self.name, delivery))
        self._condition.stored()

    async def _subscribe(self, connection: Connection) -> None:
        """Until every topic is granted. Those that are need not wait for the others."""
        topics, attempt = self._settings.topics, 0
        while refused := await connection.subscribe(topics):
            problem = "; ".join(f"the broker refuses {topic}: {reason}" for topic, reason in refused.items())
            self._condition.heard_nothing(TopicRefusedError(problem))
            await asyncio.sleep(BACKOFF.after(attempt + 1))
            topics, attempt = tuple(refused), attempt + 1
        self._condition.heard(host=self._settings.host, session_present=connection.session_present)

    def _note_session(self, connection: Connection) -> None:
        """A session that is gone took with it what was published meanwhile, which a sweep may find."""
        if self._has_connected and not connection.session_present:
            log.warning("session.lost", source=self.name, host=self._settings.host)
        self._has_connected = True

    def _warn(self) -> None:
        """Say what of the configuration loses or shows something, though it may be wanted."""
        settings = self._settings
        for topic in filter(is_shared, settings.topics):
            detail = "what the broker gave to a member of the group that does not come back is lost; see docs/how-to/mqtt.md"
            log.warning("subscription.shared", source=self.name, topic=topic, detail=detail)
        if settings.address.shows_password:
            log.warning("password.unprotected", source=self.name, host=settings.host, detail="sent without TLS")

    def _broker(self) -> Broker:
        """Reads files. Raises ConfigurationError when one cannot be read."""
        settings = self._settings
        return Broker(
            host=settings.host,
            port=settings.address.connected_port,
            is_v5=settings.version == 5,
            client_id=settings.client_id or f"watcher-{self.name}",
            username=settings.username,
            password=None if settings.password is None else resolve(settings.password),
            tls=settings.address.tls_context(),
            session_seconds=int(seconds(settings.session_expiry)),
            receive_maximum=settings.receive_maximum,
            packet_bytes=max(PACKET_BYTES, self._max_payload_bytes + PACKET_MARGIN_BYTES),
            keepalive_seconds=int(seconds(settings.keepalive)),
            timeout_seconds=seconds(settings.timeout),
        )

    def _delivery(self, message: Message) -> Delivery:
        return self._settings.bounded_delivery(headers_of(message), message.payload, limit_bytes=self._max_payload_bytes)


def headers_of(message: Message) -> Mapping[str, str]:
    """A user property is a header of its name, and the attribute of a CloudEvent in the form that HTTP gives it.

    That form is quoted, MQTT's is not. What the protocol says stands above what the publisher calls alike.
    """
    headers: dict[str, str] = {}
    for name, value in message.properties:
        headers[name.lower()] = value
        headers[f"ce-{name.lower()}"] = value.replace("%", "%25").replace('"', "%22")
    if message.content_type:
        headers["content-type"] = message.content_type
    return {**headers, "mqtt-topic": message.topic, "mqtt-retain": "1" if message.retained else "0"}
