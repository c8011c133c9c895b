"""Quay's notifications, which have no name: what one is about shows in its keys. Pure.

A push by digest alone tells nothing, and an event has neither id nor time nor digest.
https://docs.projectquay.io/use_quay.html#repository-notifications
"""

from collections.abc import Sequence
from typing import Any

from watcher.dialects.fields import EventError, authority, decided, present, pushed
from watcher.dialects.image_name import split_image
from watcher.dialects.protocol import Delivery
from watcher.model.push import Decision, Ignored, Rejected

MAX_TAGS = 1000


class QuayDialect:
    """Reads a push: one decision for each tag."""

    def read(self, delivery: Delivery) -> Sequence[Decision]:
        return decided(delivery, lambda body: _pushes(body, delivery))


def _pushes(body: Any, delivery: Delivery) -> Sequence[Decision]:
    if not isinstance(body, dict):
        raise EventError("invalid-event", "an event is not an object")
    if "updated_tags" not in body:
        return [Ignored(reason="other-event")]
    named = present(body.get("repository"), "repository")
    image = split_image((present(body.get("docker_url"), "url") or "").removesuffix("/"), named)
    host = image.host or authority(body.get("homepage"))

    def read(tag: Any) -> Decision:
        try:
            return pushed(delivery, host=host, repository=named or image.repository, tag=tag)
        except EventError as error:
            return Rejected(reason=error.reason, detail=str(error))

    return [read(tag) for tag in _tags(body["updated_tags"])[:MAX_TAGS]]


def _tags(value: Any) -> list[Any]:
    """A list; a map to the ids of images until about 2016."""
    if isinstance(value, dict | list):
        return list(value)
    return [] if value is None else [value]
