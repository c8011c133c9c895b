"""One connection to a broker, from its CONNECT to its end. The only module that knows aiomqtt, and paho beneath it.

aiomqtt acknowledges by itself, keeps what it received without a bound and does not say whether the broker knew us. Paho, which it
wraps, has public ways to all three. A test fails when they move.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from watcher.kit import mqtt_client
from watcher.kit.mqtt_client import Complaint, client_of, hang_up
from watcher.sources.mqtt_connection_errors import BrokerUnavailableError, refused, unavailable
from watcher.sources.mqtt_connection_waiting import Waiting

if TYPE_CHECKING:
    import aiomqtt
    from paho.mqtt.client import Client as Paho

# A goodbye that the broker does not take is not waited for: what was acknowledged is then only sent again.
GOODBYE_SECONDS = 1.0
# Nobody subscribes to it. See `close`.
NO_TOPIC = "watcher/no-topic"
# A larger packet is not sent to us, and the broker drops it without a word. So this is far above what is taken in.
PACKET_BYTES = 16 * 1024 * 1024
# The first reason code that is a failure, in every packet. Spec: MQTT 5.0 section 2.4.
FAILURE = 0x80


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker(mqtt_client.Broker):
    """`session_seconds` is how long the broker keeps our session while we are away (MQTT 5)."""

    session_seconds: int
    receive_maximum: int
    packet_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One PUBLISH. `mid` is the packet identifier, 0 with QoS 0, which nobody acknowledges. `properties` are the user's."""

    topic: str
    payload: bytes
    qos: int
    mid: int
    retained: bool
    content_type: str = ""
    properties: Sequence[tuple[str, str]] = ()


@asynccontextmanager
async def connect(broker: Broker) -> AsyncIterator["Connection"]:
    """A connection that resumes the session of `client_id`, if there is one, and leaves it behind.

    Raises:
        BrokerUnavailableError: no connection came about.
        BrokerRefusedError: the broker does not want us.
    """
    connection = Connection(broker)
    try:
        await connection.open()
        yield connection
    finally:
        await connection.close()


class Connection:
    """Not to be used again after it is lost: what was received before would be acknowledged to a session that forgot it."""

    def __init__(self, broker: Broker) -> None:
        self.session_present = False
        self._broker = broker
        self._where = f"{broker.host}:{broker.port}"
        self._complaint = Complaint()
        self._client, self._paho = client_of(broker, self._complaint, **_session(broker))
        self._paho.manual_ack_set(True)
        self._waiting = Waiting(self._paho, limit_messages=broker.receive_maximum)
        self._note_session()
        self._is_open = False

    async def open(self) -> None:
        """CONNECT, and CONNACK."""
        import aiomqtt

        try:
            async with asyncio.timeout(self._broker.timeout_seconds):
                await self._client.__aenter__()
        except aiomqtt.MqttCodeError as error:
            raise refused(self._where, error.rc) from error
        except (aiomqtt.MqttError, TimeoutError) as error:
            raise self._unavailable(error) from error
        self._is_open = True

    async def subscribe(self, topics: Sequence[str]) -> Mapping[str, str]:
        """Ask for `topics` with QoS 1. Returns what of it the broker refused, each with its reason.

        A retained message comes once for a new subscription; by MQTT 3.1.1 it comes with every one.

        Raises:
            BrokerUnavailableError: the broker did not answer.
        """
        import aiomqtt
        from paho.mqtt.subscribeoptions import SubscribeOptions

        wanted: Any = [
            (topic, SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB) if self._broker.is_v5 else 1)
            for topic in topics
        ]
        try:
            async with asyncio.timeout(self._broker.timeout_seconds):
                granted = await self._client.subscribe(wanted)
        except (aiomqtt.MqttError, TimeoutError) as error:
            raise self._unavailable(error) from error
        codes = [(code, code) if isinstance(code, int) else (code.value, code) for code in granted]
        return {topic: str(name) for topic, (code, name) in zip(topics, codes, strict=True) if code >= FAILURE}

    async def messages(self) -> AsyncIterator[Message]:
        """What arrives, in order. Each is to be acknowledged: while too much is not, the broker is stopped by way of TCP.

        Raises:
            BrokerUnavailableError: the connection is lost, and this is how it always ends.
        """
        import aiomqtt

        try:
            async for received in self._client.messages:
                if self._paho.socket() is not None:  # else it cannot be acknowledged, and comes again
                    yield _message(received)
        except aiomqtt.MqttError as error:
            raise self._unavailable(error) from error

    def acknowledge(self, message: Message) -> None:
        """PUBACK, to be called in the order of `messages`. Spec: MQTT 5.0 section 4.6. With QoS 0 it only makes room."""
        self._waiting.settled(message.payload)
        if self._paho.socket() is not None:
            self._paho.ack(message.mid, message.qos)

    async def close(self) -> None:
        """Say goodbye, at most GOODBYE_SECONDS; the session stays. Never raises.

        A socket that is closed with something unread in it resets the connection, and the broker then forgets what it had not read
        itself: our acknowledgements. So whatever it still sends is read and dropped until it answers a request that comes after
        them, of which there is only one that changes nothing.
        """
        import aiomqtt

        # A connect that was given up still runs in its thread, and would take our session from the next connection.
        self._paho.on_socket_open = hang_up
        self._waiting.close()
        if not self._is_open:
            # What aiomqtt does then waits for nobody, and fails over the connect that was cancelled.
            self._paho.on_disconnect = None
        else:
            with suppress(aiomqtt.MqttError, TimeoutError):
                async with asyncio.timeout(GOODBYE_SECONDS):
                    if self._paho.socket() is not None:
                        await self._client.unsubscribe(NO_TOPIC)
                    await self._client.__aexit__(None, None, None)
        if (opened := self._paho.socket()) is not None:
            hang_up(self._paho, None, opened)

    def _note_session(self) -> None:
        inform: Any = self._paho.on_connect

        def on_connect(client: "Paho", userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
            self.session_present = flags.session_present
            inform(client, userdata, flags, reason, properties)

        self._paho.on_connect = on_connect

    def _unavailable(self, error: Exception) -> BrokerUnavailableError:
        return unavailable(error, where=self._where, complaint=self._complaint.text, timeout_seconds=self._broker.timeout_seconds)


def _session(broker: Broker) -> dict[str, Any]:
    """Resume the session there is, and ask for it to be kept. Spec: MQTT 5.0 section 3.1.2.11; 3.1.1 leaves it to the broker."""
    if not broker.is_v5:
        return {"clean_session": False}
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    properties: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho has no annotations there
    properties.SessionExpiryInterval = broker.session_seconds
    properties.ReceiveMaximum = broker.receive_maximum
    properties.MaximumPacketSize = broker.packet_bytes
    return {"clean_start": False, "properties": properties}


def _message(received: "aiomqtt.Message") -> Message:
    properties = received.properties
    return Message(
        topic=str(received.topic),
        payload=bytes(received.payload),
        qos=received.qos,
        mid=received.mid,
        retained=received.retain,
        # Paho sets only those attributes that came.
        content_type=getattr(properties, "ContentType", ""),
        properties=tuple(getattr(properties, "UserProperty", ())),
    )
