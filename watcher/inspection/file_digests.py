"""Which files have the digest of their content among the facts of a layer. Both sides of the sandbox must agree on it."""

from collections.abc import Mapping
from stat import S_IFREG
from typing import Literal

from watcher.model.inventory import FILE, FileTable

FileDigests = Literal["none", "executables", "all"]

# Bits of st_mode, as of stat(2): of every regular file, or of one that somebody may run.
_BITS: Mapping[FileDigests, int] = {"none": 0, "executables": 0o111, "all": S_IFREG}


def hashed_bits(digests: FileDigests) -> int:
    """Of `mode | S_IFREG` a regular file that is hashed has one of these. That is asked of every file of a layer."""
    return _BITS[digests]


def lacks_digests(files: FileTable, digests: FileDigests) -> bool:
    """Whether the facts of a layer do not have all digests that reading it again would give, or try to."""
    bits = hashed_bits(digests)
    rows = enumerate(zip(files.kind, files.mode, strict=True))
    return any(kind == FILE and (mode | S_IFREG) & bits and row not in files.sha256 for row, (kind, mode) in rows)
