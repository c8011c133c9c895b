"""CNCF Distribution (docker-registry 2.x, registry 3.x) notifications.

Format: `{"events": [...]}`, `application/vnd.docker.distribution.events.v1+json` in 2.x and `…v2+json` since 3.0; the two differ in
nothing we read. In practice one event a request, by the format many. https://distribution.github.io/distribution/about/notifications/
"""

from collections.abc import Sequence
from typing import Any

from watcher.dialects.fields import (
    WORK_TYPES,
    EventError,
    authority,
    bare_type,
    decided,
    deleted,
    each_event,
    moment,
    object_of,
    present,
    pushed,
    text,
)
from watcher.dialects.protocol import Delivery
from watcher.model.push import Decision, Ignored

IGNORED_ACTIONS = frozenset({"pull", "mount"})


class DistributionDialect:
    """Reads an envelope. Whether a manifest is an image or one of our own referrers is not decided here but by its content."""

    def read(self, delivery: Delivery) -> Sequence[Decision]:
        def envelope(body: Any) -> Sequence[Decision]:
            events = object_of(body).get("events")
            if not isinstance(events, list):
                raise EventError("no-events", 'expected {"events": [...]}')
            return each_event(events, lambda event: _read(event, delivery), _id)

        return decided(delivery, envelope)


def _id(event: dict[str, Any]) -> str | None:
    return text(event.get("id"))


def _read(event: dict[str, Any], delivery: Delivery) -> Decision:
    action = event.get("action")
    if not isinstance(action, str) or not action:
        raise EventError("no-action", "the event has no action")
    target = object_of(event.get("target"))
    place: dict[str, Any] = {
        "host": _host(event, target),
        "repository": target.get("repository"),
        "tag": target.get("tag"),
        "digest": target.get("digest"),
        "event_id": _id(event),
    }
    if action == "delete":
        return deleted(delivery, **place)
    if action != "push":
        return Ignored(reason=action if action in IGNORED_ACTIONS else "other-action", event_id=_id(event))
    media_type = text(target.get("mediaType"))
    if not _is_manifest(target, bare_type(media_type or "")):
        return Ignored(reason="blob", event_id=_id(event))
    return pushed(
        delivery,
        **place,
        media_type=media_type,
        actor=object_of(event.get("actor")).get("name"),
        occurred_at=moment(event.get("timestamp")),
    )


def _is_manifest(target: dict[str, Any], media_type: str) -> bool:
    """Only a manifest can have a tag; a blob is pushed as application/octet-stream or as a type of layer. The URL tells as well."""
    if media_type in WORK_TYPES:
        return True
    tagged = present(target.get("tag"), "tag") is not None
    if media_type:
        return tagged and media_type.endswith("+json")
    return tagged or "/manifests/" in str(target.get("url"))


def _host(event: dict[str, Any], target: dict[str, Any]) -> str | None:
    """The host that the client pushed to. `target.url` counts only where the request's host is missing: proxies rewrite it."""
    return text(object_of(event.get("request")).get("host")) or authority(target.get("url"))
