"""Alpine packages: /lib/apk/db/installed, since apk-tools 3 under /usr/lib.

Spec: Alpine wiki "Apk spec", "Installed Database V2".
"""

import re
from collections.abc import Iterator
from io import BytesIO

from watcher.inspection.catalogers.file_lists import FileLists
from watcher.inspection.catalogers.protocol import DamagedDatabaseError, Facts, Selection
from watcher.inspection.catalogers.purl import package_url
from watcher.inspection.catalogers.stanzas import Stanza, Unread, bounded, complete
from watcher.model.inventory import FileList, PackageRecord

# It lists every file of every package: 15 packages have 15 KB, a full desktop some 20 MB.
MAX_BYTES = 32 * 1024 * 1024

_LISTED = re.compile(rb"^([PFR]):([^\n]*)", re.MULTILINE)
_FIELDS = frozenset({b"P", b"V", b"A", b"L", b"o", b"m"})


class ApkCataloger:
    """`lib/apk/db/installed` below any root, the merged /usr included."""

    type = "apk"
    version = 3
    places = ("lib/apk/db/installed", "usr/lib/apk/db/installed")
    selection = Selection(names=frozenset({b"installed"}))

    def wants(self, path: str, size: int) -> bool:
        return size <= MAX_BYTES and f"/{path}".endswith("/lib/apk/db/installed")

    def read(self, path: str, content: bytes) -> Facts:
        (database,) = facts = complete(path, self.type, _records(content), system=True)
        if not database.packages and content.strip():
            raise DamagedDatabaseError(f"{path}: {len(content)} bytes without one package")
        return (*facts, *_file_lists(path, content))


def _stanzas(content: bytes) -> Iterator[Stanza]:
    """Apk ends a package at any line of less than two characters."""
    stanza = Stanza()
    for line in BytesIO(content):  # a list of all lines could be ten times as large as the content
        if len(line) <= 2 and len(line.rstrip(b"\n")) < 2:
            yield stanza
            stanza = Stanza()
        elif line[1:2] == b":" and line[:1] in _FIELDS:
            stanza.add(line[:1], line[2:].rstrip(b"\n"))
    yield stanza


def _file_lists(path: str, content: bytes) -> list[FileList]:
    """`F` is a directory, and each `R` after it a file in there; of both only the paths."""
    lists = FileLists(path=path, type=ApkCataloger.type)
    name, directory, files = "", b"", list[tuple[bytes, bytes]]()
    for found in _LISTED.finditer(content):
        if found[1] == b"P":
            lists.add(name, (b"/".join(each) for each in files))
            name, directory, files = bounded(found[2]), b"", []
        elif found[1] == b"F":
            directory = found[2]
        else:
            files.append((directory, found[2]))
    lists.add(name, (b"/".join(each) for each in files))
    return lists.lists


def _records(content: bytes) -> Iterator[PackageRecord | Unread]:
    for stanza in _stanzas(content):
        if stanza.fields:
            name, version = stanza.text(b"P"), stanza.text(b"V")
            yield from stanza.doubts(b"P", b"V")
            if name and version:
                yield _record(stanza, name, version)


def _record(stanza: Stanza, name: str, version: str) -> PackageRecord:
    architecture, licence = stanza.text(b"A"), stanza.text(b"L")
    return PackageRecord(
        type="apk",
        name=name,
        version=version,
        architecture=architecture,
        source=stanza.text(b"o") or name,
        source_version=version,
        licenses=(licence,) if licence else (),
        maintainer=stanza.text(b"m"),
        purl=package_url("apk", name, version, architecture=architecture),
    )
