"""Azure Container Registry's own webhooks. Pure."""

from collections.abc import Sequence
from typing import Any

from watcher.dialects.azure_event import read_event
from watcher.dialects.fields import decided, each_event, moment, one_or_several, text
from watcher.dialects.protocol import Delivery
from watcher.model.push import Decision, Handshake

PING = "ping"


class AcrDialect:
    """Reads one event; a ping is answered with 200, which is all it asks for."""

    def read(self, delivery: Delivery) -> Sequence[Decision]:
        return decided(delivery, lambda body: each_event(one_or_several(body), lambda event: _read(event, delivery), _id))


def _id(event: dict[str, Any]) -> str | None:
    return text(event.get("id"))


def _read(event: dict[str, Any], delivery: Delivery) -> Decision:
    if event.get("action") == PING:
        return Handshake()
    return read_event(event, delivery, event_id=_id(event), occurred_at=moment(event.get("timestamp")))
