"""The files of packages of opkg: its list of each, beside the control file.

Spec: opkg libopkg/pkg.c, `pkg_get_installed_files`: a path a line, behind which a mode and the target of a link may stand.
"""

import re

from watcher.inspection.catalogers.file_lists import MAX_BYTES, file_list
from watcher.inspection.catalogers.protocol import Facts, Selection
from watcher.inspection.catalogers.stanzas import bounded

_PLACE = re.compile(r"(?:^|/)[oi]pkg/info/([^/]+)\.list$")
_BEHIND = re.compile(rb"\t[^\n]*")


class OpkgListCataloger:
    """`info/NAME.list` below any directory called `opkg` or, as it was once, `ipkg`."""

    type = "opkg-list"
    version = 1
    places: tuple[str, ...] = ()
    selection = Selection(suffixes=frozenset({b".list"}))

    def wants(self, path: str, size: int) -> bool:
        return size <= MAX_BYTES and _PLACE.search(path) is not None

    def read(self, path: str, content: bytes) -> Facts:
        place = _PLACE.search(path)
        package = bounded(place[1].encode()) if place else ""
        return file_list(path, self.type, package, _BEHIND.sub(b"", content))
