"""zot's events, which are CloudEvents. Pure.

No event names a host. Each has the whole manifest in it, which says at once whether it is about another one.
https://zotregistry.dev/latest/articles/events/
"""

from collections.abc import Sequence
from typing import Any

from watcher.dialects.cloudevent import CloudEvent, each_cloudevent
from watcher.dialects.fields import deleted, object_of, present, pushed, type_doubt
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
    is_digest = reference is not None and ":" in reference
    place: dict[str, Any] = {
        "host": None,
        "repository": data.get("name"),
        "tag": None if is_digest else reference,
        "digest": data.get("digest") or (reference if is_digest else None),
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
        doubt=_doubt(data.get("manifest")),
    )


def _doubt(manifest: Any) -> str:
    """Whether the manifest that stands in the event, as text, is about another one, or of nothing that runs."""
    if not isinstance(manifest, str):
        return ""
    try:
        content = object_of(read_json(manifest.encode(errors="surrogatepass")))
    except JsonBodyError:
        return ""
    if object_of(content.get("subject")):
        return "referrer"
    return type_doubt(object_of(content.get("config")).get("mediaType"))
