"""What somebody read from a queue by hand, as the source of that queue would have handed it over."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from watcher.dialects.protocol import Delivery
from watcher.model.moments import moment_of
from watcher.model.reference import Host
from watcher.model.strict_json import JsonBodyError, read_json
from watcher.sources import pubsub, pubsub_stream, sqs, sqs_queue_client

# Where the command lines and the services themselves have their lists: SQS, and Pub/Sub's `pull`.
LISTS = ("Messages", "receivedMessages")


def read_messages(content: bytes, registry: Host) -> Sequence[Delivery]:
    """The messages in what `aws sqs receive-message` or `gcloud pubsub subscriptions pull --format json` printed, in order.

    None when `content` is anything else, or a list that holds anything beside messages. A single one is a list of one.
    """
    try:
        value = read_json(content)
    except JsonBodyError:
        return []
    if isinstance(value, dict):
        value = next((value[name] for name in LISTS if isinstance(value.get(name), list)), [value])
    found = [_delivery(each, registry) for each in value] if isinstance(value, list) else []
    whole = [each for each in found if each is not None]
    return whole if len(whole) == len(found) else []


def _delivery(message: Any, registry: Host) -> Delivery | None:
    if not isinstance(message, dict):
        return None
    if isinstance(message.get("Body"), str) and "MessageId" in message:
        received = sqs_queue_client.message_of(message)
        return Delivery(registry=registry, headers=sqs.headers_of(received), body=received.body)
    # A push subscription's envelope has no `ackId`: that is a body of its own.
    if isinstance(message.get("message"), dict) and "ackId" in message:
        return _pulled(message["message"], registry)
    return None


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
