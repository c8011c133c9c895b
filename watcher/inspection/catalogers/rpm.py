"""RPM packages: /var/lib/rpm, since rpm 4.16 also /usr/lib/sysimage/rpm, on images of ostree /usr/share/rpm.

Spec: rpm "Database"; the toolkit of CBL-Mariner, "Distroless container manifests".
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from itertools import filterfalse

from watcher.inspection.catalogers.file_lists import FileLists
from watcher.inspection.catalogers.protocol import DamagedDatabaseError, Facts, PartlyReadError, Selection
from watcher.inspection.catalogers.rpm_blobs import NoBlobsError, blobs
from watcher.inspection.catalogers.rpm_header import KEY_NAME, NONE, package, paths_of, record_of
from watcher.inspection.catalogers.stanzas import Unread, bounded, complete
from watcher.model.inventory import PackageRecord

# A header has every file of its package: a desktop of 2 000 packages has 200 MB of them.
MAX_BYTES = 256 * 1024 * 1024
# A list has a line a package.
MAX_LIST_BYTES = 16 * 1024 * 1024

_FILES = ("rpmdb.sqlite", "Packages.db", "Packages")
_LISTS = ("container-manifest-2", "container-manifest-1")
_LOG = "rpmdb.sqlite-wal"
_DATABASES = tuple(f"{folder}/{name}" for folder in ("var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm") for name in _FILES)

_ROOTED = tuple(f"/{each}" for each in _DATABASES)

# In a log that holds nothing there is at most its header.
_LOG_HEADER_BYTES = 32

_LISTED = re.compile(r"(.+)-([^-]+)-([^-]+)\.([^.-]+)")


class RpmCataloger:
    """The database in any directory called `rpm`, since /var/lib/rpm may be a link to anywhere, and the list of packages in images
    that were made without one.
    """

    type = "rpm"
    version = 2
    places = (*_DATABASES, *(f"var/lib/rpmmanifest/{name}" for name in _LISTS))
    selection = Selection(names=frozenset(each.encode() for each in (*_FILES, *_LISTS, _LOG)))

    def wants(self, path: str, size: int) -> bool:
        directory, _, name = f"/{path}".rpartition("/")
        if name in _LISTS:
            return size <= MAX_LIST_BYTES and directory.endswith("/rpmmanifest")
        return (size > _LOG_HEADER_BYTES if name == _LOG else size <= MAX_BYTES) and directory.endswith("/rpm")

    def begin(self, path: str, size: int) -> "_RpmReading":
        """A reading that keeps the whole file, once: what belongs together is all over it."""
        del size
        return _RpmReading(path=path)


@dataclass(slots=True, kw_only=True)
class _RpmReading:
    path: str
    _content: bytearray = field(default_factory=bytearray)

    def feed(self, piece: bytes) -> None:
        if not self.path.endswith(f"/{_LOG}"):
            self._content += piece

    def facts(self) -> Facts:
        name = self.path.rpartition("/")[2]
        if name == _LOG:
            # Its pages may be newer than those of the database, or older ones that nobody threw away.
            raise PartlyReadError(f"{self.path}: changes that may not be in the database", ())
        records: Iterable[PackageRecord | Unread] = ()
        lists = FileLists(path=self.path, type=RpmCataloger.type)
        if name in _LISTS:
            records = _listed(self._content)
        elif self._content:  # rpm takes an empty file for a database without packages
            try:
                records = _packages(blobs(self._content), lists)
            except NoBlobsError as error:
                if f"/{self.path}".endswith(_ROOTED):
                    raise DamagedDatabaseError(f"{self.path}: {error}") from error
                return ()
        facts = complete(self.path, RpmCataloger.type, records, system=True)
        return (*facts, *lists.lists)


def _packages(found: Iterable[bytes | Unread], lists: FileLists) -> Iterator[PackageRecord | Unread]:
    """The records; what files they have is put into `lists`."""
    for blob in found:
        record = blob if isinstance(blob, Unread) else record_of(blob)
        if record is not None:
            yield record
        if isinstance(record, PackageRecord) and isinstance(blob, bytes):
            lists.add(record.name, paths_of(blob))


def _listed(content: bytearray) -> Iterator[PackageRecord | Unread]:
    """A line a package. The second list has of it name, version and release, when it was installed and built, vendor, epoch, size,
    architecture, epoch as a number, and source; the first what `rpm -qa` says.
    """
    for line in filterfalse(bytes.isspace, BytesIO(content)):
        fields = [bounded(each) for each in line.split(b"\t", 10)]
        short = _LISTED.fullmatch(fields[0]) if len(fields) == 1 else None
        record: PackageRecord | Unread | None = None
        if short is not None:
            record = package(name=short[1], version=short[2], release=short[3], architecture=short[4])
        elif len(fields) >= 10:
            version, _, release = fields[1].rpartition("-")
            epoch = fields[8] if fields[5] != NONE and fields[8].isascii() and fields[8].isdigit() else ""
            record = package(
                name=fields[0],
                version=version,
                release=release,
                epoch=epoch,
                architecture=fields[7],
                source=fields[9],
                maintainer=fields[4],
            )
        elif not line.startswith(KEY_NAME.encode()):
            record = Unread(f"a line of {len(fields)} fields")
        if record is not None:
            yield record
