"""Walks a tar as it comes by, header by header, in a few microseconds a member. Nothing is kept but what is asked for.

Spec: POSIX.1-2017 pax; GNU tar "Basic Tar Format", sparse members included; read as Go's archive/tar does, since that is what
unpacks layers.
"""

from collections.abc import Iterator
from zlib import adler32

from watcher.inspection.confined.tar_fields import (
    ADLER_PRIME,
    clean_path,
    decimal,
    has_valid_checksum,
    number,
    numbered,
    pax_records,
)

BLOCK = 512
_ZERO_BLOCK = bytes(BLOCK)

# Go's limit for a long name or a pax header.
MAX_EXTENSION_BYTES = 1024 * 1024
# An owner field takes 24 bytes, and an image has a handful of different ones.
MAX_OWNERS = 4096
# Sums of headers lie between 3 000 and 20 000, so that nearly every one has been seen before.
MAX_SUMS = 32768

REGULAR, HARD_LINK, SYMBOLIC_LINK, CHARACTER, BLOCK_DEVICE, DIRECTORY, FIFO = 48, 49, 50, 51, 52, 53, 54
_OLD_REGULAR, _CONTIGUOUS, _GNU_SPARSE = 0, 55, 83
_PAX, _PAX_SOLARIS, _PAX_GLOBAL, _LONG_NAME, _LONG_LINK = 120, 88, 103, 76, 75
_HEADER_ONLY = frozenset({HARD_LINK, SYMBOLIC_LINK, CHARACTER, BLOCK_DEVICE, DIRECTORY, FIFO})
_EXTENSIONS = frozenset({_PAX, _PAX_SOLARIS, _PAX_GLOBAL, _LONG_NAME, _LONG_LINK})
# A dot may be a file of its own; a slash leads to the root.
_NEEDS_CLEANING = b"./"

Owner = tuple[int, int, int]
"""mode (0o7777), uid, gid"""

Member = tuple[bytes | None, int, Owner, int, bytes, int, bytes, bytes | None]
"""path (clean; None: it leads outside), type, owner, size, link target, offset of the content in the tar, name as written, and
its content where it was asked for. A plain tuple: this is made a hundred thousand times an image."""


class DamagedTarError(Exception):
    """From `offset` on it is no tar; what was yielded before stands."""

    def __init__(self, offset: int, what: str) -> None:
        super().__init__(f"{what} at byte {offset} of the unpacked layer")
        self.offset = offset


class TarReader:
    """The members of one tar, whose bytes come in `pieces` of any size.

    Set `keep` while a member is at hand to get it once more with its whole content, before the next one.
    """

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.keep = False
        self._pieces = pieces
        self._data = b""
        self._at = 0
        self._start = 0
        self._owners: dict[bytes, Owner] = {}
        self._sums: dict[bytes, int] = {}

    @property
    def offset(self) -> int:
        """How far the tar has been read."""
        return self._start + self._at

    def members(self) -> Iterator[Member]:
        """Every member in order, until two zero blocks or the end. What comes after the zero blocks is left unread.

        Raises:
            DamagedTarError: a header that is none, or an end in the middle of a member.
        """
        # Everything per member is in local names on purpose, and what is rare comes last; `_data` and `_at` are brought up to date
        # before anything else of this class is called.
        name: bytes | None = None
        link: bytes | None = None
        records: dict[bytes, bytes] = {}
        extended = False
        owners, sums = self._owners, self._sums
        data, at, end = self._data, self._at, len(self._data)
        while True:
            stop = at + BLOCK
            if stop <= end:
                block = data[at:stop]
                at = stop
            else:
                self._at = at
                block = self._take(BLOCK)
                data, at, end = self._data, self._at, len(self._data)
                if len(block) < BLOCK:
                    if block:
                        raise DamagedTarError(self.offset, "the archive ends within a header")
                    return
            field = block[148:156]
            expected = sums.get(field)
            if expected is None:
                expected = self._expected(field)
            try:
                # As nearly every tar has it: eleven digits and a NUL.
                size: int | None = int(block[124:135], 8) if not block[135] else number(block[124:136])
            except ValueError:
                size = number(block[124:136])
            if (adler32(block) & 0xFFFF) != expected and not has_valid_checksum(block):
                self._at = at
                # One zero block is taken for the end as well: GNU tar warns about it, and nothing valid can follow.
                if block == _ZERO_BLOCK:
                    return
                raise DamagedTarError(self.offset - BLOCK, "a header whose checksum is wrong")
            if size is None or size < 0:
                self._at = at
                raise DamagedTarError(self.offset - BLOCK, "a header without a valid size")
            kind = block[156]
            if kind in _EXTENSIONS:
                self._at = at
                extension = self._extension(size)
                data, at, end = self._data, self._at, len(self._data)
                if kind == _LONG_NAME:
                    name, extended = extension.partition(b"\0")[0], True
                elif kind == _LONG_LINK:
                    link, extended = extension.partition(b"\0")[0], True
                elif kind != _PAX_GLOBAL:  # nothing that unpacks layers applies global headers
                    parsed = pax_records(extension)
                    if parsed is None:
                        raise DamagedTarError(self.offset, "a pax header that is malformed")
                    records, extended = parsed, True
                continue
            stop = block.find(0)
            written = block[:100] if stop > 100 else block[:stop]
            if block[345] and block[257:263] == b"ustar\0":
                written = block[345:500].partition(b"\0")[0] + b"/" + written
            key = block[100:124]
            owner = owners.get(key)
            if owner is None:
                self._at = at
                owner = self._owner(key)
            target = b""
            stored = apparent = size
            if kind != REGULAR:
                if kind in (SYMBOLIC_LINK, HARD_LINK):
                    target = block[157:257].partition(b"\0")[0]
                elif kind == _GNU_SPARSE:
                    apparent = number(block[483:495]) or 0
                    kind = REGULAR
                    if block[482]:
                        self._at = at
                        self._skip_sparse_map()
                        data, at, end = self._data, self._at, len(self._data)
                elif kind == _OLD_REGULAR:
                    kind = DIRECTORY if written.endswith(b"/") else REGULAR
                elif kind == _CONTIGUOUS:
                    kind = REGULAR
            if extended:
                written = records.get(b"GNU.sparse.name") or records.get(b"path") or (written if name is None else name)
                target = records.get(b"linkpath") or (target if link is None else link)
                self._at = at
                stored, owner = self._overridden(records, stored, owner)
                real = records.get(b"GNU.sparse.realsize") or records.get(b"GNU.sparse.size")
                if real is not None:
                    apparent = decimal(real) or 0
                elif b"size" in records:
                    apparent = stored
                name, link, records, extended = None, None, {}, False
            if kind in _HEADER_ONLY:
                stored = 0
            # Nearly every name is clean but for a leading `./` and a directory's slash at the end.
            path: bytes | None = written[2:] if written[:2] == b"./" else written
            if kind == DIRECTORY and path and path[-1] == 47:
                path = path[:-1]
            if not path or path[0] in _NEEDS_CLEANING or path[-1] == 47 or b"/." in path or b"//" in path or len(path) > 256:
                path = clean_path(written)
            member = (path, kind, owner, apparent, target, self._start + at, written, None)
            self._at = at
            yield member
            if self.keep:
                self.keep = False
                content = self._take(stored)
                data, at, end = self._data, self._at, len(self._data)
                if len(content) < stored:
                    raise DamagedTarError(self.offset, "the archive ends within a file")
                yield (*member[:7], content)
                at += -stored % BLOCK
            else:
                at += (stored + 511) & -512
            if at > end:
                self._at = at
                self._skip()
                data, at, end = self._data, self._at, len(self._data)

    def _take(self, count: int) -> bytes:
        """The next `count` bytes, fewer only at the end."""
        parts: list[bytes] = []
        missing = count
        while True:
            part = self._data[self._at : self._at + missing]
            self._at += len(part)
            missing -= len(part)
            parts.append(part)
            if not missing or not self._next():
                return parts[0] if len(parts) == 1 else b"".join(parts)

    def _skip(self) -> None:
        """Bring `_at`, which lies beyond the piece at hand, into the piece where it belongs.

        Raises:
            DamagedTarError: there is none.
        """
        while self._at > len(self._data):
            beyond = self._at - len(self._data)
            self._at = len(self._data)
            if not self._next():
                raise DamagedTarError(self.offset, "the archive ends within a file")
            self._at = beyond

    def _next(self) -> bool:
        """Go on to the next piece, the one at hand having been read."""
        piece = next(self._pieces, None)
        if piece is None:
            return False
        self._start += len(self._data)
        self._data, self._at = piece, 0
        return True

    def _extension(self, size: int) -> bytes:
        if size > MAX_EXTENSION_BYTES:
            raise DamagedTarError(self.offset, f"an extended header of {size} bytes")
        content = self._take(size)
        if len(content) < size:
            raise DamagedTarError(self.offset, "the archive ends within a header")
        self._at += -size % BLOCK
        if self._at > len(self._data):
            self._skip()
        return content

    def _skip_sparse_map(self) -> None:
        """The map goes on in blocks of its own, each of which says whether another follows."""
        while True:
            block = self._take(BLOCK)
            if len(block) < BLOCK:
                raise DamagedTarError(self.offset, "the archive ends within a header")
            if not block[504]:
                return

    def _expected(self, field: bytes) -> int:
        """What adler32's low half of a header with this checksum is: one more than the sum of its bytes, modulo a prime."""
        if len(self._sums) >= MAX_SUMS:
            self._sums.clear()
        try:
            value = int(field[:6], 8)
        except ValueError:
            value = 0  # has_valid_checksum has the last word
        expected = self._sums[field] = (1 + value + sum(field) - 8 * 32) % ADLER_PRIME
        return expected

    def _owner(self, key: bytes) -> Owner:
        mode, uid, gid = number(key[:8]), number(key[8:16]), number(key[16:])
        if mode is None or uid is None or gid is None:
            raise DamagedTarError(self.offset - BLOCK, "a header without a valid mode or owner")
        if len(self._owners) >= MAX_OWNERS:
            self._owners.clear()
        owner = self._owners[key] = (mode & 0o7777, uid, gid)
        return owner

    def _overridden(self, records: dict[bytes, bytes], size: int, owner: Owner) -> tuple[int, Owner]:
        new_size = numbered(records, b"size", size)
        uid, gid = numbered(records, b"uid", owner[1]), numbered(records, b"gid", owner[2])
        if new_size is None or uid is None or gid is None:
            raise DamagedTarError(self.offset, "a pax header whose numbers are none")
        return new_size, (owner[0], uid, gid)
