"""Azure Container Registry by Event Grid, in its own schema or as CloudEvents. Pure.

https://learn.microsoft.com/azure/event-grid/event-schema-container-registry
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from watcher.dialects.azure_event import read_event
from watcher.dialects.cloudevent import handshake, structured
from watcher.dialects.fields import EventError, decided, each_event, moment, object_of, present, text
from watcher.dialects.protocol import Delivery
from watcher.model.push import Decision, Handshake, Ignored

# Older documentation leaves the prefix away.
PREFIX = "Microsoft.ContainerRegistry."
TYPES = {"ImagePushed": "push", "ImageDeleted": "delete"}
VALIDATION = "Microsoft.EventGrid.SubscriptionValidationEvent"


class EventgridDialect:
    """Reads one event or a list of them. Both ways of asking whether we want them are answered; nothing they name is called."""

    def read(self, delivery: Delivery) -> Sequence[Decision]:
        def events(body: Any) -> Sequence[Decision]:
            listed = body if isinstance(body, list) else [body]
            return each_event(listed, lambda event: _read(event, delivery), _id)

        shaken = handshake(delivery)
        return [shaken] if shaken else decided(delivery, events)


def _id(event: dict[str, Any]) -> str | None:
    return text(event.get("id"))


def _read(event: dict[str, Any], delivery: Delivery) -> Decision:
    if "eventType" in event:
        kind, data, occurred_at = present(event.get("eventType"), "type"), event.get("data"), moment(event.get("eventTime"))
    else:
        cloudevent = structured(event)
        kind, data, occurred_at = cloudevent.type, cloudevent.data, cloudevent.time
    if kind == VALIDATION:
        return _validated(object_of(data))
    if kind is None:
        raise EventError("no-type", "the event has no type")
    action = TYPES.get(kind.removeprefix(PREFIX))
    if action is None:
        return Ignored(reason="other-type", event_id=_id(event))
    return read_event({"action": action, **object_of(data)}, delivery, event_id=_id(event), occurred_at=occurred_at)


def _validated(data: dict[str, Any]) -> Decision:
    """Event Grid takes no other status than 200 for this."""
    code = text(data.get("validationCode"))
    if code is None:
        raise EventError("no-code", "the validation has no validationCode")
    body = msgspec.json.encode({"validationResponse": code})
    return Handshake(status=200, headers={"Content-Type": "application/json"}, body=body)
