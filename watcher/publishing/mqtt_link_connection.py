"""One connection to a broker that is written to, from its CONNECT to its end. The only module of publishers that knows aiomqtt.

aiomqtt does not say what the broker answered to a message, nor that the connection was lost while it waits for that. Paho, which
it wraps, has public ways to both. A test fails when they move.
"""

import asyncio
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from watcher.kit import mqtt_client
from watcher.kit.mqtt_client import Complaint, client_of, hang_up
from watcher.kit.mqtt_trouble import reason_codes
from watcher.publishing.mqtt_link_connection_errors import (
    BrokerUnavailableError,
    MessageTooLargeError,
    connection_refused,
    message_refused,
    unavailable,
)

if TYPE_CHECKING:
    from paho.mqtt.client import Client as Paho

# A goodbye that the broker does not take is not waited for; it then says itself that we are gone.
GOODBYE_SECONDS = 1.0
# The first reason code that is a failure, in every packet. Spec: MQTT 5.0 section 2.4.
FAILURE = 0x80
# A connection ends with the first, and with the second when mosquitto answers a message with the first: paho knows it there as an
# error of the protocol, which it is.
OVER_SIZE = frozenset({0x95, 0x82})
# Of a packet, beside its topic, payload and properties: what the protocol needs around them, and some more.
PACKET_MARGIN_BYTES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker(mqtt_client.Broker):
    """`status_topic` has `online` while we are, and `offline` from the broker itself after that."""

    status_topic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One PUBLISH with QoS 1. Retained without a payload it empties its topic. What MQTT 5 alone knows is dropped before."""

    topic: str
    payload: bytes
    retained: bool
    content_type: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)
    expiry_seconds: int = 0  # 0: never


@dataclass(frozen=True, slots=True)
class _Waiting:
    answer: asyncio.Future[Any]
    size: int


class Connection:
    """Not to be used again after it is lost.

    `payload_bytes` of a message is how large its payload may be, by what the broker said at the beginning.
    """

    def __init__(self, broker: Broker) -> None:
        import aiomqtt

        self._broker = broker
        self._where = f"{broker.host}:{broker.port}"
        self._complaint = Complaint()
        self._packet_bytes = math.inf
        self._waiting: dict[int, _Waiting] = {}  # by packet identifier
        self._client, self._paho = client_of(
            broker,
            self._complaint,
            will=aiomqtt.Will(broker.status_topic, "offline", qos=1, retain=True),
            # Nobody sends us anything, so there is no session to come back to.
            **_without_session(broker),
        )
        self._is_open = False
        self._ended: BrokerUnavailableError | None = None
        self._listen()

    async def open(self) -> None:
        """CONNECT, and say that we are online.

        Raises:
            BrokerUnavailableError: no connection came about.
            BrokerRefusedError: the broker does not want us.
            TopicRefusedError: we may not write our status.
        """
        import aiomqtt

        try:
            async with asyncio.timeout(self._broker.timeout_seconds):
                await self._client.__aenter__()
        except aiomqtt.MqttCodeError as error:
            raise connection_refused(self._where, error.rc) from error
        except (aiomqtt.MqttError, TimeoutError) as error:
            raise self._unavailable(error) from error
        self._is_open = True
        await self.publish(self._status("online"))

    @property
    def is_over(self) -> bool:
        return self._ended is not None or self._paho.socket() is None

    def payload_bytes(self, message: Outgoing) -> float:
        """The largest payload that the broker takes with the topic and the properties of `message`; infinite if it did not say."""
        names = sum(len(text.encode()) + 5 for pair in message.properties.items() for text in pair)
        return self._packet_bytes - PACKET_MARGIN_BYTES - len(message.topic.encode()) - len(message.content_type) - names

    async def publish(self, message: Outgoing) -> None:
        """After this returns the broker has it.

        Raises:
            BrokerUnavailableError: it did not answer, or is gone.
            TopicRefusedError, MessageTooLargeError, MessageRefusedError: it does not want it. By MQTT 3.1.1 it cannot say so.
        """
        sent = self._paho.publish(message.topic, message.payload, 1, message.retained, self._properties(message))
        if sent.rc:
            raise self._ended or self._gone()
        waiting = self._waiting[sent.mid] = _Waiting(asyncio.get_running_loop().create_future(), len(message.payload))
        try:
            async with asyncio.timeout(self._broker.timeout_seconds):
                code = await waiting.answer
        except TimeoutError as error:
            raise self._unavailable(error) from error
        finally:
            self._waiting.pop(sent.mid, None)
        if code.value >= FAILURE:
            raise message_refused(self._where, message.topic, code)

    async def lost(self) -> BrokerUnavailableError:
        """Wait for the end of the connection, and give its reason. Whoever waits for an answer knows it already."""
        import aiomqtt

        try:
            async for _ in self._client.messages:
                pass  # nothing is subscribed to
        except aiomqtt.MqttError as error:
            self._end(error)
        return self._ended or self._gone()

    async def close(self) -> None:
        """Say that we are offline, and goodbye, at most GOODBYE_SECONDS. Never raises."""
        import aiomqtt

        # A connect that was given up still runs in its thread.
        self._paho.on_socket_open = hang_up
        if not self._is_open:
            # What aiomqtt does then waits for nobody, and fails over the connect that was cancelled.
            self._paho.on_disconnect = None
        else:
            with suppress(aiomqtt.MqttError, TimeoutError, BrokerUnavailableError):
                async with asyncio.timeout(GOODBYE_SECONDS):
                    if not self.is_over:
                        # Sent before the goodbye on the same connection: nobody needs to wait for its answer.
                        self._paho.publish(self._broker.status_topic, "offline", 1, retain=True)
                    await self._client.__aexit__(None, None, None)
        if (opened := self._paho.socket()) is not None:
            hang_up(self._paho, None, opened)
        for waiting in self._waiting.values():
            _fail(waiting, self._gone())

    def _status(self, status: str) -> Outgoing:
        return Outgoing(topic=self._broker.status_topic, payload=status.encode(), retained=True)

    def _answered(self, _client: "Paho", _userdata: Any, mid: int, code: Any, _properties: Any) -> None:
        if (waiting := self._waiting.get(mid)) is not None and not waiting.answer.done():
            waiting.answer.set_result(code)

    def _end(self, error: Exception) -> None:
        """Nobody is answered any more. A connection that ended over the size of a packet says not of which."""
        self._ended = self._ended or self._unavailable(error)
        if reason_codes(error) & OVER_SIZE and self._waiting:
            largest = max(self._waiting.values(), key=lambda each: each.size)
            _fail(largest, MessageTooLargeError(str(self._ended)))
        for waiting in self._waiting.values():
            _fail(waiting, self._ended)

    def _listen(self) -> None:
        """To what aiomqtt keeps to itself."""
        import aiomqtt

        connected: Any = self._paho.on_connect
        disconnected: Any = self._paho.on_disconnect

        def on_connect(client: "Paho", userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
            self._packet_bytes = getattr(properties, "MaximumPacketSize", math.inf)
            connected(client, userdata, flags, reason, properties)

        def on_disconnect(client: "Paho", userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
            disconnected(client, userdata, flags, reason, properties)
            self._end(aiomqtt.MqttCodeError(reason))

        self._paho.on_connect, self._paho.on_disconnect, self._paho.on_publish = on_connect, on_disconnect, self._answered

    def _gone(self) -> BrokerUnavailableError:
        return BrokerUnavailableError(f"{self._where} is not connected")

    def _properties(self, message: Outgoing) -> Any:
        if not self._broker.is_v5 or not message.payload:
            return None
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties

        properties: Any = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho has no annotations there
        if message.content_type:
            properties.ContentType = message.content_type
        if message.properties:
            properties.UserProperty = list(message.properties.items())
        if message.expiry_seconds:
            properties.MessageExpiryInterval = message.expiry_seconds
        return properties

    def _unavailable(self, error: Exception) -> BrokerUnavailableError:
        return unavailable(error, where=self._where, complaint=self._complaint.text, timeout_seconds=self._broker.timeout_seconds)


def _fail(waiting: _Waiting, error: Exception) -> None:
    if not waiting.answer.done():
        waiting.answer.set_exception(error)


def _without_session(broker: Broker) -> dict[str, Any]:
    return {"clean_start": True} if broker.is_v5 else {"clean_session": True}
