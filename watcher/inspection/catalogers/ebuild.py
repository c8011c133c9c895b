"""Packages of Gentoo: a directory CATEGORY/NAME-VERSION each in /var/db/pkg, in which CONTENTS lists what was installed.

A file has a line `obj PATH MD5 TIME`.

Spec: Package Manager Specification, 3.1 "Restrictions upon names" and 3.2 "Version specifications"; portage(5), "/var/db/pkg"
"""

import re
from dataclasses import dataclass, field

from watcher.inspection.catalogers import file_lists
from watcher.inspection.catalogers.protocol import DamagedDatabaseError, Facts, Selection
from watcher.inspection.catalogers.purl import package_url
from watcher.inspection.catalogers.stanzas import bounded
from watcher.model.inventory import PackageDatabase, PackageRecord

# It lists every file of the package; the sources of a kernel have some 10 MB.
MAX_BYTES = 256 * 1024 * 1024

_PLACE = re.compile(
    r"/([\w+.-]+)/([A-Za-z0-9_+][\w+-]*?)-(\d+(?:\.\d+)*[a-z]?(?:_(?:alpha|beta|pre|rc|p)\d*)*(?:-r\d+)?)/CONTENTS", re.ASCII
)

_FILE = re.compile(rb"^obj (.+) [^ \n]+ [0-9]+$", re.MULTILINE)


class EbuildCataloger:
    """`CATEGORY/NAME-VERSION/CONTENTS` below any directory `db/pkg`. What package it is, only its place says."""

    type = "ebuild"
    version = 2
    places: tuple[str, ...] = ()
    selection = Selection(names=frozenset({b"CONTENTS"}))

    def wants(self, path: str, size: int) -> bool:
        parts = path.rsplit("/", 5)
        return size <= MAX_BYTES and len(parts) >= 5 and parts[-5:-3] == ["db", "pkg"] and parts[-1] == "CONTENTS"

    def begin(self, path: str, size: int) -> "_EbuildReading":
        """A reading that keeps as much as any list of files has."""
        del size
        return _EbuildReading(path=path)


@dataclass(slots=True, kw_only=True)
class _EbuildReading:
    path: str
    _kept: bytearray = field(default_factory=bytearray)

    def feed(self, piece: bytes) -> None:
        self._kept += piece[: file_lists.MAX_BYTES - len(self._kept)]

    def facts(self) -> Facts:
        found = _PLACE.fullmatch("/" + "/".join(self.path.rsplit("/", 3)[-3:]))
        if found is None:
            raise DamagedDatabaseError(f"{self.path}: not the name and version of a package")
        category, name, version = (bounded(each.encode()) for each in found.groups())
        record = PackageRecord(
            type=EbuildCataloger.type,
            name=f"{category}/{name}"[:256],
            version=version,
            source=f"{category}/{name}"[:256],
            source_version=version,
            purl=package_url(EbuildCataloger.type, name, version, namespace=category),
        )
        lines = b"\n".join(_FILE.findall(self._kept))
        files = file_lists.file_list(self.path, EbuildCataloger.type, record.name, lines)
        return (PackageDatabase(path=self.path, type=EbuildCataloger.type, packages=(record,)), *files)
