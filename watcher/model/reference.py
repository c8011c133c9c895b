"""Image names: `[HOST/]REPOSITORY[:TAG][@DIGEST]`.

Grammar: OCI distribution-spec v1.1 "Pulling manifests"; the defaults for a missing host are docker's.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import NewType

from watcher.model.digest import Digest, parse_digest
from watcher.model.errors import InvalidReferenceError

RepositoryName = NewType("RepositoryName", str)
Tag = NewType("Tag", str)
Host = NewType("Host", str)
"""A registry's host with its port if it has one, as configured: `registry.example.com`, `localhost:5000`."""

REPOSITORY_PATTERN = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
TAG_PATTERN = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
HOST_PATTERN = re.compile(r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?")

# The specification sets no length; clients and registries agree on 255 for host and repository together.
MAX_REPOSITORY_LENGTH = 255

DOCKER_HUB = Host("docker.io")
DOCKER_HUB_ALIASES = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"})


def parse_repository(text: str) -> RepositoryName:
    """Raises InvalidReferenceError for anything the specification does not allow, `..` and upper case included."""
    if len(text) > MAX_REPOSITORY_LENGTH or REPOSITORY_PATTERN.fullmatch(text) is None:
        raise InvalidReferenceError(f"repository {text[:80]!r}: not a valid repository name")
    return RepositoryName(text)


def parse_tag(text: str) -> Tag:
    """Raises InvalidReferenceError for anything but `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`."""
    if TAG_PATTERN.fullmatch(text) is None:
        raise InvalidReferenceError(f"tag {text[:80]!r}: not a valid tag")
    return Tag(text)


def parse_host(text: str) -> Host:
    """Raises InvalidReferenceError for anything but a host name or address with an optional port. Lower-cased."""
    if HOST_PATTERN.fullmatch(text) is None:
        raise InvalidReferenceError(f"registry host {text[:80]!r}: not a valid host")
    lowered = text.lower()
    return DOCKER_HUB if lowered in DOCKER_HUB_ALIASES else Host(lowered)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Where an image is. At least one of `tag` and `digest` is set; with both, the digest decides."""

    registry: Host
    repository: RepositoryName
    tag: Tag | None = None
    digest: Digest | None = None

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.registry}/{self.repository}{tag}{digest}"


def parse_reference(text: str) -> Reference:
    """Parse what a person types. No host means Docker Hub, no tag and no digest means `latest`, as with docker.

    Raises:
        InvalidReferenceError: any part breaks the grammar.
    """
    name, at, digest_text = text.partition("@")
    digest = parse_digest(digest_text) if at else None
    tag = None
    head, colon, tail = name.rpartition(":")
    if colon and "/" not in tail:
        name, tag = head, parse_tag(tail)
    host_text, slash, path = name.partition("/")
    # docker's rule: the first component is a host when it could not be a user name.
    if slash and ("." in host_text or ":" in host_text or host_text == "localhost"):
        host = parse_host(host_text)
    else:
        host, path = DOCKER_HUB, name
    if host == DOCKER_HUB and path and "/" not in path:
        path = f"library/{path}"
    if tag is None and digest is None:
        tag = Tag("latest")
    return Reference(registry=host, repository=parse_repository(path), tag=tag, digest=digest)


def named_parts(text: str) -> dict[str, str]:
    """`ref`, `registry` and `repository` with its host, and `digest` where it is named; as written, without docker's `latest`.

    Raises:
        InvalidReferenceError: any part breaks the grammar.
    """
    parsed = parse_reference(text)
    repository = f"{parsed.registry}/{parsed.repository}"
    tag = f":{parsed.tag}" if parsed.tag and text.partition("@")[0].endswith(f":{parsed.tag}") else ""
    parts = {"ref": repository + tag, "registry": str(parsed.registry), "repository": repository}
    return {**parts, "digest": str(parsed.digest)} if parsed.digest else parts


def is_this_machine(name: str) -> bool:
    """Whether a host without a port is `localhost`, or an address of 127.0.0.0/8 or ::1."""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
