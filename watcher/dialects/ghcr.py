"""GitHub's webhooks about packages of its container registry. Pure.

Repositories and organisations send `package`, applications `registry_package`: the same object under two names. Each manifest is
an event, the platforms of an index among them. https://docs.github.com/webhooks/webhook-events-and-payloads#package
"""

from collections.abc import Sequence
from typing import Any

from watcher.dialects.fields import EventError, decided, object_of, payload_delivery, present, pushed, text, type_doubt
from watcher.dialects.image_name import ImageName, split_image
from watcher.dialects.protocol import Delivery
from watcher.model.digest import is_digest
from watcher.model.push import Decision, Handshake, Ignored

HOST = "ghcr.io"
ARRIVALS = frozenset({"published", "updated", "create"})
KINDS = frozenset({"container", "docker"})
ID_HEADER = "x-github-delivery"
EVENT_HEADER = "x-github-event"


class GhcrDialect:
    """Reads an event as JSON or as a form; a ping is answered with 200."""

    def read(self, delivery: Delivery) -> Sequence[Decision]:
        return decided(payload_delivery(delivery), lambda body: [_read(body, delivery)])


def _read(body: Any, delivery: Delivery) -> Decision:
    if not isinstance(body, dict):
        raise EventError("invalid-event", "an event is not an object")
    if delivery.headers.get(EVENT_HEADER, "ping" if "zen" in body else "") == "ping":
        return Handshake()
    event_id = text(delivery.headers.get(ID_HEADER))
    package = object_of(body.get("package")) or object_of(body.get("registry_package"))
    version = object_of(package.get("package_version"))
    about = object_of(version.get("container_metadata"))
    if not about and _kind(package) not in KINDS:
        return Ignored(reason="not-an-image", event_id=event_id)
    action = present(body.get("action"), "action")
    if action is None:
        raise EventError("no-action", "the event has no action")
    if action not in ARRIVALS:
        return Ignored(reason="other-action", event_id=event_id)
    manifest, tag, image = object_of(about.get("manifest")), object_of(about.get("tag")), _image(package, version, delivery)
    named = (manifest.get("digest"), tag.get("digest"), version.get("version"), version.get("name"), image.digest)
    # The names of these fields have meant a tag before; what is no digest is none.
    digest = next((each for each in named if isinstance(each, str) and is_digest(each)), None)
    tagged = present(tag.get("name"), "tag") or image.tag
    if digest is None and tagged is None and "container_metadata" in version:
        tagged = present(version.get("name"), "tag")
    return pushed(
        delivery,
        host=image.host,
        repository=image.repository.lower(),
        tag=tagged,
        digest=digest,
        media_type=manifest.get("media_type"),
        actor=object_of(body.get("sender")).get("login"),
        event_id=event_id,
        # A chart's manifest is of the same type as an image's, its configuration is not.
        doubt=type_doubt(object_of(manifest.get("config")).get("media_type")),
    )


def _kind(package: dict[str, Any]) -> str:
    return (text(package.get("package_type")) or text(package.get("ecosystem")) or "").lower()


def _image(package: dict[str, Any], version: dict[str, Any], delivery: Delivery) -> ImageName:
    """What `package_url` names, or what the rest says where there is none. Not yet in lower case, as the registry has it."""
    url = present(version.get("package_url"), "url")
    if url is not None:
        # One without a tag ends with a colon.
        return split_image(url.removesuffix(":"))
    owner = present(package.get("namespace"), "namespace") or present(object_of(package.get("owner")).get("login"), "owner")
    name = present(package.get("name"), "name")
    # GitHub's own servers have a registry of another name.
    host = HOST if not delivery.registry or HOST in (delivery.registry, *delivery.further) else None
    return ImageName(host=host, repository=f"{owner}/{name}" if owner and name else "", tag=None, digest=None)
