"""Harbor's webhooks, in its own format or as CloudEvents. Pure.

https://goharbor.io/docs/latest/working-with-projects/project-configuration/configure-webhooks/
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from watcher.dialects.cloudevent import TYPE_HEADER, read_cloudevents, structured
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
from watcher.model.push import Decision, Ignored, Rejected

# How the types of its CloudEvents begin. A broker hands one on with its type as a header and its data as the body.
PREFIX = "harbor."
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
    if delivery.headers.get(TYPE_HEADER, "").startswith(PREFIX):
        (event,) = read_cloudevents(delivery)
        if isinstance(event, Rejected):
            return [event]
    elif "specversion" in body:
        event = structured(body)
    else:
        kind, when = present(body.get("type"), "type"), unix_moment(body.get("occur_at"))
        return _decisions(delivery, kind, body.get("event_data"), actor=body.get("operator"), when=when, event_id=None)
    actor = event.extensions.get("operator")
    return _decisions(delivery, event.type, event.data, actor=actor, when=event.time, event_id=event.event_id)


def _decisions(
    delivery: Delivery, kind: str | None, data: Any, *, actor: Any, when: datetime | None, event_id: str | None
) -> Sequence[Decision]:
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
        place: dict[str, Any] = {**_place(resource, repository), "event_id": event_id if len(resources) == 1 else None}
        return deleted(delivery, **place) if kind in DELETIONS else pushed(delivery, **place, actor=actor, occurred_at=when)

    return each_event(resources, read, lambda _: event_id if len(resources) == 1 else None)


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
