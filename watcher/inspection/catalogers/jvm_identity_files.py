"""What stands in a jar about itself: the main section of its manifest, pom.properties, pom.xml.

Spec: JAR File Specification, "Name-Value pairs and Sections"; Maven's POM reference, model version 4.0.0.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from xml.parsers import expat

from watcher.inspection.catalogers.stanzas import bounded

# As many licences as one package is said to have.
MAX_LICENCES = 16
# What is wanted of a manifest, and of a pom.properties.
_FIELD = re.compile(
    rb"^((?:implementation|specification|bundle|plugin|extension|short)-[a-z-]{4,20}|name|package|group-id|created-by|main-class"
    rb"|automatic-module-name) *:(.*)$",
    re.IGNORECASE | re.MULTILINE,
)
_PROPERTY = re.compile(rb"^[ \t]*(groupId|artifactId|version)[ \t]*[=:]([^\r\n]*)", re.MULTILINE)
# No POM is as deep; what is deeper has nothing of interest.
_MAX_DEPTH = 64
_PROJECT = ("project",)
_OWN: Mapping[tuple[str, ...], str] = {(*_PROJECT, name): name for name in ("groupId", "artifactId", "version")}
_PARENT: Mapping[tuple[str, ...], str] = {(*_PROJECT, "parent", name): name for name in ("groupId", "version")}
_LICENCE = (*_PROJECT, "licenses", "license")


@dataclass(frozen=True, slots=True, kw_only=True)
class Coordinates:
    """What Maven calls a package by; what is not said, or said by a property only, is empty."""

    group: str = ""
    artifact: str = ""
    version: str = ""
    licenses: tuple[str, ...] = ()

    def filled(self, other: "Coordinates") -> "Coordinates":
        """With what `other` knows and this does not."""
        return Coordinates(
            group=self.group or other.group,
            artifact=self.artifact or other.artifact,
            version=self.version or other.version,
            licenses=self.licenses or other.licenses,
        )


def manifest_fields(content: bytes) -> Mapping[str, str]:
    """The main section, by names in lower case, as Java compares them; of two of a name the last counts."""
    lines = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").lstrip(b"\n").partition(b"\n\n")[0].replace(b"\n ", b"")
    fields = {each[1].lower(): each[2] for each in _FIELD.finditer(lines)}
    return {name.decode(): bounded(value) for name, value in fields.items()}


def has_end(manifest: bytes) -> bool:
    """Whether its main section ends in this beginning of it."""
    return any(end in manifest for end in (b"\n\n", b"\r\n\r\n", b"\r\r"))


def properties_coordinates(content: bytes) -> Coordinates:
    """Of a pom.properties."""
    found = {each[1]: each[2] for each in _PROPERTY.finditer(content)}
    group, artifact, version = (_said(found.get(name, b"")) for name in (b"groupId", b"artifactId", b"version"))
    return Coordinates(group=group, artifact=artifact, version=version)


class Pom:
    """Of a pom.xml as many elements as are wanted, and as far as it can be read."""

    def __init__(self, content: bytes, most_elements: int) -> None:
        self.elements = 0
        self._most_elements = most_elements
        self.own: dict[str, str] = {}
        self.parent: dict[str, str] = {}
        self.licenses: list[str] = []
        self._licence: dict[str, str] = {}
        self._path: tuple[str, ...] = ()
        self._text: list[str] = []
        self._depth = 0
        # Whatever it says of its encoding: names and versions are ASCII, and looking for a codec would open files.
        parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.EntityDeclHandler = self._entity
        with suppress(expat.ExpatError, _RefusedError):
            parser.Parse(content.decode("utf-8", "replace").encode(), True)

    @property
    def is_whole(self) -> bool:
        return self.elements <= self._most_elements

    @property
    def coordinates(self) -> Coordinates:
        """Group and version are the parent's where it has none of its own."""
        return Coordinates(
            group=self.own.get("groupId") or self.parent.get("groupId", ""),
            artifact=self.own.get("artifactId", ""),
            version=self.own.get("version") or self.parent.get("version", ""),
            licenses=tuple(dict.fromkeys(self.licenses)),
        )

    def _entity(self, *_: object) -> None:
        raise _RefusedError

    def _start(self, name: str, _: object) -> None:
        self.elements += 1
        if self.elements > self._most_elements:
            raise _RefusedError
        self._depth += 1
        if self._depth <= _MAX_DEPTH:
            self._path = (*self._path, name.rpartition(":")[2])
        self._text.clear()

    def _characters(self, text: str) -> None:
        if len(self._text) < 8:
            self._text.append(text[:512])

    def _end(self, _: str) -> None:
        if self._depth <= _MAX_DEPTH:
            value = _said("".join(self._text).encode())
            if name := _OWN.get(self._path):
                self.own.setdefault(name, value)
            elif name := _PARENT.get(self._path):
                self.parent.setdefault(name, value)
            elif self._path[:-1] == _LICENCE:
                self._licence[self._path[-1]] = value
            elif self._path == _LICENCE:
                named, self._licence = self._licence.get("name") or self._licence.get("url", ""), {}
                if named and len(self.licenses) < MAX_LICENCES:
                    self.licenses.append(named)
            self._path = self._path[:-1]
        self._depth -= 1
        self._text.clear()


class _RefusedError(Exception):
    """A POM with entities of its own, which nobody writes, or with more elements than are wanted."""


def _said(value: bytes) -> str:
    text = bounded(value)
    return "" if "${" in text or "@" in text else text
