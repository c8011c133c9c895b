"""What Azure Container Registry says of one event, by itself or inside of Event Grid's envelope. Pure.

https://learn.microsoft.com/azure/container-registry/container-registry-webhook-reference
"""

import re
from datetime import datetime
from typing import Any

from watcher.dialects.fields import EventError, deleted, digest_beside, object_of, present, pushed, text
from watcher.dialects.hosts import registry_named
from watcher.dialects.protocol import Delivery
from watcher.model.push import Decision, Ignored

# An image in quarantine is pushed, and waits for somebody to look at it.
ARRIVALS = frozenset({"push", "quarantine"})
DELETE = "delete"
# A replica by name, `reg.westeurope.geo.azurecr.io`, is the registry `reg.azurecr.io`.
# https://learn.microsoft.com/azure/container-registry/container-registry-endpoint-reference
_REGION = re.compile(r"\.[a-z0-9-]+\.geo(?=\.azurecr\.)", re.IGNORECASE)


def read_event(event: dict[str, Any], delivery: Delivery, *, event_id: str | None, occurred_at: datetime | None) -> Decision:
    """A push or a removal; everything else (charts, pings) is ignored. Raises EventError."""
    action, target = present(event.get("action"), "action"), object_of(event.get("target"))
    if action is None:
        raise EventError("no-action", "the event has no action")
    place: dict[str, Any] = {
        "host": _host(text(object_of(event.get("request")).get("host")), delivery),
        "repository": target.get("repository"),
        "tag": target.get("tag"),
        "digest": digest_beside(target.get("tag"), target.get("digest")),
        "event_id": event_id,
    }
    if action == DELETE:
        return deleted(delivery, **place)
    if action not in ARRIVALS:
        return Ignored(reason="other-action", event_id=event_id)
    actor = object_of(event.get("actor")).get("name")
    return pushed(delivery, **place, media_type=target.get("mediaType"), actor=actor, occurred_at=occurred_at)


def _host(named: str | None, delivery: Delivery) -> str | None:
    """As it is named, unless the source is bound to it by its other name."""
    if named is None or registry_named(named, delivery):
        return named
    registry = _REGION.sub("", named)
    return registry if registry_named(registry, delivery) else named
