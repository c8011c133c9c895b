"""Which files a package of a distribution brought, as its database says: put into one form, and bounded."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from watcher.model.inventory import FileList

# The longest of Debian, of linux-headers and texlive, have about 5 MB.
MAX_BYTES = 32 * 1024 * 1024

# Of a package's files a third to a half, among which nobody looks for programs or other packages.
_SHOWN = rb"usr/share/(?:doc|man|locale|info|lintian|icons|zoneinfo|help|i18n)/"
_LEFT_OUT = re.compile(rb"^/?" + _SHOWN + rb"[^\n]*\n?", re.MULTILINE)


@dataclass(slots=True, kw_only=True)
class FileLists:
    """The lists of all packages of one database, as long as they have `left` bytes: what is beyond that is of nobody."""

    path: str
    type: str
    left: int = MAX_BYTES
    lists: list[FileList] = field(default_factory=list)

    def add(self, package: str, paths: Iterable[bytes]) -> None:
        lines: list[bytes] = []
        for each in paths:
            self.left -= len(each) + 1
            if self.left < 0:
                break
            lines.append(each)
        self.lists += file_list(self.path, self.type, package, b"\n".join(lines))


def file_list(path: str, kind: str, package: str, lines: bytes) -> tuple[FileList, ...]:
    """The list of a package, from paths with or without a leading slash, one a line. Nothing of one that has no file to ask for."""
    kept = b"\n" + _LEFT_OUT.sub(b"", lines).strip(b"\n")
    files = kept.replace(b"\n/", b"\n")[1:].decode("utf-8", "backslashreplace")
    return (FileList(path=path, type=kind, package=package, files=files),) if files and package else ()
