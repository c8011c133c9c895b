"""Azure Container Registry by Event Grid, in its own schema or as CloudEvents. Pure.

https://learn.microsoft.com/azure/event-grid/event-schema-container-registry
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from watcher.dialects.azure_event import read_event
from watcher.dialects.cloudevent import TYPE_HEADER, each_cloudevent, handshake, structured
from watcher.dialects.fields import EventError, decided, each_event, moment, object_of, one_or_several, present, text
from watcher.dialects.protocol import Delivery
from watcher.model.push import Decision, Handshake, Ignored

# Older documentation leaves the prefix away.
PREFIX = "Microsoft.ContainerRegistry."
TYPES = {"ImagePushed": "push", "ImageDeleted": "delete"}
VALIDATION = "Microsoft.EventGrid.SubscriptionValidationEvent"


class EventgridDialect:
    """Reads one event or a list of them, also one that a broker has taken apart into headers and data.

    Both ways of asking whether we want them are answered; nothing they name is called.
    """

    def read(self, delivery: Delivery) -> Sequence[Decision]:
        def events(body: Any) -> Sequence[Decision]:
            return each_event(one_or_several(body), lambda event: _read(event, delivery), _id)

        if shaken := handshake(delivery):
            return [shaken]
        if TYPE_HEADER in delivery.headers:
            return each_cloudevent(delivery, lambda event: _decision(event.type, event.data, event.event_id, event.time, delivery))
        return decided(delivery, events)


def _id(event: dict[str, Any]) -> str | None:
    return text(event.get("id"))


def _read(event: dict[str, Any], delivery: Delivery) -> Decision:
    if "eventType" in event:
        kind, data, occurred_at = present(event.get("eventType"), "type"), event.get("data"), moment(event.get("eventTime"))
    else:
        cloudevent = structured(event)
        kind, data, occurred_at = cloudevent.type, cloudevent.data, cloudevent.time
    return _decision(kind, data, _id(event), occurred_at, delivery)


def _decision(kind: str | None, data: Any, event_id: str | None, occurred_at: datetime | None, delivery: Delivery) -> Decision:
    if kind == VALIDATION:
        return _validated(object_of(data))
    if kind is None:
        raise EventError("no-type", "the event has no type")
    action = TYPES.get(kind.removeprefix(PREFIX))
    if action is None:
        return Ignored(reason="other-type", event_id=event_id)
    return read_event({"action": action, **object_of(data)}, delivery, event_id=event_id, occurred_at=occurred_at)


def _validated(data: dict[str, Any]) -> Decision:
    """Event Grid takes no other status than 200 for this."""
    code = text(data.get("validationCode"))
    if code is None:
        raise EventError("no-code", "the validation has no validationCode")
    body = msgspec.json.encode({"validationResponse": code})
    return Handshake(status=200, headers={"Content-Type": "application/json"}, body=body)
