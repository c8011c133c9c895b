"""Google Artifact Registry and its predecessor, which tell the topic `gcr` of their project. Pure.

Format: `{"action": "INSERT", "digest": "HOST/REPOSITORY@DIGEST", "tag": "HOST/REPOSITORY:TAG"}`, one of the two or both: as the
message of a subscription that is read, or as a request, wrapped in Pub/Sub's envelope or not; Eventarc makes a CloudEvent of that.
https://cloud.google.com/artifact-registry/docs/configure-notifications
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from watcher.dialects.fields import EventError, decided, deleted, moment, object_of, present, pushed, text
from watcher.dialects.image_name import split_image
from watcher.dialects.protocol import Delivery
from watcher.model.push import Decision, Ignored
from watcher.model.strict_json import JsonBodyError, read_json

ID_HEADER = "x-goog-pubsub-message-id"
TIME_HEADER = "x-goog-pubsub-publish-time"


class GarDialect:
    """Reads one message. Its id and time are Pub/Sub's: the registry gives neither."""

    def read(self, delivery: Delivery) -> Sequence[Decision]:
        return decided(delivery, lambda body: [_read(body, delivery)])


def _read(body: Any, delivery: Delivery) -> Decision:
    if not isinstance(body, dict):
        raise EventError("invalid-event", "an event is not an object")
    envelope = object_of(body.get("data")) if "specversion" in body else body
    message = object_of(envelope.get("message"))
    event = _data(message) if message else envelope
    # Clients of other languages than Google's own write the names of the protocol, in which words are joined by underscores.
    event_id = text(message.get("messageId") or message.get("message_id") or delivery.headers.get(ID_HEADER))
    published_at = message.get("publishTime") or message.get("publish_time") or delivery.headers.get(TIME_HEADER)
    action = present(event.get("action"), "action")
    if action is None:
        raise EventError("no-action", "the event has no action")
    if action not in {"INSERT", "DELETE"}:
        return Ignored(reason="other-action", event_id=event_id)
    place = {**_place(event), "event_id": event_id}
    if action == "DELETE":
        return deleted(delivery, **place)
    return pushed(delivery, **place, occurred_at=moment(published_at))


def _data(message: dict[str, Any]) -> dict[str, Any]:
    """What the envelope holds. Raises EventError: nothing that is JSON, or no object."""
    data = present(message.get("data"), "data")
    try:
        event = read_json(base64.b64decode(data or "", validate=True))
    except (JsonBodyError, binascii.Error, ValueError) as error:
        raise EventError("invalid-data", "message.data is not JSON in base64") from error
    if not isinstance(event, dict):
        raise EventError("invalid-event", "an event is not an object")
    return event


def _place(event: dict[str, Any]) -> dict[str, Any]:
    """A project of a domain (`example.com:shop`) has a slash for its colon in names of images.

    Raises:
        EventError: digest and tag are of two images.
    """
    by_digest = split_image(present(event.get("digest"), "digest") or "")
    by_tag = split_image(present(event.get("tag"), "tag") or "")
    first = by_digest if by_digest.repository else by_tag
    if by_tag.repository and (by_tag.host, by_tag.repository) != (first.host, first.repository):
        raise EventError("invalid-event", "digest and tag name two images")
    repository = first.repository.replace(":", "/", 1)
    return {"host": first.host, "repository": repository, "tag": by_tag.tag, "digest": by_digest.digest}
