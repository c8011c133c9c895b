"""CDEvents `artifact.published`, from pipelines that say what they pushed.

Format: an object with `context` and `subject`, whose id is a package URL, alone or as the data of a CloudEvent (binary mode copies
parts of it into headers, and the body is all of it). https://github.com/cdevents/spec/blob/v0.5.1/cloudevents-binding.md
Package URLs: https://github.com/package-url/purl-spec, types `oci` and `docker`.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote

from watcher.dialects.cloudevent import handshake, structured
from watcher.dialects.fields import EventError, decided, deleted, each_event, moment, object_of, present, pushed, text
from watcher.dialects.image_name import ImageName, official, split_image
from watcher.dialects.protocol import Delivery
from watcher.model.push import Decision, Ignored
from watcher.model.reference import DOCKER_HUB

# Followed by a version, which changes more often than what we read.
PUBLISHED = "dev.cdevents.artifact.published."
DELETED = "dev.cdevents.artifact.deleted."
# A package URL with more qualifiers is none.
MAX_QUALIFIERS = 50


class CdeventsDialect:
    """Reads events that stand alone, in CloudEvents, or in a batch of either."""

    def read(self, delivery: Delivery) -> Sequence[Decision]:
        def events(body: Any) -> Sequence[Decision]:
            if body == []:
                return [Ignored(reason="empty-batch")]
            return each_event(body if isinstance(body, list) else [body], lambda event: _read(event, delivery), _id)

        shaken = handshake(delivery)
        return [shaken] if shaken else decided(delivery, events)


def _id(event: dict[str, Any]) -> str | None:
    return text(object_of(event.get("context")).get("id")) or text(event.get("id"))


def _read(event: dict[str, Any], delivery: Delivery) -> Decision:
    cdevent = event
    if "context" not in event:
        envelope = structured(event)
        cdevent = object_of(envelope.data)
        if "context" not in cdevent:
            return Ignored(reason="other-type", event_id=envelope.event_id)
    context, subject = object_of(cdevent.get("context")), object_of(cdevent.get("subject"))
    event_id, kind = text(context.get("id")), present(context.get("type"), "type")
    if kind is None:
        raise EventError("no-type", "the event has no context.type")
    if not kind.startswith((PUBLISHED, DELETED)):
        return Ignored(reason="other-type", event_id=event_id)
    image = _image(present(subject.get("id"), "subject") or "")
    if image is None:
        return Ignored(reason="not-an-image", event_id=event_id)
    place: dict[str, Any] = {
        "host": image.host,
        "repository": image.repository,
        "tag": image.tag,
        "digest": image.digest,
        "event_id": event_id,
    }
    if kind.startswith(DELETED):
        return deleted(delivery, **place)
    return pushed(
        delivery,
        **place,
        actor=object_of(subject.get("content")).get("user"),
        occurred_at=moment(context.get("timestamp")),
    )


def _image(purl: str) -> ImageName | None:
    """What a package URL of the types `oci` and `docker` names, or an image's own name with its host; None for anything else.

    Raises:
        EventError: `invalid-purl`, or `no-repository`: an `oci` name is only the last part of one.
    """
    rest, _, query = purl.partition("#")[0].partition("?")
    scheme, _, path = rest.partition(":")
    kind, _, path = path.lstrip("/").partition("/")
    if scheme.lower() != "pkg":
        image = split_image(purl)
        return image if image.host and (image.tag or image.digest) and "://" not in purl else None
    if kind.lower() not in ("oci", "docker"):
        return None
    name, _, version = path.partition("@")
    try:
        qualifiers = dict(parse_qsl(query, max_num_fields=MAX_QUALIFIERS))
    except ValueError as error:
        raise EventError("invalid-purl", f"more than {MAX_QUALIFIERS} qualifiers") from error
    name, version, url = unquote(name), unquote(version), qualifiers.get("repository_url", "").rpartition("://")[2].rstrip("/")
    host, repository = _oci_place(url, name) if kind.lower() == "oci" else _docker_place(url, name)
    is_digest = ":" in version
    return ImageName(
        host=host,
        repository=repository,
        tag=qualifiers.get("tag") or (None if is_digest else version or None),
        digest=version if is_digest else None,
    )


def _oci_place(url: str, name: str) -> tuple[str | None, str]:
    """`repository_url` is the whole repository, of which the package's name only repeats the end; some leave that away."""
    if not url:
        raise EventError("no-repository", "a package URL of type oci says where the image is only by its repository_url")
    place = split_image(url)
    if place.host and place.repository.rpartition("/")[2].lower() == name.rpartition("/")[2].lower():
        return place.host, place.repository
    place = split_image(f"{url}/{name}")
    return place.host, place.repository


def _docker_place(url: str, name: str) -> tuple[str | None, str]:
    """`repository_url` is the registry, Docker Hub where there is none; the package's namespace and name are the repository."""
    if not url:
        return DOCKER_HUB, official(name)
    place = split_image(f"{url}/{name}")
    return place.host, place.repository
