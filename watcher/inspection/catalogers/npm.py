"""npm packages: package.json files, and where Node finds them.

Spec: npm package.json(5); the object and list forms of `license` are of old npm versions and still around.
"""

import json
import re
from typing import Any

import msgspec

from watcher.inspection.catalogers.protocol import DamagedDatabaseError, Facts, Selection
from watcher.inspection.catalogers.purl import package_url
from watcher.inspection.catalogers.stanzas import bounded, bounded_text
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


# What Node finds by its name: `node_modules/NAME` and `node_modules/@SCOPE/NAME`.
_PACKAGE = r"(?:@[^/]+/)?[^/@][^/]*"
_FOUND = re.compile(rf"(?:^|/)node_modules/({_PACKAGE})$")
# Of the directories between two `node_modules`: a package, or the store of an installer (.pnpm, .store, .bun, .deno).
_HOLDER = re.compile(rf"{_PACKAGE}|\..*", re.DOTALL)

_TOKEN = re.compile(r'\s+|"(?:[^"\\]|\\.)*"|[\[\]{}:,]|[^\s"\[\]{}:,]+', re.DOTALL)


class NpmCataloger:
    """`package.json`, wherever it is: which of them are packages only the whole image knows (image/npm_places.py).

    Many packages carry further ones without a name or a version, only to set the module type: those are no packages.
    """

    type = "npm"
    version = 2
    places: tuple[str, ...] = ()
    selection = Selection(names=frozenset({b"package.json"}))

    def wants(self, path: str, size: int) -> bool:
        return size <= MAX_BYTES and path.rpartition("/")[2] == "package.json"

    def read(self, path: str, content: bytes) -> Facts:
        body = _body(content)
        directory = path.rpartition("/")[0]
        found = _FOUND.search(directory)
        installed = found is not None and _is_installed(directory)
        full_name, version = bounded_text(body.name), bounded_text(body.version)
        if not full_name and found is not None and installed:
            full_name = bounded(found[1].encode())
        if not full_name or not version:
            if installed:
                raise DamagedDatabaseError(f"{path}: no name and version of a package")
            return ()
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
        return (PackageDatabase(path=path, type=self.type, packages=(record,)),)


def is_found(directory: str) -> bool:
    """Whether Node finds what is in this directory by the name of a package."""
    return _FOUND.search(directory) is not None


def _is_installed(directory: str) -> bool:
    """Whether it is where installers put packages, in each other or in a store; not in the fixtures of one."""
    *holders, package = f"/{directory}".split("/node_modules/")[1:]
    return not package.startswith(".") and all(_HOLDER.fullmatch(holder) for holder in holders)


def _body(content: bytes) -> _Body:
    """What msgspec makes of it, or what Node would: bytes that are no UTF-8, lone surrogates and any depth are nothing to it."""
    content = content.removeprefix(b"\xef\xbb\xbf")
    try:
        return _DECODER.decode(content)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _Body(**_top_level(content.decode("utf-8", "replace")))


def _top_level(text: str) -> dict[str, str]:
    """The wanted members of an object that are texts, as far as it can be read; of two of a name the last counts, as in Node."""
    members: dict[str, str] = {}
    depth, at = 0, 0
    key = before = ""
    while (token := _TOKEN.match(text, at)) is not None:
        at, word = token.end(), token[0]
        if word in ("{", "["):
            depth += 1
        elif word in ("}", "]"):
            depth -= 1
        elif depth == 1 and word[0] == '"':
            if before == ":" and key in _Body.__struct_fields__:
                members[key] = _unquoted(word)
            key = _unquoted(word) if before in ("{", ",") else ""
        if not word.isspace():
            before = word
    return members


def _unquoted(word: str) -> str:
    try:
        text = json.loads(word, strict=False)
    except ValueError:  # an escape that is none
        return ""
    return text if isinstance(text, str) else ""


def _licences(body: _Body) -> list[str]:
    """`license` as text or `{type}`, `licenses` as a list of either."""
    stated = body.license or body.licenses
    entries = stated if isinstance(stated, list) else [stated]
    names = (bounded_text(entry.get("type") if isinstance(entry, dict) else entry) for entry in entries[:MAX_LICENCES])
    return [name for name in names if name]


def _person(value: object) -> str:
    return bounded_text(value.get("name")) if isinstance(value, dict) else bounded_text(value)
