"""An image as senders write it in one text: `[HOST/]REPOSITORY[:TAG][@DIGEST]`. Taken apart, not checked. Pure."""

from dataclasses import dataclass

from watcher.model.reference import DOCKER_HUB, DOCKER_HUB_ALIASES


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageName:
    """Its parts; None is what is not written. Unlike in what a person types, no tag means no tag, and no host no host."""

    host: str | None
    repository: str
    tag: str | None
    digest: str | None


def split_image(text: str) -> ImageName:
    """The parts of any text, in linear time. They are still a stranger's, for `fields.pushed` to check.

    The first component is a host when it could not be a user's name (docker's rule). Docker Hub has one name and its official
    images one spelling, as in `docker.io/library/alpine`.
    """
    name, _, digest = text.partition("@")
    head, colon, tail = name.rpartition(":")
    tag = None
    if colon and "/" not in tail:
        name, tag = head, tail
    host, slash, repository = name.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        return ImageName(host=None, repository=name, tag=tag or None, digest=digest or None)
    if host.lower() in DOCKER_HUB_ALIASES:
        host, repository = DOCKER_HUB, official(repository)
    return ImageName(host=host, repository=repository, tag=tag or None, digest=digest or None)


def official(repository: str) -> str:
    """A repository of Docker Hub, whose official images have an owner that nobody writes."""
    return repository if "/" in repository else f"library/{repository}"
