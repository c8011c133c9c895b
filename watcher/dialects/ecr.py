"""Amazon ECR, whose events EventBridge brings: into a queue, to an API destination, or through SNS. Pure.

Format: one event a message, for a whole account and region. Which registry it is about is account and region.
https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-eventbridge.html
"""

from collections.abc import Sequence
from typing import Any

from watcher.dialects.fields import (
    EventError,
    decided,
    deleted,
    digest_beside,
    each_event,
    moment,
    object_of,
    present,
    pushed,
    text,
)
from watcher.dialects.protocol import Delivery
from watcher.model.push import Decision, Ignored
from watcher.model.strict_json import JsonBodyError, read_json

# An image comes into a registry by a push, as a copy from another region or account, or through a pull-through cache.
ARRIVALS = {"ECR Image Action": "PUSH", "ECR Replication Action": "REPLICATE", "ECR Pull Through Cache Action": None}
SUCCESS = "SUCCESS"


class EcrDialect:
    """Reads an event of EventBridge, unwrapped from SNS where it comes so."""

    def read(self, delivery: Delivery) -> Sequence[Decision]:
        return decided(delivery, lambda body: each_event([_unwrapped(body)], lambda event: _read(event, delivery), _id))


def _unwrapped(body: Any) -> Any:
    """Raises EventError: the envelope holds no JSON."""
    if not isinstance(body, dict) or body.get("Type") != "Notification" or not isinstance(body.get("Message"), str):
        return body
    try:
        return read_json(body["Message"].encode(errors="surrogatepass"))
    except JsonBodyError as error:
        raise EventError(error.reason, f"Message: {error}") from error


def _id(event: dict[str, Any]) -> str | None:
    return text(event.get("id"))


def _read(event: dict[str, Any], delivery: Delivery) -> Decision:
    if event.get("Type") in ("SubscriptionConfirmation", "UnsubscribeConfirmation"):
        return Ignored(reason="subscription")
    if present(event.get("source"), "source") != "aws.ecr":
        return Ignored(reason="other-source", event_id=_id(event))
    kind, detail = event.get("detail-type"), object_of(event.get("detail"))
    place: dict[str, Any] = {
        "host": _host(event),
        "repository": detail.get("repository-name"),
        "tag": detail.get("image-tag"),
        "digest": digest_beside(detail.get("image-tag"), detail.get("image-digest")),
        "event_id": _id(event),
    }
    if not isinstance(kind, str) or kind not in ARRIVALS:
        return Ignored(reason="other-type", event_id=_id(event))
    if SUCCESS not in (detail.get("result"), detail.get("sync-status")):
        return Ignored(reason="not-successful", event_id=_id(event))
    action = detail.get("action-type")
    if action == "DELETE":
        return deleted(delivery, **place)
    if action != ARRIVALS[kind]:
        return Ignored(reason="other-action", event_id=_id(event))
    return pushed(delivery, **place, media_type=detail.get("manifest-media-type"), occurred_at=moment(event.get("time")))


def _host(event: dict[str, Any]) -> str | None:
    account, region = present(event.get("account"), "account"), present(event.get("region"), "region")
    if account is None or region is None:
        return None
    return f"{account}.dkr.ecr.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"
