"""Amazon ECR, whose events EventBridge brings: into a queue, to an API destination, or through SNS. Pure.

Format: one event a message, for a whole account and region. Which registry it is about is account and region. A rule that passes on
only `$.detail` leaves these out; a pipe or a function that reads a queue puts its record around the event, or a list of them.
https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-eventbridge.html
"""

from collections.abc import Sequence
from typing import Any

from watcher.dialects.ecr_host import ecr_host
from watcher.dialects.fields import (
    EventError,
    decided,
    deleted,
    digest_beside,
    each_event,
    moment,
    object_of,
    one_or_several,
    present,
    pushed,
    text,
    type_doubt,
)
from watcher.dialects.protocol import Delivery
from watcher.model.push import Decision, Handshake, Ignored
from watcher.model.strict_json import JsonBodyError, read_json

# An image comes into a registry by a push, as a copy from another region or account, or through a pull-through cache.
ARRIVALS = {"ECR Image Action": "PUSH", "ECR Replication Action": "REPLICATE", "ECR Pull Through Cache Action": None}
IMAGE_ACTION, REPLICATION, PULL_THROUGH = ARRIVALS
SUCCESS = "SUCCESS"
SOURCE = "aws.ecr"
# From ECR to SNS to SQS to a pipe: nobody puts more around an event.
MAX_ENVELOPES = 4


class EcrDialect:
    """Reads events of EventBridge, out of whatever they came in."""

    def read(self, delivery: Delivery) -> Sequence[Decision]:
        def events(body: Any) -> Sequence[Decision]:
            records = body.get("Records") if isinstance(body, dict) else None
            return each_event(one_or_several(records or body), lambda event: _read(_opened(event), delivery), _id)

        return decided(delivery, events)


def _opened(event: dict[str, Any]) -> dict[str, Any]:
    """What is inside of the envelopes of SNS and SQS. Raises EventError: one of them holds no JSON, or no object."""
    for _ in range(MAX_ENVELOPES):
        envelope = object_of(event.get("Sns")) or event
        name = "Message" if envelope.get("Type") == "Notification" else "body"
        if not isinstance(envelope.get(name), str):
            break
        try:
            event = read_json(envelope[name].encode(errors="surrogatepass"))
        except JsonBodyError as error:
            raise EventError(error.reason, f"{name}: {error}") from error
        if not isinstance(event, dict):
            raise EventError("invalid-event", "an event is not an object")
    return event


def _id(event: dict[str, Any]) -> str | None:
    return text(event.get("id"))


def _read(event: dict[str, Any], delivery: Delivery) -> Decision:
    if event.get("Type") == "SubscriptionConfirmation":
        return Handshake()  # whoever checked the signature has confirmed it, by SNS's API
    if event.get("Type") == "UnsubscribeConfirmation":
        return Ignored(reason="unsubscribed")
    if "detail-type" not in event and "repository-name" in event:
        event = {"source": SOURCE, "detail-type": _kind(event), "detail": event}
    if present(event.get("source"), "source") != SOURCE:
        return Ignored(reason="other-source", event_id=_id(event))
    kind, detail = event.get("detail-type"), object_of(event.get("detail"))
    place: dict[str, Any] = {
        "host": _host(event, delivery),
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
    return pushed(
        delivery,
        **place,
        media_type=detail.get("manifest-media-type"),
        occurred_at=moment(event.get("time")),
        doubt=type_doubt(detail.get("artifact-media-type")),
    )


def _kind(detail: dict[str, Any]) -> str:
    """Of which of the arrivals a detail is that stands alone."""
    if "sync-status" in detail:
        return PULL_THROUGH
    return REPLICATION if detail.get("action-type") == ARRIVALS[REPLICATION] else IMAGE_ACTION


def _host(event: dict[str, Any], delivery: Delivery) -> str | None:
    account, region = present(event.get("account"), "account"), present(event.get("region"), "region")
    return None if account is None or region is None else ecr_host(account, region, delivery)
