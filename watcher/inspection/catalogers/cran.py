"""Packages of R: the DESCRIPTION of each that is installed, from CRAN, Bioconductor or anywhere.

Spec: "Writing R Extensions" 1.1.1; `Built` is added when a package is installed, by R CMD INSTALL.
"""

import re

from watcher.inspection.catalogers.control_stanzas import stanzas
from watcher.inspection.catalogers.protocol import DamagedDatabaseError, Facts, Selection
from watcher.inspection.catalogers.purl import package_url
from watcher.inspection.catalogers.stanzas import Stanza, Unread, bounded, complete
from watcher.model.inventory import PackageRecord

# The description and all authors are in it: the longest of those that come with R has 3 KB.
MAX_BYTES = 1024 * 1024

_FIELDS = frozenset({b"package", b"version", b"license", b"maintainer", b"built"})

# The libraries of R itself, of a distribution and of an administrator; a user's may be called anything.
_IN_LIBRARY = re.compile(r"(?:^|/)R/(?:site-)?library/([^/]+)/DESCRIPTION")


class CranCataloger:
    """`NAME/DESCRIPTION` with `Built`, in any library; in those of R itself whatever is called so."""

    type = "cran"
    version = 1
    places: tuple[str, ...] = ()
    selection = Selection(names=frozenset({b"DESCRIPTION"}))

    def wants(self, path: str, size: int) -> bool:
        return size <= MAX_BYTES and path.rpartition("/")[2] == "DESCRIPTION"

    def read(self, path: str, content: bytes) -> Facts:
        stanza = next(stanzas(content.removeprefix(b"\xef\xbb\xbf"), _FIELDS), Stanza())
        library = _IN_LIBRARY.search(path)
        if library is None and not (stanza.text(b"built") and stanza.text(b"package")):
            return ()  # the source of a package, or another file of that name
        name = stanza.text(b"package") or (bounded(library[1].encode()) if library else "")
        version = stanza.text(b"version")
        if not version:
            raise DamagedDatabaseError(f"{path}: no version of a package of R")
        record = PackageRecord(
            type=self.type,
            name=name,
            version=version,
            source=name,
            source_version=version,
            licenses=tuple(filter(None, (stanza.text(b"license"),))),
            maintainer=stanza.text(b"maintainer"),
            purl=package_url(self.type, name, version),
        )
        doubts = [Unread(f"more than one name or version of {name!r}")] if stanza.repeated & {b"package", b"version"} else []
        return complete(path, self.type, (record, *doubts), system=False)
