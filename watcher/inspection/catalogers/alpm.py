"""Packages of Arch Linux and its relatives: one `desc` a package in /var/lib/pacman/local.

Spec: pacman lib/libalpm/be_local.c
"""

import re
from io import BytesIO

from watcher.inspection.catalogers.protocol import DamagedDatabaseError, Facts, Selection
from watcher.inspection.catalogers.purl import package_url
from watcher.inspection.catalogers.stanzas import bounded
from watcher.model.inventory import PackageDatabase, PackageRecord

# The lists of what a package needs and provides are in it: the longest seen has 60 KB.
MAX_BYTES = 4 * 1024 * 1024

# As many licences as any package names; TeX Live names 20.
MAX_VALUES = 64

_FIELDS = frozenset({b"%NAME%", b"%VERSION%", b"%BASE%", b"%ARCH%", b"%PACKAGER%", b"%LICENSE%"})

# What pacman calls the directory of a package: its name, and its version with the release.
_WRITTEN = re.compile(r"/([^/]+)-([^/-]+-[^/-]+)/desc")


class AlpmCataloger:
    """`local/NAME-VERSION/desc` below any directory called `pacman`, since /var/lib/pacman may be a link to anywhere."""

    type = "alpm"
    version = 1
    places: tuple[str, ...] = ()
    selection = Selection(names=frozenset({b"desc"}))

    def wants(self, path: str, size: int) -> bool:
        parent = path.rpartition("/")[0].rpartition("/")[0]
        return size <= MAX_BYTES and path.endswith("/desc") and f"/{parent}".endswith("/pacman/local")

    def read(self, path: str, content: bytes) -> Facts:
        fields = _fields(content)
        name, version = (bounded(b"".join(fields.get(each, ())[:1])) for each in (b"%NAME%", b"%VERSION%"))
        written = _WRITTEN.search(path)
        if (not name or not version) and written:
            name, version = name or bounded(written[1].encode()), version or bounded(written[2].encode())
        if not name or not version:
            raise DamagedDatabaseError(f"{path}: no name and version")
        base, architecture, packager = (
            bounded(b"".join(fields.get(each, ())[:1])) for each in (b"%BASE%", b"%ARCH%", b"%PACKAGER%")
        )
        record = PackageRecord(
            type=self.type,
            name=name,
            version=version,
            architecture=architecture,
            source=base or name,
            source_version=version,
            licenses=tuple(filter(None, map(bounded, fields.get(b"%LICENSE%", ())))),
            maintainer=packager,
            purl=package_url(self.type, name, version, architecture=architecture, qualifiers={"upstream": base}),
        )
        return (PackageDatabase(path=path, type=self.type, packages=(record,)),)


def _fields(content: bytes) -> dict[bytes, list[bytes]]:
    """The lines below each heading that is wanted, up to a blank one; of a heading that comes twice those below the first."""
    fields: dict[bytes, list[bytes]] = {}
    values: list[bytes] | None = None
    for line in map(bytes.strip, BytesIO(content)):
        if not line:
            values = None
        elif values is not None:
            if len(values) < MAX_VALUES:
                values.append(line)
        elif line in _FIELDS and line not in fields:
            values = fields[line] = []
    return fields
