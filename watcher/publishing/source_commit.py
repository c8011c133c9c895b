"""Which commit of which repository an image says that it was built from. Pure.

Labels are written by whoever builds an image: what they name is a claim, and one about the repositories of others as well. So
only repositories that the operator listed count, at the host that is configured.

Spec: OCI image-spec v1.1, annotations, `org.opencontainers.image.source` and `.revision`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from watcher.kit.glob import glob_any

SOURCE = "org.opencontainers.image.source"
REVISION = "org.opencontainers.image.revision"
MAX_SOURCE = 1000
# SHA-1, or SHA-256 of a repository that has that.
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# What GitHub and GitLab take as names of owners, groups and repositories, and some more; never `.` or `..`.
_COMPONENT = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9_.-]{1,255}")
_SCP = re.compile(r"(?:[A-Za-z0-9_.-]+@)?(?P<host>[A-Za-z0-9.-]+):(?P<path>[^/].*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """`repository` is OWNER/NAME, or with more components where there are groups within groups."""

    repository: str
    sha: str


class Doubt(StrEnum):
    """Why no commit is told about an image."""

    NO_SOURCE = "no-source"
    OTHER_HOST = "other-host"
    NOT_LISTED = "not-listed"
    NO_REVISION = "no-revision"


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeHost:
    """`root` is the path below which it has its repositories, '' for most. `groups`: there are groups within groups.

    `repositories` are globs over OWNER/NAME. Neither they nor hosts tell upper from lower case, as code hosts do not.
    """

    host: str
    root: str = ""
    groups: bool = False
    repositories: Sequence[str]


def claimed_commit(labels: Mapping[str, str], at: CodeHost) -> Commit | Doubt:
    """The commit, if it is one of those that may be told about an image."""
    place = _place(labels.get(SOURCE, ""))
    if place is None:
        return Doubt.NO_SOURCE
    if place[0] != at.host.lower():
        return Doubt.OTHER_HOST
    repository = _repository(place[1], at.root.strip("/"))
    if repository is None or (repository.count("/") > 1 and not at.groups):
        return Doubt.NO_SOURCE
    if not glob_any(repository.lower(), [each.lower() for each in at.repositories]):
        return Doubt.NOT_LISTED
    sha = labels.get(REVISION, "").strip().lower()
    return Commit(repository=repository, sha=sha) if _SHA.fullmatch(sha) else Doubt.NO_REVISION


def _place(source: str) -> tuple[str, str] | None:
    """Host and path of `https://HOST/PATH`, `ssh://git@HOST/PATH`, `git+https://…` or `git@HOST:PATH`."""
    source = source.strip()
    if len(source) > MAX_SOURCE:
        return None
    if "://" not in source:
        found = _SCP.fullmatch(source)
        return (found["host"].lower(), found["path"]) if found else None
    try:
        parts = urlsplit(source.removeprefix("git+"))
        host = parts.hostname
    except ValueError:
        return None
    return (host, parts.path) if host and parts.scheme in ("http", "https", "ssh", "git") else None


def _repository(path: str, root: str) -> str | None:
    """Without what browsers show behind it: `/-/tree/main` at GitLab, `/tree/main` at GitHub."""
    path = path.strip("/")
    if root:
        if not path.startswith(f"{root}/"):
            return None
        path = path.removeprefix(f"{root}/")
    components = path.split("/-/", 1)[0].split("/")
    if len(components) > 3 and components[2] in ("tree", "blob", "commit"):
        components = components[:2]
    components[-1] = components[-1].removesuffix(".git")
    whole = len(components) >= 2 and all(_COMPONENT.fullmatch(each) for each in components)
    return "/".join(components) if whole else None
