"""JFrog Artifactory's webhooks of the domain `docker`. Pure.

`image_name` is sometimes the whole name and sometimes its last part; `path` always has all of it, before tag and file.
https://jfrog.com/help/r/jfrog-platform-administration-documentation/webhooks
"""

from collections.abc import Sequence
from typing import Any

from watcher.dialects.fields import EventError, authority, decided, deleted, each_event, object_of, present, pushed, text
from watcher.dialects.protocol import Delivery
from watcher.model.image import DOCKER_LIST, DOCKER_MANIFEST
from watcher.model.push import Decision, Ignored

# A promotion copies an image into another repository.
ARRIVALS = frozenset({"pushed", "promoted"})
# The names under which manifests are kept; which of the formats it is, its content tells.
MEDIA_TYPES = {"list.manifest.json": DOCKER_LIST, "manifest.json": DOCKER_MANIFEST}
INSTANCE = "jfrog/jfrt@"


class ArtifactoryDialect:
    """Reads an event. It has neither id nor time."""

    def read(self, delivery: Delivery) -> Sequence[Decision]:
        return decided(delivery, lambda body: each_event([body], lambda event: _read(event, delivery), lambda _: None))


def _read(event: dict[str, Any], delivery: Delivery) -> Decision:
    if event.get("domain") != "docker":
        return Ignored(reason="other-type")
    kind, data = present(event.get("event_type"), "type"), object_of(event.get("data"))
    digest = present(data.get("sha256"), "digest")
    place: dict[str, Any] = {
        "host": authority(text(event.get("jpd_origin"))),
        "repository": _repository(data),
        "tag": data.get("tag"),
        "digest": f"sha256:{digest}" if digest else None,
    }
    if kind == "deleted":
        return deleted(delivery, **place)
    if kind not in ARRIVALS:
        return Ignored(reason="other-action")
    return pushed(delivery, **place, media_type=MEDIA_TYPES.get(str(data.get("name"))), actor=_actor(text(event.get("source"))))


def _repository(data: dict[str, Any]) -> str:
    """Raises EventError: there is no such path."""
    key, path = present(data.get("repo_key"), "repository"), present(data.get("path"), "path")
    if key is None or path is None:
        raise EventError("invalid-repository", "the event names no repo_key or no path")
    return "/".join([key, *path.split("/")[:-2]])


def _actor(source: str | None) -> str | None:
    """The instance, or the user where that is who sends."""
    return source if source is None or source.startswith(INSTANCE) else source.removeprefix("jfrog/")
