"""Alpine packages: /lib/apk/db/installed, since apk-tools 3 under /usr/lib.

Spec: Alpine wiki "Apk spec", "Installed Database V2".
"""

from watcher.inspection.catalogers.protocol import DamagedDatabaseError
from watcher.inspection.catalogers.purl import package_url
from watcher.inspection.catalogers.stanzas import bounded, gathered, stanzas
from watcher.model.inventory import PackageDatabase, PackageRecord

# It lists every file of every package: 15 packages have 15 KB, a full desktop some 20 MB.
MAX_BYTES = 32 * 1024 * 1024

_FIELDS = frozenset({b"P", b"V", b"A", b"L", b"o", b"m"})


class ApkCataloger:
    """`lib/apk/db/installed` below any root, the merged /usr included."""

    type = "apk"
    version = 1
    names = frozenset({b"installed"})
    directories: frozenset[bytes] = frozenset()

    def wants(self, path: str, size: int) -> bool:
        return size <= MAX_BYTES and f"/{path}".endswith("/lib/apk/db/installed")

    def read(self, path: str, content: bytes) -> PackageDatabase | None:
        packages = gathered(path, (_record(fields) for fields in stanzas(content, _FIELDS, b":")))
        if not packages and content.strip():
            raise DamagedDatabaseError(f"{path}: {len(content)} bytes without one package")
        return PackageDatabase(path=path, type=self.type, packages=packages, system=True)


def _record(fields: dict[bytes, bytes]) -> PackageRecord | None:
    name, version = bounded(fields.get(b"P", b"")), bounded(fields.get(b"V", b""))
    if not name or not version:
        return None
    architecture, licence = bounded(fields.get(b"A", b"")), bounded(fields.get(b"L", b""))
    return PackageRecord(
        type="apk",
        name=name,
        version=version,
        architecture=architecture,
        source=bounded(fields.get(b"o", b"")) or name,
        source_version=version,
        licenses=(licence,) if licence else (),
        maintainer=bounded(fields.get(b"m", b"")),
        purl=package_url("apk", name, version, architecture=architecture),
    )
