"""Gitea's and Forgejo's webhooks about container packages, in JSON or as a form. Pure.

The version is the reference of the manifest, in lower case: a tag, or a digest where it was pushed by that.
https://docs.gitea.com/usage/webhooks
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from watcher.dialects.fields import (
    EventError,
    authority,
    decided,
    deleted,
    moment,
    object_of,
    payload_delivery,
    present,
    pushed,
    text,
)
from watcher.dialects.protocol import Delivery
from watcher.model.push import Decision, Ignored

# Forgejo sends Gitea's headers as well, with another id.
ID_HEADERS = ("x-forgejo-delivery", "x-gitea-delivery")


class GiteaDialect:
    """Reads an event of a package."""

    def read(self, delivery: Delivery) -> Sequence[Decision]:
        return decided(payload_delivery(delivery), lambda body: [_read(body, delivery)])


def _read(body: Any, delivery: Delivery) -> Decision:
    if not isinstance(body, dict):
        raise EventError("invalid-event", "an event is not an object")
    event_id = next((found for name in ID_HEADERS if (found := text(delivery.headers.get(name)))), None)
    package, action = object_of(body.get("package")), present(body.get("action"), "action")
    if package.get("type") != "container":
        return Ignored(reason="not-an-image", event_id=event_id)
    if action is None:
        raise EventError("no-action", "the event has no action")
    owner, name = present(object_of(package.get("owner")).get("login"), "owner"), present(package.get("name"), "name")
    version = present(package.get("version"), "tag")
    is_digest = version is not None and ":" in version
    place: dict[str, Any] = {
        "host": authority(package.get("html_url")),
        "repository": f"{owner}/{name}".lower() if owner and name else None,
        "tag": None if is_digest else version,
        "digest": version if is_digest else None,
        "event_id": event_id,
    }
    if action == "deleted":
        return deleted(delivery, **place)
    if action != "created":
        return Ignored(reason="other-action", event_id=event_id)
    actor = object_of(body.get("sender")).get("login")
    return pushed(delivery, **place, actor=actor, occurred_at=_moment(package.get("created_at")))


def _moment(value: Any) -> datetime | None:
    """Go writes the first second of the year 1 for a time that it does not know."""
    found = moment(value)
    return None if found is None or found.year == 1 else found
