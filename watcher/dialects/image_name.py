"""An image as senders write it in one text: `[HOST/]REPOSITORY[:TAG][@DIGEST]`. Taken apart, not checked. Pure."""

from dataclasses import dataclass

from watcher.model.reference import DOCKER_HUB, DOCKER_HUB_ALIASES

ALGORITHMS = frozenset({"sha256", "sha512"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageName:
    """Its parts; None is what is not written. Unlike in what a person types, no tag means no tag, and no host no host."""

    host: str | None
    repository: str
    tag: str | None
    digest: str | None


def split_image(text: str, repository: str | None = None) -> ImageName:
    """The parts of any text, in linear time. They are still a stranger's, for `fields.pushed` to check.

    The first component is a host when it could not be a user's name (docker's rule), or when what follows is all of `repository`,
    which the sender says elsewhere. Docker Hub has one name and its official images one spelling, as in `docker.io/library/alpine`.
    A scheme is left away; a digest may stand where a tag does, as in `host/app:sha256:…` of Harbor 2.0.
    """
    name, _, digest = text.rpartition("://")[2].partition("@")
    name, tag = _cut(name)
    shorter, algorithm = _cut(name)
    if tag and algorithm in ALGORITHMS:
        name, tag, digest = shorter, None, f"{algorithm}:{tag}"
    if repository and name.endswith(f"/{repository}") and "/" not in (host := name[: -len(repository) - 1]):
        return ImageName(host=host or None, repository=repository, tag=tag, digest=digest or None)
    host, slash, path = name.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        return ImageName(host=None, repository=name, tag=tag, digest=digest or None)
    if host.lower() in DOCKER_HUB_ALIASES:
        host, path = DOCKER_HUB, official(path)
    return ImageName(host=host, repository=path, tag=tag, digest=digest or None)


def official(repository: str) -> str:
    """A repository of Docker Hub, whose official images have an owner that nobody writes."""
    return repository if "/" in repository else f"library/{repository}"


def _cut(name: str) -> tuple[str, str | None]:
    """What stands before and behind the last colon, unless that belongs to a port."""
    head, colon, tail = name.rpartition(":")
    return (head, tail or None) if colon and "/" not in tail else (name, None)
