"""Lock files: the packages that somebody meant to install, with their versions. What is installed other catalogers read.

Peers read them in directories only; an image has them where an application was copied into it.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from watcher.inspection.catalogers.lock_json import bun_lock, composer_lock, npm_lock, nuget_lock, pipfile_lock
from watcher.inspection.catalogers.lock_lines import gemfile_lock, go_mod, gradle_lock, mix_lock, requirements
from watcher.inspection.catalogers.lock_pom import pom
from watcher.inspection.catalogers.lock_toml import cargo_lock, python_lock
from watcher.inspection.catalogers.lock_yaml import pnpm_lock, pub_lock, yarn_lock
from watcher.inspection.catalogers.protocol import DatabaseTooLargeError, Facts, Selection
from watcher.inspection.catalogers.purl import package_url
from watcher.inspection.catalogers.stanzas import MAX_PACKAGES, bounded_text
from watcher.model.inventory import PackageDatabase, PackageRecord

# Some 50 000 packages of npm; the largest of known monorepos has 5 MB.
MAX_BYTES = 16 * 1024 * 1024

# As many bytes have half as many lines in every format of lines.
MAX_LINES = 500_000

Declared = tuple[str, str, str]
"""Type, name and version, as written."""

Parser = Callable[[str, bytes], Iterable[Declared]]
"""Of the path, for what it says of errors, and the content. Raises as `Cataloger.read`."""

_PARSERS: Mapping[str, Parser] = {
    "package-lock.json": npm_lock,
    "npm-shrinkwrap.json": npm_lock,
    "bun.lock": bun_lock,
    "yarn.lock": yarn_lock,
    "pnpm-lock.yaml": pnpm_lock,
    "Pipfile.lock": pipfile_lock,
    "poetry.lock": python_lock,
    "uv.lock": python_lock,
    "pdm.lock": python_lock,
    "pylock.toml": python_lock,
    "Cargo.lock": cargo_lock,
    "go.mod": go_mod,
    "Gemfile.lock": gemfile_lock,
    "gems.locked": gemfile_lock,
    "composer.lock": composer_lock,
    "packages.lock.json": nuget_lock,
    "pom.xml": pom,
    "gradle.lockfile": gradle_lock,
    "buildscript-gradle.lockfile": gradle_lock,
    "mix.lock": mix_lock,
    "pubspec.lock": pub_lock,
}

# pip's, which everybody calls otherwise: `requirements-dev.txt`, `test-requirements.txt`.
_REQUIREMENTS = re.compile(r"(?:.*[-_.])?requirements(?:[-_.].*)?\.txt", re.DOTALL)

# Those of packages that are installed themselves say what their authors had, and nobody installs by them.
_INSTALLED = re.compile(
    r"(?:^|/)(?:node_modules|site-packages|dist-packages|gems|vendor/bundle|META-INF/maven|pkg/mod|registry/src)/"
)

# What separates the parts of a name, and whether those are compared in lower case, by type.
_PARTS: Mapping[str, tuple[str, bool]] = {
    "composer": ("/", True),
    "golang": ("/", True),
    "maven": (":", False),
    "npm": ("/", False),
}


class LockCataloger:
    """By their names, anywhere but in the directories of installed packages."""

    type = "lock"
    version = 2
    places: tuple[str, ...] = ()
    selection = Selection(names=frozenset(name.encode() for name in _PARSERS), suffixes=frozenset({b".txt"}))

    def wants(self, path: str, size: int) -> bool:
        return size <= MAX_BYTES and _parser(path.rpartition("/")[2]) is not None and _INSTALLED.search(path) is None

    def read(self, path: str, content: bytes) -> Facts:
        """Each package once; none is a fact as well, as a project need not depend on anything."""
        parse = _parser(path.rpartition("/")[2])
        if parse is None:
            return ()
        if content.count(b"\n") > MAX_LINES:
            raise DatabaseTooLargeError(f"{path}: more than {MAX_LINES} lines")
        records: dict[PackageRecord, None] = {}
        for record in _records(parse(path, content)):
            records[record] = None
            if len(records) > MAX_PACKAGES:
                raise DatabaseTooLargeError(f"{path}: more than {MAX_PACKAGES} packages")
        return (PackageDatabase(path=path, type=self.type, packages=tuple(records), declared=True),)


def _parser(name: str) -> Parser | None:
    return requirements if _REQUIREMENTS.fullmatch(name) else _PARSERS.get(name)


def _records(listed: Iterable[Declared]) -> Iterator[PackageRecord]:
    for kind, written, stated in listed:
        name, version = (bounded_text(text) for text in (written, stated))
        if name and version:
            source = re.sub(r"[-_.]+", "-", name).lower() if kind == "pypi" else name
            yield PackageRecord(
                type=kind, name=name, version=version, source=source, source_version=version, purl=_purl(kind, source, version)
            )


def _purl(kind: str, name: str, version: str) -> str:
    separator, is_lower = _PARTS.get(kind, ("", False))
    namespace, _, last = (name.lower() if is_lower else name).rpartition(separator) if separator else ("", "", name)
    return package_url(kind, last or name, version, namespace=namespace)
