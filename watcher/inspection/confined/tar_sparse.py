"""Sparse members: files of which a tar holds only the data, and a map of where in the file that belongs. Pure but for `read`.

Spec: GNU tar "Storing Sparse Files": the old format, and 0.0, 0.1 and 1.0 of pax; what of it counts is what Go's archive/tar takes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from watcher.inspection.confined.tar_fields import BLOCK, SPARSE_MAP, decimal, number

# A file in more pieces than that is not searched piece by piece.
_MAX_SPANS = 1024

# Any number of fewer digits is a size.
_DIGITS = 19
# Go's limit for a map that lies in blocks of its own.
_MAX_MAP_BYTES = 1024 * 1024

# What the keys of all its pax records begin with.
SPARSE = b"GNU.sparse."
_MAJOR, _MINOR = b"GNU.sparse.major", b"GNU.sparse.minor"
_VERSIONS = frozenset({(b"0", b"0"), (b"0", b"1"), (b"1", b"0")})

Read = Callable[[], bytes]
"""The next block of the archive, shorter only at its end."""

_Pieces = list[tuple[int, int]]


class SparseMapError(ValueError):
    """The map is none: its numbers are not, or they overlap, are out of order, or lead beyond the end of the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sparse:
    """The file is `size` bytes long, all zero but for `pieces`: (offset in the file, length), in order, none of them empty.

    In the tar they follow each other, from the offset that the member has, and take `stored` bytes.
    """

    size: int
    stored: int
    pieces: tuple[tuple[int, int], ...]

    @property
    def is_whole(self) -> bool:
        """Whether the pieces are what is stored. If not, whoever reads the content gets an error."""
        return self.stored == sum(length for _, length in self.pieces)

    def spans(self, begins: int, apart_bytes: int) -> list[tuple[int, int]] | None:
        """From where to where in the tar each piece lies; None when that tells too little of the file.

        So it is when two of them are less than `apart_bytes` apart, or too many, or not what is stored.
        """
        if not self.is_whole:
            return None
        spans: list[tuple[int, int]] = []
        last = -apart_bytes
        for offset, length in self.pieces:
            if offset == last:
                spans[-1] = spans[-1][0], begins + length
            elif offset - last < apart_bytes or len(spans) == _MAX_SPANS:
                return None
            else:
                spans.append((begins, begins + length))
            begins += length
            last = offset + length
        return spans

    def expanded(self, stored: bytes) -> bytes:
        """The file as it is once it is unpacked."""
        parts: list[bytes] = []
        at = begins = 0
        for offset, length in self.pieces:
            parts += (bytes(offset - at), stored[begins : begins + length])
            begins += length
            at = offset + length
        return b"".join((*parts, bytes(self.size - at)))


def is_sparse(records: Mapping[bytes, bytes]) -> bool:
    """Whether a member with these pax records is. Without a version, or a map, nothing else that they say of it counts."""
    major, minor = records.get(_MAJOR, b""), records.get(_MINOR, b"")
    return (major, minor) in _VERSIONS or not (major or minor or not records.get(SPARSE_MAP))


def of_records(records: Mapping[bytes, bytes], size: int, read: Read) -> Sparse:
    """One that is sparse by its pax records, whose header says that it takes `size` bytes."""
    pieces, stored = _pieces_of_content(size, read) if records.get(_MAJOR) == b"1" else (_pieces_of_records(records), size)
    real = records.get(b"GNU.sparse.size") or records.get(b"GNU.sparse.realsize")
    return _sparse(decimal(real) if real else size, stored, pieces)


def of_header(header: bytes, size: int, read: Read) -> Sparse:
    """One that is sparse by its type. Four pieces are in the header; each further block says whether one more follows."""
    pieces: _Pieces = []
    entries, taken = header[386:483], 97
    while taken < _MAX_MAP_BYTES:
        last = len(entries) // 24 * 24
        for at in range(0, last, 24):
            if not entries[at]:
                break
            pieces.append((_number(number(entries[at : at + 12])), _number(number(entries[at + 12 : at + 24]))))
        if not entries[last]:
            return _sparse(number(header[483:495]), size, pieces)
        entries = _whole(read())
        taken += BLOCK
    raise SparseMapError


def _pieces_of_records(records: Mapping[bytes, bytes]) -> _Pieces:
    """Formats 0.0 and 0.1 have their map among the pax records."""
    written = records.get(SPARSE_MAP, b"")
    numbers = written.split(b",") if written else []
    count = decimal(records.get(b"GNU.sparse.numblocks", b""))
    if count is None or len(numbers) != 2 * count:
        raise SparseMapError
    return _paired(numbers)


def _pieces_of_content(size: int, read: Read) -> tuple[_Pieces, int]:
    """Format 1.0 has its map before the data, a number a line, in whole blocks. The second value is what is left of `size`."""
    blocks: list[bytes] = []
    lines, wanted = 0, 1
    counted = False
    while lines < wanted:
        size -= BLOCK
        if size < 0 or len(blocks) * BLOCK >= _MAX_MAP_BYTES:
            raise SparseMapError
        blocks.append(_whole(read()))
        lines += blocks[-1].count(b"\n")
        if lines and not counted:
            wanted += 2 * _number(decimal(b"".join(blocks).partition(b"\n")[0]))
            counted = True
    return _paired(b"".join(blocks).split(b"\n", wanted)[1:wanted]), size


def _sparse(size: int | None, stored: int, pieces: _Pieces) -> Sparse:
    last = 0
    for offset, length in pieces:
        if offset < last:
            raise SparseMapError
        last = offset + length
    if size is None or last > size:
        raise SparseMapError
    return Sparse(size=size, stored=stored, pieces=tuple(piece for piece in pieces if piece[1]))


def _paired(numbers: list[bytes]) -> _Pieces:
    # Half a million in the largest map, nearly all of them plain.
    values = [int(each) if len(each) < _DIGITS and each.isdigit() else _number(decimal(each)) for each in numbers]
    return list(zip(values[::2], values[1::2], strict=True))


def _number(value: int | None) -> int:
    if value is None:
        raise SparseMapError
    return value


def _whole(block: bytes) -> bytes:
    if len(block) < BLOCK:
        raise SparseMapError
    return block
