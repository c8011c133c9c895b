"""zot's events, which are CloudEvents. Pure.

No event names a host. Each has the whole manifest in it, which says at once whether it is about another one.
https://zotregistry.dev/latest/articles/events/
"""

from collections.abc import Sequence
from typing import Any

from watcher.dialects.cloudevent import CloudEvent, each_cloudevent
from watcher.dialects.fields import deleted, object_of, present, pushed
from watcher.dialects.protocol import Delivery
from watcher.model.push import Decision, Ignored
from watcher.model.strict_json import JsonBodyError, read_json

PUSHED = "zotregistry.image.updated"
DELETED = "zotregistry.image.deleted"


class ZotDialect:
    """Reads one event, or a batch."""

    def read(self, delivery: Delivery) -> Sequence[Decision]:
        return each_cloudevent(delivery, lambda event: _read(event, delivery))


def _read(event: CloudEvent, delivery: Delivery) -> Decision:
    if event.type not in {PUSHED, DELETED}:
        return Ignored(reason="other-type", event_id=event.event_id)
    data = object_of(event.data)
    reference = present(data.get("reference"), "tag")
    place: dict[str, Any] = {
        "host": None,
        "repository": data.get("name"),
        "tag": None if reference is None or ":" in reference else reference,
        "digest": data.get("digest"),
        "event_id": event.event_id,
    }
    if event.type == DELETED:
        return deleted(delivery, **place)
    return pushed(
        delivery,
        **place,
        media_type=data.get("mediaType"),
        actor=object_of(data.get("actor")).get("name"),
        occurred_at=event.time,
        doubt="referrer" if _refers(data.get("manifest")) else "",
    )


def _refers(manifest: Any) -> bool:
    """Whether the manifest that stands in the event, as text, is about another one."""
    if not isinstance(manifest, str):
        return False
    try:
        return bool(object_of(object_of(read_json(manifest.encode(errors="surrogatepass"))).get("subject")))
    except JsonBodyError:
        return False
