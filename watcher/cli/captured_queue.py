"""What somebody read from a queue or a broker by hand, as the source of it would have handed it over."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from watcher.dialects.protocol import Delivery
from watcher.kit.counted import counted
from watcher.kit.mqtt_address import LONGEST_TOPIC_BYTES
from watcher.model.errors import ConfigurationError
from watcher.model.first_use import known
from watcher.model.moments import moment_of
from watcher.model.reference import Host
from watcher.model.strict_json import JsonBodyError, read_json
from watcher.sources import mqtt, mqtt_connection, pubsub, pubsub_stream, sqs, sqs_queue_client

# Where the command lines and the services themselves have their lists: SQS, and Pub/Sub's `pull`.
LISTS = ("Messages", "receivedMessages")
_DECODER = json.JSONDecoder()
_END_OF_LINE = re.compile(r"\r?\n|\Z")


class _Printed(msgspec.Struct, frozen=True):
    """A line of `mosquitto_sub -F %j`, or of `-F %J`, which has a payload of JSON as it is instead of as a text."""

    topic: str
    qos: int
    payloadlen: int
    payload: msgspec.Raw
    retain: int = 0
    properties: Mapping[str, Any] = {}


def read_messages(content: bytes, registry: Host) -> Sequence[Delivery]:
    """The messages in what the tools of a queue printed, in order, of one call or of several after each other.

    Those are `aws sqs receive-message`, `gcloud pubsub subscriptions pull --format json`, and `mosquitto_sub` with `-F %j`, `-F %J`
    or `-v`. None when `content` is anything else, or holds anything beside messages.

    Raises:
        ConfigurationError: a message is there, and not whole.
    """
    text = content.decode("utf-8", "surrogateescape")
    return _all(_several, _documents(text), registry) or _all(_shown, _topics(text), registry)


def published(topic: str, payload: bytes, registry: Host, **rest: Any) -> Delivery:
    """A message of MQTT. `rest` is what else a PUBLISH has: `retained`, `content_type`, `properties`."""
    message = mqtt_connection.Message(topic=topic, payload=payload, **{"qos": 0, "mid": 0, "retained": False, **rest})
    return Delivery(registry=registry, headers=mqtt.headers_of(message), body=payload)


def _all(read: Callable[[str, Host], Sequence[Delivery]], parts: Sequence[str], registry: Host) -> Sequence[Delivery]:
    """What every one of the parts holds; nothing when one of them holds nothing."""
    found = [read(part, registry) for part in parts]
    return [delivery for each in found for delivery in each] if all(found) else []


def _documents(text: str) -> Sequence[str]:
    """The values of JSON that a text consists of, and nothing when there is anything else in it."""
    found, position = [], 0
    while position < len(text):
        if text[position] in " \t\r\n":
            position += 1
            continue
        end = _end_of_value(text, position)
        if end is None:
            return ()
        found.append(text[position:end])
        position = end
    return found


def _topics(text: str) -> Sequence[str]:
    """Lines `TOPIC PAYLOAD` with a payload of JSON, which may have several lines; nothing when there is anything else."""
    found, position = [], 0
    while position < len(text):
        blank = text.find(" ", position, position + LONGEST_TOPIC_BYTES + 1)
        if blank <= position or text[position] in '{["' or not text[position:blank].isprintable():
            return ()
        end = _end_of_value(text, blank + 1)
        end_of_line = None if end is None else _END_OF_LINE.match(text, end)
        if end_of_line is None:
            return ()
        found.append(text[position:end])
        position = end_of_line.end()
    return found


def _end_of_value(text: str, start: int) -> int | None:
    """Where an object or a list that begins there ends. Whether it means one thing is for its reader to say."""
    if text[start : start + 1] not in ("{", "["):
        return None
    try:
        return _DECODER.raw_decode(text, start)[1]
    except (ValueError, RecursionError):
        return None


def _several(document: str, registry: Host) -> Sequence[Delivery]:
    content = document.encode("utf-8", "surrogateescape")
    if (printed := _printed(content, registry)) is not None:
        return [printed]
    try:
        value = read_json(content)
    except JsonBodyError:
        return []
    if isinstance(value, dict):
        value = next((value[name] for name in LISTS if isinstance(value.get(name), list)), [value])
    found = [_delivery(each, registry) for each in value]
    whole = [each for each in found if each is not None]
    return whole if len(whole) == len(found) else []


def _shown(line: str, registry: Host) -> Sequence[Delivery]:
    topic, _, payload = line.partition(" ")
    return [published(topic, payload.encode("utf-8", "surrogateescape"), registry)]


def _printed(content: bytes, registry: Host) -> Delivery | None:
    """Not read as strictly as an event: a broker hands on user properties of one name twice."""
    try:
        message = msgspec.json.decode(content, type=known(_Printed))
        is_text = bytes(message.payload).startswith(b'"')
        payload = msgspec.json.decode(message.payload, type=str).encode() if is_text else bytes(message.payload)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    if is_text and len(payload) != message.payloadlen:
        length, captured = counted(message.payloadlen, "byte"), len(payload)
        raise ConfigurationError(
            f"the message on {message.topic[:200]} has {length}, of which {captured} were captured:"
            " it is no text; capture it alone, with -N"
        )
    user = message.properties.get("user-properties")
    return published(
        message.topic,
        payload,
        registry,
        retained=bool(message.retain),
        content_type=str(message.properties.get("content-type", "")),
        properties=[(name, str(value)) for name, value in user.items()] if isinstance(user, dict) else (),
    )


def _delivery(message: Any, registry: Host) -> Delivery | None:
    if not isinstance(message, dict):
        return None
    if isinstance(message.get("Body"), str) and "MessageId" in message and _has_attributes(message):
        received = sqs_queue_client.message_of(message)
        return Delivery(registry=registry, headers=sqs.headers_of(received), body=received.body)
    # A push subscription's envelope has no `ackId`: that is a body of its own.
    if isinstance(message.get("message"), dict) and "ackId" in message:
        return _pulled(message["message"], registry)
    return None


def _has_attributes(message: Mapping[str, Any]) -> bool:
    """Whether those of a message of SQS are as the service writes them, as far as they were asked for."""
    said = message.get("MessageAttributes", {})
    return (
        isinstance(message.get("Attributes", {}), dict)
        and isinstance(said, dict)
        and all(isinstance(each, dict) for each in said.values())
    )


def _pulled(message: Mapping[str, Any], registry: Host) -> Delivery | None:
    """Spec: Pub/Sub REST API, PubsubMessage."""
    published_at, attributes = moment_of(str(message.get("publishTime"))), message.get("attributes") or {}
    try:
        data = base64.b64decode(str(message.get("data") or ""), validate=True)
    except (binascii.Error, ValueError):
        return None
    if published_at is None or not isinstance(attributes, dict):
        return None
    pulled = pubsub_stream.Message(
        id=str(message.get("messageId", "")),
        data=data,
        attributes={name: str(value) for name, value in attributes.items()},
        published_at=published_at,
        handle=None,
    )
    return Delivery(registry=registry, headers=pubsub.headers_of(pulled), body=pulled.data)
