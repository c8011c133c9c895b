"""Lock files that are JSON: of npm, Bun, Pipenv, Composer and NuGet.

Spec: npm package-lock.json(5), lockfileVersion 1 to 3; Bun's bun.lock, which is JSON with commas that nothing follows; pipfile-spec
6; Composer's composer.lock; NuGet's packages.lock.json.
"""

import re
from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec

from watcher.inspection.catalogers.protocol import DamagedDatabaseError, DatabaseTooLargeError

# Commas bound how many values there are, and so what reading them may take: a package of npm has some ten.
MAX_COMMAS = 500_000

# A text as a whole, or a comma that nothing follows.
_TRAILING = re.compile(rb'("(?:[^"\\]++|\\.)*+"?)|,(?=[ \t\r\n]*+[}\]])', re.DOTALL)
# What is no version of a registry's package but a directory of the project.
_LOCAL = ("workspace:", "link:", "file:", "root:", "portal:")

_Read = TypeVar("_Read")


class _Place(msgspec.Struct):
    """What npm has, or is to have, in a directory."""

    name: Any = None
    version: Any = None
    link: Any = None


class _Dependency(msgspec.Struct):
    """As lockfileVersion 1 has them: by name, each with those that only it sees."""

    version: Any = None
    dependencies: "dict[str, _Dependency] | None" = None


class _NpmLock(msgspec.Struct):
    lockfile_version: Any = msgspec.field(default=None, name="lockfileVersion")
    packages: dict[str, _Place] | None = None
    dependencies: dict[str, _Dependency] | None = None


class _BunLock(msgspec.Struct):
    lockfile_version: Any = msgspec.field(name="lockfileVersion")
    packages: dict[str, list[msgspec.Raw]] = {}


class _Pinned(msgspec.Struct):
    version: Any = None


class _PipfileLock(msgspec.Struct):
    default: dict[str, _Pinned] | None
    develop: dict[str, _Pinned] | None = None


class _Named(msgspec.Struct):
    name: Any = None
    version: Any = None


class _ComposerLock(msgspec.Struct):
    packages: list[_Named] | None
    packages_dev: list[_Named] | None = msgspec.field(default=None, name="packages-dev")


class _Resolved(msgspec.Struct):
    type: Any = None
    resolved: Any = None


class _NugetLock(msgspec.Struct):
    version: Any
    dependencies: dict[str, dict[str, _Resolved]] | None = None


_NPM = msgspec.json.Decoder(_NpmLock)
_BUN = msgspec.json.Decoder(_BunLock)
_PIPFILE = msgspec.json.Decoder(_PipfileLock)
_COMPOSER = msgspec.json.Decoder(_ComposerLock)
_NUGET = msgspec.json.Decoder(_NugetLock)


def npm_lock(path: str, content: bytes) -> Iterator[tuple[str, str, str]]:
    """What is in `node_modules`, by its own name where that is another; not the project, nor its workspaces."""
    lock = _decoded(_NPM, path, content)
    if lock.lockfile_version is None and lock.packages is None and lock.dependencies is None:
        raise DamagedDatabaseError(f"{path}: no lock file")
    if lock.packages is not None:
        for directory, place in lock.packages.items():
            _, found, name = directory.rpartition("node_modules/")
            if found and place.link is not True:
                yield "npm", _text(place.name) or name, _text(place.version)
        return
    pending = [lock.dependencies or {}]
    while pending:
        for name, dependency in pending.pop().items():
            pending += [dependency.dependencies] if dependency.dependencies else []
            version = _text(dependency.version)
            if version.startswith("npm:"):
                yield "npm", *_at(version.removeprefix("npm:"))
            elif not version.startswith(_LOCAL):
                yield "npm", name, version


def bun_lock(path: str, content: bytes) -> Iterator[tuple[str, str, str]]:
    plain = bytearray(content)
    for found in _TRAILING.finditer(content):
        if found[1] is None:
            plain[found.start()] = ord(" ")
    lock = _decoded(_BUN, path, plain)
    for resolution in lock.packages.values():
        name, version = _at(_text(_plain(resolution[0])) if resolution else "")
        if not version.startswith(_LOCAL):
            yield "npm", name, version.removeprefix("npm:")


def pipfile_lock(path: str, content: bytes) -> Iterator[tuple[str, str, str]]:
    lock = _decoded(_PIPFILE, path, content)
    for pinned in (lock.default, lock.develop):
        for name, each in (pinned or {}).items():
            yield "pypi", name, _text(each.version).removeprefix("===").removeprefix("==")


def composer_lock(path: str, content: bytes) -> Iterator[tuple[str, str, str]]:
    lock = _decoded(_COMPOSER, path, content)
    for each in (*(lock.packages or ()), *(lock.packages_dev or ())):
        yield "composer", _text(each.name), _text(each.version)


def nuget_lock(path: str, content: bytes) -> Iterator[tuple[str, str, str]]:
    """For every framework; not the projects beside this one."""
    lock = _decoded(_NUGET, path, content)
    for framework in (lock.dependencies or {}).values():
        for name, each in framework.items():
            if each.type != "Project":
                yield "nuget", name, _text(each.resolved)


def _decoded(decoder: "msgspec.json.Decoder[_Read]", path: str, content: bytes | bytearray) -> _Read:
    if content.count(b",") > MAX_COMMAS:
        raise DatabaseTooLargeError(f"{path}: more than {MAX_COMMAS} values")
    try:
        return decoder.decode(content.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise DamagedDatabaseError(f"{path}: no lock file, {error}"[:300]) from error


def _plain(value: msgspec.Raw) -> object:
    try:
        return msgspec.json.decode(value)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _at(text: str) -> tuple[str, str]:
    """Name and version of `@scope/name@1.0`."""
    name, _, version = text[1:].partition("@")
    return text[:1] + name, version


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
