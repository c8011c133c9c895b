"""Debian packages: /var/lib/dpkg/status, the one-file-a-package form of distroless images, and what chisel cut out of them.

Spec: dpkg deb-control(5), "Status" in dpkg(1).
"""

import re
from collections.abc import Iterator
from itertools import chain

from watcher.inspection.catalogers.control_stanzas import is_absent, stanzas
from watcher.inspection.catalogers.dpkg_slices import NoManifestError, sliced
from watcher.inspection.catalogers.protocol import DamagedDatabaseError, Facts, Selection
from watcher.inspection.catalogers.purl import package_url
from watcher.inspection.catalogers.stanzas import Stanza, Unread, complete
from watcher.model.inventory import PackageRecord

# A Debian desktop with 3 000 packages has 4 MB; the whole archive, 60 000 packages, has about 60.
MAX_BYTES = 32 * 1024 * 1024

_FIELDS = frozenset({b"package", b"status", b"version", b"architecture", b"source", b"maintainer"})

# What is beside the control file of a package, in status.d as in an archive.
_BESIDE = tuple(
    f".{each}"
    for each in (
        *("md5sums", "conffiles", "list", "preinst", "postinst", "prerm", "postrm"),
        *("config", "templates", "triggers", "shlibs", "symbols"),
    )
)

_PACKAGE = re.compile(rb"^package[ \t]*:", re.MULTILINE | re.IGNORECASE)
_SOURCE = re.compile(r"(\S+)(?:\s+\(([^()\s]+)\))?")


class DpkgCataloger:
    """`status` below any directory called `dpkg`, since /var/lib/dpkg may be a link to anywhere, and `status.d/*`;
    `manifest.wall` below any `chisel`.
    """

    type = "deb"
    version = 4
    places = ("var/lib/dpkg/status", "var/lib/chisel/manifest.wall")
    selection = Selection(names=frozenset({b"status", b"manifest.wall"}), directories=frozenset({b"status.d"}))

    def wants(self, path: str, size: int) -> bool:
        return size <= MAX_BYTES and (_is_status(path) or _is_status_d(path) or _is_manifest(path))

    def read(self, path: str, content: bytes) -> Facts:
        if _is_manifest(path):
            return _manifest(path, content)
        system = _is_status(path)
        (database,) = facts = complete(path, self.type, _records(content), system=system)
        if system and not database.packages and content.strip() and not _PACKAGE.search(content):
            raise DamagedDatabaseError(f"{path}: {len(content)} bytes without one package")
        if not system and not database.packages and content.strip() and not _PACKAGE.search(content):
            raise DamagedDatabaseError(f"{path}: {len(content)} bytes that are no package")
        return facts if system or database.packages else ()


def _is_status(path: str) -> bool:
    return f"/{path}".endswith("/dpkg/status")


def _is_status_d(path: str) -> bool:
    directory, _, name = path.rpartition("/")
    return f"/{directory}".endswith("/dpkg/status.d") and not name.endswith(_BESIDE)


def _is_manifest(path: str) -> bool:
    return f"/{path}".endswith("/chisel/manifest.wall")


def _manifest(path: str, content: bytes) -> Facts:
    """Never complete: advisories are about source packages, which it does not name."""
    unnamed = Unread("the packages are listed without their source packages, by which advisories are found")
    try:
        return complete(path, DpkgCataloger.type, chain((unnamed,), sliced(content)), system=True)
    except NoManifestError as error:
        raise DamagedDatabaseError(f"{path}: {error}") from error


def _records(content: bytes) -> Iterator[PackageRecord | Unread]:
    for stanza in stanzas(content, _FIELDS):
        # Distroless copies control files, most of which have no Status: there the file itself says that the package is there.
        if not stanza.fields or is_absent(stanza):
            continue
        name, version = stanza.text(b"package"), stanza.text(b"version")
        yield from stanza.doubts(b"package", b"version", b"status")
        if name and version:
            yield _record(stanza, name, version)


def _record(stanza: Stanza, name: str, version: str) -> PackageRecord:
    source = _SOURCE.match(stanza.text(b"source"))
    architecture = stanza.text(b"architecture")
    return PackageRecord(
        type="deb",
        name=name,
        version=version,
        architecture=architecture,
        source=source[1] if source else name,
        source_version=(source[2] if source else None) or version,
        maintainer=stanza.text(b"maintainer"),
        purl=package_url("deb", name, version, architecture=architecture),
    )
