"""Harbor's webhooks, in its own format or as CloudEvents. Pure.

https://goharbor.io/docs/latest/working-with-projects/project-configuration/configure-webhooks/
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from watcher.dialects.cloudevent import structured
from watcher.dialects.fields import (
    EventError,
    decided,
    deleted,
    digest_beside,
    each_event,
    list_of,
    object_of,
    present,
    pushed,
    text,
    unix_moment,
)
from watcher.dialects.image_name import split_image
from watcher.dialects.protocol import Delivery
from watcher.model.push import Decision, Ignored

# Harbor 1 wrote `pushImage`.
PUSHES = frozenset({"PUSH_ARTIFACT", "pushImage", "harbor.artifact.pushed"})
DELETIONS = frozenset({"DELETE_ARTIFACT", "deleteImage", "harbor.artifact.deleted"})


class HarborDialect:
    """Reads an event, which is about one or several resources of a repository. Only CloudEvents have an id."""

    def read(self, delivery: Delivery) -> Sequence[Decision]:
        return decided(delivery, lambda body: _event(body, delivery))


def _event(body: Any, delivery: Delivery) -> Sequence[Decision]:
    if not isinstance(body, dict):
        raise EventError("invalid-event", "an event is not an object")
    kind: str | None
    if "specversion" in body:
        event = structured(body)
        kind, data, event_id, actor, when = event.type, event.data, event.event_id, event.extensions.get("operator"), event.time
    else:
        kind, data, event_id = present(body.get("type"), "type"), body.get("event_data"), None
        actor, when = body.get("operator"), unix_moment(body.get("occur_at"))
    if kind is None:
        # What Harbor sends to Slack has none, for one.
        raise EventError("no-type", "the event has no type")
    if kind not in PUSHES | DELETIONS:
        return [Ignored(reason="other-type", event_id=event_id)]
    resources = list_of(object_of(data).get("resources"))
    if not resources:
        raise EventError("no-resources", "the event has no resources")
    repository = _repository(object_of(object_of(data).get("repository")))

    def read(resource: dict[str, Any]) -> Decision:
        place = {**_place(resource, repository), "event_id": event_id if len(resources) == 1 else None}
        return deleted(delivery, **place) if kind in DELETIONS else _pushed(delivery, place, actor, when)

    return each_event(resources, read, lambda _: event_id if len(resources) == 1 else None)


def _pushed(delivery: Delivery, place: dict[str, Any], actor: Any, when: datetime | None) -> Decision:
    return pushed(delivery, **place, actor=actor, occurred_at=when)


def _repository(named: dict[str, Any]) -> str | None:
    project, name = text(named.get("namespace")), text(named.get("name"))
    return present(named.get("repo_full_name"), "repository") or (f"{project}/{name}" if project and name else None)


def _place(resource: dict[str, Any], repository: str | None) -> dict[str, Any]:
    """What was pushed by digest has the digest in place of its tag. What is left out stands in the URL once more."""
    url, tag, digest = (
        present(resource.get(key), name) for key, name in (("resource_url", "url"), ("tag", "tag"), ("digest", "digest"))
    )
    image = split_image(url or "", repository)
    if url is not None and image.host is None:
        # What is left would be read as an image of Docker Hub, or of whoever guesses best.
        raise EventError("no-host", "resource_url names no registry")
    if tag is not None and ":" in tag:
        tag, digest = None, digest or tag
    tag = tag or image.tag
    return {
        "host": image.host,
        "repository": repository or image.repository,
        "tag": tag,
        "digest": digest_beside(tag, digest or image.digest),
    }
