"""The files of packages of Arch Linux and its relatives: pacman's list of each, beside its `desc`.

Spec: pacman lib/libalpm/be_local.c
"""

import re

from watcher.inspection.catalogers.file_lists import MAX_BYTES, file_list
from watcher.inspection.catalogers.protocol import Facts, Selection
from watcher.inspection.catalogers.stanzas import bounded

_PLACE = re.compile(r"(?:^|/)pacman/local/([^/]+)-[^/-]+-[^/-]+/files$")


class AlpmFilesCataloger:
    """`local/NAME-VERSION/files` below any directory called `pacman`."""

    type = "alpm-files"
    version = 1
    places: tuple[str, ...] = ()
    selection = Selection(names=frozenset({b"files"}))

    def wants(self, path: str, size: int) -> bool:
        return size <= MAX_BYTES and _PLACE.search(path) is not None

    def read(self, path: str, content: bytes) -> Facts:
        place = _PLACE.search(path)
        package = bounded(place[1].encode()) if place else ""
        # Up to an empty line; what follows is of configuration files, with their checksums.
        lines = (b"\n" + content).partition(b"\n%FILES%\n")[2].partition(b"\n\n")[0]
        return file_list(path, self.type, package, lines)
