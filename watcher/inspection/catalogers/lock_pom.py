"""Dependencies of a Maven project, as far as its own pom.xml says their versions.

Spec: Maven's POM reference, model version 4.0.0. What a parent or an imported list of versions says is in other files, which
need not be there.
"""

import re
from collections.abc import Iterator
from xml.parsers import expat

from watcher.inspection.catalogers.protocol import DamagedDatabaseError, DatabaseTooLargeError

# A project has some hundred dependencies, of six elements each.
MAX_ELEMENTS = 500_000

# Deeper there is nothing of interest.
_MAX_DEPTH = 16
_DEPENDENCY = ("project", "dependencies", "dependency")
_MANAGED = ("project", "dependencyManagement", "dependencies", "dependency")
_NAMES = frozenset({"groupId", "artifactId", "version"})
_PROPERTY = re.compile(r"\$\{([^${}]++)\}")
# Longer than any text of interest.
_MAX_TEXT = 512


def pom(path: str, content: bytes) -> Iterator[tuple[str, str, str]]:
    """Those with a version that is one, and no range."""
    project = _Project()
    # Whatever it says of its encoding: names and versions are ASCII, and looking for a codec would open files.
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = project.start
    parser.EndElementHandler = project.end
    parser.CharacterDataHandler = project.characters
    parser.EntityDeclHandler = project.entity
    try:
        parser.Parse(content.decode("utf-8", "replace").encode(), True)
    except expat.ExpatError as error:
        raise DamagedDatabaseError(f"{path}: no lock file, {error}"[:300]) from error
    except _TooLargeError as error:
        raise DatabaseTooLargeError(f"{path}: more elements than any POM has") from error
    if not project.is_one:
        raise DamagedDatabaseError(f"{path}: no lock file")
    managed = {name: version for name, version in project.named(project.managed) if version}
    for name, version in project.named(project.dependencies):
        said = version or managed.get(name, "")
        if "${" not in name + said and not said.startswith(("[", "(")):
            yield "maven", name, said


class _Project:
    """What is wanted of a POM, as it is parsed."""

    def __init__(self) -> None:
        self.dependencies: list[dict[str, str]] = []
        self.managed: list[dict[str, str]] = []
        self.properties: dict[str, str] = {}
        self.is_one = False
        self._path: tuple[str, ...] = ()
        self._depth = self._elements = 0
        self._text = ""

    def named(self, dependencies: list[dict[str, str]]) -> Iterator[tuple[str, str]]:
        """`GROUP:ARTIFACT` and version of each, with the project's own properties."""
        for each in dependencies:
            group, artifact, version = (self._resolved(each.get(name, "")) for name in ("groupId", "artifactId", "version"))
            if group and artifact:
                yield f"{group}:{artifact}", version

    def start(self, name: str, _: object) -> None:
        self._elements += 1
        self._depth += 1
        if self._elements > MAX_ELEMENTS:
            raise _TooLargeError
        self._text = ""
        if self._depth > _MAX_DEPTH:
            return
        self._path = (*self._path, name.rpartition(":")[2])
        self.is_one = self.is_one or self._path == ("project",)
        if self._path == _DEPENDENCY:
            self.dependencies.append({})
        elif self._path == _MANAGED:
            self.managed.append({})

    def characters(self, text: str) -> None:
        if len(self._text) < _MAX_TEXT:
            self._text += text[:_MAX_TEXT]

    def end(self, _: str) -> None:
        if self._depth <= _MAX_DEPTH:
            self._keep(self._path[-1], self._text.strip())
            self._path = self._path[:-1]
        self._depth -= 1
        self._text = ""

    def entity(self, *_: object) -> None:
        raise expat.ExpatError("entities of its own")

    def _keep(self, name: str, text: str) -> None:
        above = self._path[:-1]
        if above == _DEPENDENCY and name in _NAMES:
            self.dependencies[-1].setdefault(name, text)
        elif above == _MANAGED and name in _NAMES:
            self.managed[-1].setdefault(name, text)
        elif above == ("project", "properties"):
            self.properties[name] = text
        elif above == ("project",) and name in _NAMES:
            self.properties[f"project.{name}"] = text
        elif above == ("project", "parent") and name in _NAMES:
            self.properties[f"project.parent.{name}"] = text
            self.properties.setdefault(f"project.{name}", text)

    def _resolved(self, text: str) -> str:
        """A property may be of another, which is looked up once more: nobody's are deeper."""
        for _ in range(2):
            text = _PROPERTY.sub(lambda found: self.properties.get(found[1], found[0]), text[:_MAX_TEXT])
        return text[:_MAX_TEXT]


class _TooLargeError(Exception):
    """Not worth its time."""
