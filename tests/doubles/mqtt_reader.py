"""A subscriber at a broker, on a thread of its own, who keeps what it was sent."""

import json
import queue
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

MARKER = "reader/marker"
SECONDS = 20.0


class Reader:
    """Subscribed to `topics` when it is made; everything that a publisher has an answer for before `messages` is asked is in it."""

    def __init__(self, port: int, *topics: str, user: tuple[str, str] | None = None) -> None:
        self._received: list[MQTTMessage] = []
        self._markers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._subscribed: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        if user is not None:
            self.client.username_pw_set(*user)
        self.client.on_message = self._take
        self.client.on_subscribe = lambda *_: self._subscribed.put(1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        for topic in (*topics, MARKER):
            self.client.subscribe(topic, qos=1)
            self._subscribed.get(timeout=SECONDS)

    @property
    def messages(self) -> list[MQTTMessage]:
        """All that came so far, in order: a message of our own comes after what the broker had before it."""
        mark = uuid.uuid4().bytes
        self.client.publish(MARKER, mark, qos=1)
        while self._markers.get(timeout=SECONDS) != mark:
            pass
        return list(self._received)

    def of(self, topic: str) -> list[bytes]:
        """Payloads that came by one topic."""
        return [bytes(each.payload) for each in self.messages if each.topic == topic]

    def standing(self) -> dict[str, Any]:
        """The event at each topic that has a verdict now."""
        last = {each.topic: each.payload for each in self.messages if "/verdicts/" in each.topic or "/digests/" in each.topic}
        return {topic: json.loads(payload) for topic, payload in last.items() if payload}

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def _take(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        if message.topic == MARKER:
            self._markers.put(bytes(message.payload))
        else:
            self._received.append(message)


@contextmanager
def reading(port: int, *topics: str, user: tuple[str, str] | None = None) -> Iterator[Reader]:
    """Until the block ends; of every topic unless some are named."""
    reader = Reader(port, *(topics or ("#",)), user=user)
    try:
        yield reader
    finally:
        reader.close()
