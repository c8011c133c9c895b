"""Debian packages: /var/lib/dpkg/status, and the one-file-a-package form of distroless images.

Spec: dpkg deb-control(5), "Status" in dpkg(1).
"""

import re

from watcher.inspection.catalogers.protocol import DamagedDatabaseError
from watcher.inspection.catalogers.purl import package_url
from watcher.inspection.catalogers.stanzas import bounded, gathered, stanzas
from watcher.model.inventory import PackageDatabase, PackageRecord

# A Debian desktop with 3 000 packages has 4 MB; the whole archive, 60 000 packages, has about 60.
MAX_BYTES = 32 * 1024 * 1024

_FIELDS = frozenset({b"Package", b"Status", b"Version", b"Architecture", b"Source", b"Maintainer"})

# The third word of Status is what is on disk; the first only what an administrator wishes, so `hold ok installed` is installed.
# A package that waits for a trigger is unpacked and configured.
_INSTALLED = frozenset({b"installed", b"triggers-awaited", b"triggers-pending"})

_SOURCE = re.compile(r"(\S+)(?:\s+\(([^()\s]+)\))?")


class DpkgCataloger:
    """`status` below any directory called `dpkg`, since /var/lib/dpkg may be a link to anywhere, and `status.d/*`."""

    type = "deb"
    version = 1
    names = frozenset({b"status"})
    directories = frozenset({b"status.d"})

    def wants(self, path: str, size: int) -> bool:
        return size <= MAX_BYTES and (_is_status(path) or _is_status_d(path))

    def read(self, path: str, content: bytes) -> PackageDatabase | None:
        system = _is_status(path)
        packages = gathered(path, (_record(fields, status_needed=system) for fields in stanzas(content, _FIELDS)))
        if not packages and not system:
            return None
        if not packages and content.strip() and b"Package: " not in content:
            raise DamagedDatabaseError(f"{path}: {len(content)} bytes without one package")
        return PackageDatabase(path=path, type=self.type, packages=packages, system=system)


def _is_status(path: str) -> bool:
    return f"/{path}".endswith("/dpkg/status")


def _is_status_d(path: str) -> bool:
    directory, _, name = path.rpartition("/")
    return f"/{directory}".endswith("/dpkg/status.d") and not name.endswith(".md5sums")


def _record(fields: dict[bytes, bytes], *, status_needed: bool) -> PackageRecord | None:
    name, version = bounded(fields.get(b"Package", b"")), bounded(fields.get(b"Version", b""))
    if not name or not version:
        return None
    state = fields.get(b"Status", b"").split()
    # Distroless copies control files, most of which have no Status: there the file itself says that the package is there.
    if (state or status_needed) and (len(state) != 3 or state[2] not in _INSTALLED):
        return None
    source = _SOURCE.match(bounded(fields.get(b"Source", b"")))
    architecture = bounded(fields.get(b"Architecture", b""))
    return PackageRecord(
        type="deb",
        name=name,
        version=version,
        architecture=architecture,
        source=source[1] if source else name,
        source_version=(source[2] if source else None) or version,
        maintainer=bounded(fields.get(b"Maintainer", b"")),
        purl=package_url("deb", name, version, architecture=architecture),
    )
