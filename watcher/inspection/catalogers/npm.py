"""npm packages: the package.json of whatever lies in a node_modules directory.

Spec: npm package.json(5); the object and list forms of `license` are of old npm versions and still around.
"""

from typing import Any

import msgspec

from watcher.inspection.catalogers.purl import package_url
from watcher.inspection.catalogers.stanzas import bounded
from watcher.model.inventory import PackageDatabase, PackageRecord

# The largest published ones list thousands of exports in some 200 KB.
MAX_BYTES = 2 * 1024 * 1024

MAX_LICENCES = 16


class _Body(msgspec.Struct):
    """What is read of a package.json, of whatever shape; all the rest is passed over without being built."""

    name: Any = None
    version: Any = None
    license: Any = None
    licenses: Any = None
    author: Any = None


_DECODER = msgspec.json.Decoder(_Body)


class NpmCataloger:
    """`package.json` below node_modules. Elsewhere it is a project's own file and says nothing of what is installed.

    Many packages carry further ones without a name or a version, only to set the module type: those are no packages.
    """

    type = "npm"
    version = 1
    names = frozenset({b"package.json"})
    directories: frozenset[bytes] = frozenset()

    def wants(self, path: str, size: int) -> bool:
        return size <= MAX_BYTES and "/node_modules/" in f"/{path}"

    def read(self, path: str, content: bytes) -> PackageDatabase | None:
        try:
            body = _DECODER.decode(content.removeprefix(b"\xef\xbb\xbf"))
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None
        full_name, version = _text(body.name), _text(body.version)
        if not full_name or not version:
            return None
        scope, _, name = full_name.rpartition("/")
        record = PackageRecord(
            type=self.type,
            name=full_name,
            version=version,
            source=full_name,
            source_version=version,
            licenses=tuple(dict.fromkeys(_licences(body))),
            maintainer=_person(body.author),
            purl=package_url(self.type, name, version, namespace=scope),
        )
        return PackageDatabase(path=path, type=self.type, packages=(record,))


def _licences(body: _Body) -> list[str]:
    """`license` as text or `{type}`, `licenses` as a list of either."""
    stated = body.license or body.licenses
    entries = stated if isinstance(stated, list) else [stated]
    names = (_text(entry.get("type") if isinstance(entry, dict) else entry) for entry in entries[:MAX_LICENCES])
    return [name for name in names if name]


def _person(value: object) -> str:
    return _text(value.get("name")) if isinstance(value, dict) else _text(value)


def _text(value: object) -> str:
    return bounded(value.encode("utf-8", "replace")) if isinstance(value, str) else ""
