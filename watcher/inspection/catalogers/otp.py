"""Applications of Erlang and Elixir: the resource file of each, which a release has too.

Spec: Erlang/OTP app(4)
"""

import re
from collections.abc import Iterator

from watcher.inspection.catalogers.protocol import DamagedDatabaseError, Facts, Selection
from watcher.inspection.catalogers.purl import package_url
from watcher.inspection.catalogers.stanzas import bounded
from watcher.model.inventory import PackageDatabase, PackageRecord

# It names every module; wx, with three hundred, has 10 KB.
MAX_BYTES = 1024 * 1024

# Comments, strings and quoted atoms, which may end with the file; words; what opens and closes.
_TOKENS = re.compile(
    rb"%[^\n]*|\"(?:[^\"\\]|\\.)*+(?:\"|\\?\Z)|'(?:[^'\\]|\\.)*+(?:'|\\?\Z)|[A-Za-z_][\w@]*+|[\[{(]|[\]})]", re.DOTALL | re.ASCII
)

# `lib/NAME-VERSION/ebin`: what the file itself does not say.
_DIRECTORY = re.compile(r"(?:^|/)[a-z][\w@]*-(\d[^/]*)/ebin/[^/]+$", re.ASCII)


class OtpCataloger:
    """`NAME.app` in a directory `ebin`."""

    type = "otp"
    version = 1
    places: tuple[str, ...] = ()
    selection = Selection(suffixes=frozenset({b".app"}))

    def wants(self, path: str, size: int) -> bool:
        return size <= MAX_BYTES and path.endswith(".app") and f"/{path}".rpartition("/")[0].endswith("/ebin")

    def read(self, path: str, content: bytes) -> Facts:
        said: list[bytes] = []
        version, before = "", b""
        for depth, token in _at_depths(content):
            if depth == len("{") and len(said) < len((b"application", b"NAME")):
                said.append(token)
            elif depth == len("{[{") and before == b"vsn" and token[:1] == b'"':
                version = version or _text(token)
            before = token
        if not said or said[0] != b"application" or len(said) == 1:
            raise DamagedDatabaseError(f"{path}: no application of Erlang")
        name = _text(said[1])
        if not version and (found := _DIRECTORY.search(path)):
            version = bounded(found[1].encode())
        if not name or not version:
            raise DamagedDatabaseError(f"{path}: no name and version")
        record = PackageRecord(
            type=self.type,
            name=name,
            version=version,
            source=name,
            source_version=version,
            purl=package_url(self.type, name, version),
        )
        return (PackageDatabase(path=path, type=self.type, packages=(record,)),)


def _at_depths(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Words and strings, and how many brackets are open around each; what only has more of them around it is left out."""
    depth = 0
    for found in _TOKENS.finditer(content):
        token = found[0]
        if token in {b"[", b"{", b"("}:
            depth += 1
        elif token in {b"]", b"}", b")"}:
            depth -= 1
        elif depth in {len("{"), len("{[{")} and not token.startswith(b"%"):
            yield depth, token


def _text(token: bytes) -> str:
    return bounded(token[1:-1] if token[:1] in {b'"', b"'"} else token)
