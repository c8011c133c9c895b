"""JFrog Artifactory's webhooks of the domain `docker`. Pure.

`image_name` is sometimes the whole name and sometimes its last part; `path` has all of it, before tag and file. Earlier versions
send what is now `data` by itself.
https://jfrog.com/help/r/jfrog-platform-administration-documentation/webhooks
"""

from collections.abc import Sequence
from typing import Any

from watcher.dialects.fields import (
    EventError,
    authority,
    decided,
    deleted,
    each_event,
    object_of,
    one_or_several,
    present,
    pushed,
    text,
)
from watcher.dialects.protocol import Delivery
from watcher.model.image import DOCKER_LIST, DOCKER_MANIFEST
from watcher.model.push import Decision, Ignored

# A promotion copies an image into another repository.
ARRIVALS = frozenset({"pushed", "promoted"})
# The names under which manifests are kept; which of the formats it is, its content tells.
MEDIA_TYPES = {"list.manifest.json": DOCKER_LIST, "manifest.json": DOCKER_MANIFEST}
INSTANCE = "jfrog/jfrt@"
# What the button `Test` sends for a checksum.
TEST_CHECKSUM = "sample_checksum"


class ArtifactoryDialect:
    """Reads an event. It has neither id nor time."""

    def read(self, delivery: Delivery) -> Sequence[Decision]:
        return decided(
            delivery, lambda body: each_event(one_or_several(body), lambda event: _read(event, delivery), lambda _: None)
        )


def _read(event: dict[str, Any], delivery: Delivery) -> Decision:
    if "domain" not in event and "image_name" in event:
        event = {"domain": "docker", "event_type": event.get("event_type"), "data": event}
    if event.get("domain") != "docker":
        return Ignored(reason="other-type")
    kind, data = present(event.get("event_type"), "type"), object_of(event.get("data"))
    tag, digest = present(data.get("tag"), "tag"), present(data.get("sha256"), "digest")
    place: dict[str, Any] = {
        "host": _host(text(event.get("jpd_origin"))),
        "repository": _repository(data),
        # What is pushed by its digest, as one platform of several is, has that for a tag.
        "tag": None if tag is not None and tag.startswith(("sha256:", "sha256__")) else tag,
        "digest": f"sha256:{digest}" if digest else None,
    }
    if kind == "deleted":
        return deleted(delivery, **place)
    if kind not in ARRIVALS:
        return Ignored(reason="other-action")
    if digest == TEST_CHECKSUM:
        return Ignored(reason="test")
    return pushed(delivery, **place, media_type=MEDIA_TYPES.get(str(data.get("name"))), actor=_actor(text(event.get("source"))))


def _host(origin: str | None) -> str | None:
    return authority(origin if origin is None or "://" in origin else f"//{origin}")


def _repository(data: dict[str, Any]) -> str:
    """Raises EventError: there is no such place."""
    key, path = present(data.get("repo_key"), "repository"), present(data.get("path"), "path")
    image = "/".join(path.lstrip("/").split("/")[:-2]) if path else present(data.get("image_name"), "repository")
    if key is None or image is None:
        raise EventError("invalid-repository", "the event names no repo_key or no path")
    return f"{key}/{image}"


def _actor(source: str | None) -> str | None:
    """The instance, or the user where that is who sends."""
    return source if source is None or source.startswith(INSTANCE) else source.removeprefix("jfrog/")
