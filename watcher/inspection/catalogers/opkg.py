"""Packages of OpenWrt, Yocto and others that install with opkg: its status, and the control file of each package beside it.

Spec: opkg libopkg/pkg_parse.c; the fields are those of dpkg deb-control(5).
"""

from collections.abc import Iterator

from watcher.inspection.catalogers.control_stanzas import is_absent, stanzas
from watcher.inspection.catalogers.protocol import DamagedDatabaseError, Facts, Selection
from watcher.inspection.catalogers.purl import package_url
from watcher.inspection.catalogers.stanzas import Stanza, Unread, complete
from watcher.model.inventory import PackageRecord

# A router has 200 packages and 100 KB of them; the whole feed of OpenWrt, 10 000 packages, has about 10 MB.
MAX_BYTES = 16 * 1024 * 1024

_FIELDS = frozenset({b"package", b"status", b"version", b"architecture", b"sourcename", b"maintainer", b"license"})
_TOOLS = ("opkg", "ipkg")


class OpkgCataloger:
    """`status` and `info/*.control` below any directory called `opkg` or, as it was once, `ipkg`."""

    type = "opkg"
    version = 1
    places = tuple(f"{root}/{tool}/status" for root in ("var/lib", "usr/lib", "opt/lib") for tool in _TOOLS)
    selection = Selection(names=frozenset({b"status"}), suffixes=frozenset({b".control"}))

    def wants(self, path: str, size: int) -> bool:
        return size <= MAX_BYTES and (_is_status(path) or _is_control(path))

    def read(self, path: str, content: bytes) -> Facts:
        system = _is_status(path)
        (database,) = facts = complete(path, self.type, _records(content), system=system)
        if not database.packages and content.strip() and b"package:" not in content.lower():
            raise DamagedDatabaseError(f"{path}: {len(content)} bytes without one package")
        return facts if system or database.packages else ()


def _is_status(path: str) -> bool:
    return f"/{path}".endswith(tuple(f"/{tool}/status" for tool in _TOOLS))


def _is_control(path: str) -> bool:
    directory, _, name = f"/{path}".rpartition("/")
    return name.endswith(".control") and directory.endswith(tuple(f"/{tool}/info" for tool in _TOOLS))


def _records(content: bytes) -> Iterator[PackageRecord | Unread]:
    for stanza in stanzas(content, _FIELDS):
        if not stanza.fields or is_absent(stanza):
            continue
        name, version = stanza.text(b"package"), stanza.text(b"version")
        yield from stanza.doubts(b"package", b"version", b"status")
        if name and version:
            yield _record(stanza, name, version)


def _record(stanza: Stanza, name: str, version: str) -> PackageRecord:
    architecture, licence = stanza.text(b"architecture"), stanza.text(b"license")
    # `Source` is where it lies in the feed: feeds/packages/net/curl.
    return PackageRecord(
        type="opkg",
        name=name,
        version=version,
        architecture=architecture,
        source=stanza.text(b"sourcename") or name,
        source_version=version,
        licenses=(licence,) if licence else (),
        maintainer=stanza.text(b"maintainer"),
        purl=package_url("opkg", name, version, architecture=architecture),
    )
