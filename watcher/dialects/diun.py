"""Diun, which polls registries and says what is new: a bridge for registries that send nothing.

Format: one object a notification, by HTTP (as GET with a body unless configured otherwise) or as an MQTT message.
https://crazymax.dev/diun/notif/webhook/
"""

from collections.abc import Sequence
from typing import Any

from watcher.dialects.fields import EventError, decided, each_event, one_or_several, present, pushed
from watcher.dialects.image_name import official, split_image
from watcher.dialects.protocol import Delivery
from watcher.model.push import Decision, Ignored
from watcher.model.reference import DOCKER_HUB

NEWS = frozenset({"new", "update"})
# What `diun notif test` sends, with a digest that exists nowhere.
TEST_IMAGE = "diun/testnotif"


class DiunDialect:
    """Reads a notification. It has no id, and `created` is when the image was built, not when anything happened."""

    def read(self, delivery: Delivery) -> Sequence[Decision]:
        return decided(
            delivery, lambda body: each_event(one_or_several(body), lambda event: _read(event, delivery), lambda _: None)
        )


def _read(event: dict[str, Any], delivery: Delivery) -> Decision:
    status = present(event.get("status"), "status")
    if status is None:
        raise EventError("no-status", "the event has no status")
    if status not in NEWS:
        return Ignored(reason="other-status")
    image = split_image(present(event.get("image"), "image") or "")
    if image.repository == TEST_IMAGE:
        return Ignored(reason="test")
    return pushed(
        delivery,
        # Names are docker's: without a host they are Docker Hub's.
        host=image.host or DOCKER_HUB,
        repository=image.repository if image.host or not image.repository else official(image.repository),
        tag=image.tag,
        digest=event.get("digest") or image.digest,
        media_type=event.get("mime_type"),
    )
