"""Sonatype Nexus Repository's webhooks of a repository: of its components, which are tags. Pure.

Assets are manifests and layers alike, so they are left to their components. No event names a host or a digest.
https://help.sonatype.com/en/working-with-repository-webhooks.html
"""

from collections.abc import Sequence
from typing import Any

from watcher.dialects.fields import decided, deleted, each_event, moment, object_of, present, pushed, text
from watcher.dialects.protocol import Delivery
from watcher.model.push import Decision, Ignored

ID_HEADER = "x-nexus-webhook-delivery"
ARRIVALS = frozenset({"CREATED", "UPDATED"})


class NexusDialect:
    """Reads an event of a component."""

    def read(self, delivery: Delivery) -> Sequence[Decision]:
        event_id = text(delivery.headers.get(ID_HEADER))
        return decided(delivery, lambda body: each_event([body], lambda event: _read(event, delivery), lambda _: event_id))


def _read(event: dict[str, Any], delivery: Delivery) -> Decision:
    event_id = text(delivery.headers.get(ID_HEADER))
    if "asset" in event:
        return Ignored(reason="asset", event_id=event_id)
    component = object_of(event.get("component"))
    if component.get("format") != "docker":
        return Ignored(reason="not-an-image", event_id=event_id)
    action, version = present(event.get("action"), "action"), present(component.get("version"), "tag")
    is_digest = version is not None and ":" in version
    place: dict[str, Any] = {
        "host": None,
        "repository": component.get("name"),
        "tag": None if is_digest else version,
        "digest": version if is_digest else None,
        "event_id": event_id,
    }
    if action == "DELETED":
        return deleted(delivery, **place)
    if action not in ARRIVALS:
        return Ignored(reason="other-action", event_id=event_id)
    return pushed(delivery, **place, actor=event.get("initiator"), occurred_at=moment(event.get("timestamp")))
