"""Rocks of Lua: the rockspec that LuaRocks keeps of each that is installed, a program of Lua that is read and never run.

Spec: LuaRocks "Rockspec format", and its file hierarchy (luarocks/core/dir.lua); Lua 5.4 reference manual 3.1 for what is a token.
"""

import re
from collections.abc import Iterator

from watcher.inspection.catalogers.protocol import Facts, PartlyReadError, Selection
from watcher.inspection.catalogers.purl import package_url
from watcher.inspection.catalogers.stanzas import bounded
from watcher.model.inventory import PackageDatabase, PackageRecord

# Each module that is built is a line of it: Kong's has 700 and 60 KB.
MAX_BYTES = 512 * 1024

# Fields of the rockspec, and of its tables; those of a table in a table are nothing that is read.
_MAX_DEPTH = 2

# What LuaRocks calls it, below the `rocks-5.1` of a version of Lua, or the `rocks` of old.
_PLACE = re.compile(r"(?:^|/)rocks(?:-[0-9][^/]*)?/([^/]+)/([^/]+)/[^/]+\.rockspec")

# Comments and texts in long brackets, which may have any number of `=`.
_LONG = re.compile(rb"(--)?\[(={0,8})\[\n?")
_TOKEN = re.compile(
    rb"(?P<space>\s+|--[^\n]*)|(?P<text>\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*')|(?P<name>[A-Za-z_]\w*)|\.\.|[^\"'\[{}=\sA-Za-z_.-]+|.",
    re.DOTALL,
)
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)

_TEXT, _NAME = b"text", b"name"


class LuarocksCataloger:
    """`rocks-VERSION/NAME/VERSION/*.rockspec`; not the rockspecs in the source of a rock."""

    type = "luarocks"
    version = 1
    places: tuple[str, ...] = ()
    selection = Selection(suffixes=frozenset({b".rockspec"}))

    def wants(self, path: str, size: int) -> bool:
        return size <= MAX_BYTES and path.endswith(".rockspec") and _PLACE.search(path) is not None

    def read(self, path: str, content: bytes) -> Facts:
        place = _PLACE.search(path)
        placed = tuple(bounded(each.encode()) for each in place.groups()) if place else ("", "")
        fields = _fields(content)
        name, version = fields.get((b"", b"package")) or placed[0], fields.get((b"", b"version")) or placed[1]
        licence = fields.get((b"description", b"license"), "")
        record = PackageRecord(
            type=self.type,
            name=name,
            version=version,
            source=name,
            source_version=version,
            licenses=(licence,) if licence else (),
            maintainer=fields.get((b"description", b"maintainer"), ""),
            purl=package_url(self.type, name.lower(), version.lower()),
        )
        facts = (PackageDatabase(path=path, type=self.type, packages=(record,)),)
        if (name.lower(), version) != (placed[0].lower(), placed[1]):
            raise PartlyReadError(f"{path}: more than one name or version of {name!r}", facts)
        return facts


def _fields(content: bytes) -> dict[tuple[bytes, bytes], str]:
    """What is a plain text at last among the fields of a rockspec and of its tables, by table and name.

    What is put together when it is run is left out.
    """
    fields: dict[tuple[bytes, bytes], str] = {}
    depth, table = 0, b""
    name, before = b"", b""  # the last name, unless it is a local one; and the kind of the token before this one
    for kind, value in _tokens(content):
        key = (table if depth else b"", name)
        if kind == b"{":
            table = name if depth == 0 else table
            depth += 1
        elif kind == b"}":
            depth = max(0, depth - 1)
        elif kind == _NAME:
            name = b"" if (before, name) == (_NAME, b"local") else value
        elif depth < _MAX_DEPTH and (kind == b"=" or (kind == b".." and before == _TEXT)):
            fields.pop(key, None)
        elif depth < _MAX_DEPTH and kind == _TEXT and before == b"=":
            fields[key] = bounded(value)
        else:
            name = b""
        before = kind
    return fields


def _tokens(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The kind of each token, or what it is itself, and its value; up to what is no Lua."""
    at = 0
    while at < len(content):
        opened = _LONG.match(content, at)
        if opened is not None:
            closing = b"]%s]" % opened[2]
            end = content.find(closing, opened.end())
            if end < 0:
                return
            if not opened[1]:
                yield _TEXT, content[opened.end() : end]
            at = end + len(closing)
            continue
        token = _TOKEN.match(content, at)
        if token is None or token[0] in {b'"', b"'"}:
            return
        at = token.end()
        if token["name"]:
            yield _NAME, token[0]
        elif token["text"]:
            yield _TEXT, _ESCAPE.sub(rb"\1", token[0][1:-1])
        elif not token["space"]:
            yield token[0], b""
