"""The files of Debian packages: dpkg's list of each, and its checksums in the one-file-a-package form of distroless images.

Spec: dpkg dpkg-query(1) "info", deb-md5sums(5).
"""

import re

from watcher.inspection.catalogers.file_lists import MAX_BYTES, file_list
from watcher.inspection.catalogers.protocol import Facts, Selection
from watcher.inspection.catalogers.stanzas import bounded

_MD5 = re.compile(rb"^[0-9a-f]{32}  ", re.MULTILINE)
_PLACE = re.compile(r"(?:^|/)dpkg/(?:info/([^/:]+)(?::[^/]+)?\.list|status\.d/([^/]+)\.md5sums)$")


class DpkgListCataloger:
    """`info/NAME.list` and `info/NAME:ARCHITECTURE.list` below any directory called `dpkg`, and `status.d/NAME.md5sums`."""

    type = "dpkg-list"
    version = 1
    places: tuple[str, ...] = ()
    selection = Selection(suffixes=frozenset({b".list", b".md5sums"}))

    def wants(self, path: str, size: int) -> bool:
        return size <= MAX_BYTES and _PLACE.search(path) is not None

    def read(self, path: str, content: bytes) -> Facts:
        found = _PLACE.search(path)
        package = bounded((found[1] or found[2]).encode()) if found else ""
        lines = _MD5.sub(b"", content) if path.endswith(".md5sums") else content
        return file_list(path, self.type, package, lines)
