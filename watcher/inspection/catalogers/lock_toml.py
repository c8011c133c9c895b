"""Lock files that are TOML: of Cargo, Poetry, uv, PDM, and PEP 751's.

Spec: Cargo's `src/cargo/core/resolver/encode.rs`; PyPA pylock.toml. Tools write a line for each key, which is all that is read: a
parser of TOML takes half a second for the lock file of a large project, and bounds nothing.
"""

import re
from collections.abc import Iterator
from io import BytesIO
from itertools import chain

from watcher.inspection.catalogers.protocol import DamagedDatabaseError

_KEY = re.compile(rb"""[ \t]*+(name|version|source|path|directory)[ \t]*+=[ \t]*+("[^"\\\r\n]*+"|'[^'\r\n]*+'|\{[^\r\n]*+)""")
_TABLE = re.compile(rb"[ \t]*+\[[^\r\n]*+")
_PACKAGE = re.compile(rb"[ \t]*+\[\[[ \t]*+packages?+[ \t]*+\]\]")
# What any of TOML has.
_TOML = re.compile(rb"^[ \t]*+(?:\[|[\w.\"-]++[ \t]*+=)", re.MULTILINE)
# Sources that are a directory of the project.
_OWN = re.compile(rb"\{[ \t]*+(?:virtual|editable|directory)[ \t]*+=")


def cargo_lock(path: str, content: bytes) -> Iterator[tuple[str, str, str]]:
    """Crates that come from somewhere; those of the workspace have no source."""
    return (("cargo", name, version) for name, version, source, _ in _packages(path, content) if source)


def python_lock(path: str, content: bytes) -> Iterator[tuple[str, str, str]]:
    for name, version, source, is_own in _packages(path, content):
        if not is_own and not _OWN.match(source):
            yield "pypi", name, version


def _packages(path: str, content: bytes) -> Iterator[tuple[str, str, bytes, bool]]:
    """Name, version and source of each, and whether it has a directory of its own. Of two of a key the first counts."""
    if not _TOML.search(content):
        raise DamagedDatabaseError(f"{path}: no lock file")
    fields: dict[bytes, bytes] = {}
    is_package = False
    for line in chain(BytesIO(content), (b"[end]",)):
        if _TABLE.match(line):
            if b"name" in fields and b"version" in fields:
                source, is_own = fields.get(b"source", b""), not fields.keys().isdisjoint((b"path", b"directory"))
                yield _text(fields[b"name"]), _text(fields[b"version"]), source, is_own
            fields, is_package = {}, _PACKAGE.match(line) is not None
        elif is_package and (found := _KEY.match(line)):
            fields.setdefault(found[1], found[2])


def _text(quoted: bytes) -> str:
    return quoted[1:-1].decode("utf-8", "replace") if quoted[:1] in (b'"', b"'") else ""
