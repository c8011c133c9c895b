"""Lock files in indented lines, most of them YAML: of pnpm, Yarn and Dart.

Spec: pnpm's `lockfile/types`, lockfileVersion 5 to 9; Yarn's `pkg/lockfile` (classic, which is no YAML) and `Project.ts` (berry);
Dart's pubspec.lock. What these tools write has a line for each key, which is all that is read: nothing is expanded.
"""

import re
from collections.abc import Iterator
from io import BytesIO
from itertools import chain

from watcher.inspection.catalogers.protocol import DamagedDatabaseError

_NPM_NAME = r"(?:@[^/@]++/)?[^/@]++"
# A package of lockfileVersion 5: `/@scope/name/1.0.0_react@18.2.0`.
_PNPM_5 = re.compile(rf"/({_NPM_NAME})/([^_/(]++)")
# Of a later one: `@scope/name@1.0.0(react@18.2.0)`, before 9 with a slash before it.
_PNPM_6 = re.compile(rf"/?({_NPM_NAME})@([^(]++)")
_YARN = re.compile(rb"^(?:# yarn lockfile v|__metadata:|  \"?version\"?:? )", re.MULTILINE)
_PNPM = re.compile(rb"^lockfileVersion:[ ]*+['\"]?([0-9]++)", re.MULTILINE)
_PUB = re.compile(rb"^(?:packages|sdks):", re.MULTILINE)
_LOCAL = ("workspace:", "link:", "file:", "portal:")
# `version: 1.0`, `version "1.0"`
_FIELD = re.compile(r'"?+(name|version|resolution|source)"?+:?+ ++(.++)')


def pnpm_lock(path: str, content: bytes) -> Iterator[tuple[str, str, str]]:
    """By its own name and version where its key has none, as of one from a repository of git."""
    said = _PNPM.search(content)
    if said is None:
        raise DamagedDatabaseError(f"{path}: no lock file")
    form = _PNPM_5 if int(said[1][:3]) < 6 else _PNPM_6
    for key, fields in _entries(content, indent=2, section="packages"):
        found = form.match(key)
        name, version = fields.get("name", ""), fields.get("version", "")
        if found:
            name, version = name or found[1], version or found[2]
        if not version.startswith(_LOCAL) and not key.startswith(_LOCAL):
            yield "npm", name, version


def yarn_lock(path: str, content: bytes) -> Iterator[tuple[str, str, str]]:
    """An alias by what it stands for. Classic ones have versions without a colon."""
    if not _YARN.search(content):
        raise DamagedDatabaseError(f"{path}: no lock file")
    for key, fields in _entries(content, indent=0):
        resolution = fields.get("resolution", "")
        name, wanted = _at(resolution or key.partition(",")[0].strip("\"' "))
        if wanted.startswith("npm:") and ("@" in wanted[5:] or not resolution):
            name, wanted = _at(wanted.removeprefix("npm:"))
        if key != "__metadata" and not wanted.startswith(_LOCAL):
            yield "npm", name, fields.get("version", "")


def pub_lock(path: str, content: bytes) -> Iterator[tuple[str, str, str]]:
    """What is not a directory of the project, or part of the SDK."""
    if not _PUB.search(content):
        raise DamagedDatabaseError(f"{path}: no lock file")
    for name, fields in _entries(content, indent=2, section="packages"):
        if fields.get("source") not in ("path", "sdk"):
            yield "pub", name, fields.get("version", "")


def _entries(content: bytes, *, indent: int, section: str = "") -> Iterator[tuple[str, dict[str, str]]]:
    """Each key at this depth, and the fields right below it; within a section of the outermost level, if there is one."""
    key, fields = "", dict[str, str]()
    inside = not section
    for raw in chain(BytesIO(content), (b"end:",)):
        line = raw.decode("utf-8", "replace").rstrip()
        text = line.lstrip(" ")
        depth = len(line) - len(text)
        if not text or text[0] == "#" or depth > indent + 2:
            continue
        if depth <= indent:
            if key:
                yield key, fields
            key, fields = "", {}
        if section and depth == 0:
            inside = text.rstrip(": ") == section
        elif inside and depth == indent and text[-1] == ":":
            key = text[:-1].strip("\"'")
        elif key and depth == indent + 2 and (found := _FIELD.match(text)):
            fields[found[1]] = found[2].strip("\"'")


def _at(text: str) -> tuple[str, str]:
    """Name and version of `@scope/name@1.0`."""
    name, _, version = text[1:].partition("@")
    return text[:1] + name, version
