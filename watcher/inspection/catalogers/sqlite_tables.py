"""One table of an SQLite database, read from its pages: no SQL of the file is run, and nothing of it is copied but the rows.

A database that somebody else made can have views and triggers that run when it is asked, and is asked by a large library in C. The
pages alone cannot do anything. What a write-ahead log beside the file has is not seen.

Spec: sqlite.org/fileformat2.html
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from watcher.inspection.catalogers.stanzas import Unread

MAGIC = b"SQLite format 3\0"

_LEAF, _INTERIOR = 0x0D, 0x05
_HEADER_BYTES = 100

# Serial types of a record's values: how many bytes each has; from 12 on the number says it. 10 and 11 are in no file.
_WIDTHS = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)

# As much as one row may have: a header of rpm with a hundred thousand files has some 20 MiB.
MAX_ROW_BYTES = 32 * 1024 * 1024

# Tables, indices and triggers, each of which SQLite keeps a row of.
MAX_TABLES = 1000

# More columns than any table that is read here.
MAX_COLUMNS = 64

Row = tuple[bytes | int | None, ...]
"""The values of a row in the order of its columns: texts as their bytes, integers; None also for a key that is the row's id."""


class NoTableError(Exception):
    """It is no database, or has no table of that name and definition. The text says what was found."""


def rows(content: bytes | bytearray, table: str, definition: re.Pattern[str]) -> Iterator[Row | Unread]:
    """The rows of `table` in the order of their ids, and what of it could not be read.

    `definition` is matched against the whole SQL text the table was made by: the order of its columns is known from there. All
    that is read of a file together is at most what it holds.

    Raises:
        NoTableError: before the first row.
    """
    pages = _Pages.of(content)
    found = next((row for row in islice(pages.rows(1), MAX_TABLES) if _is_table(row, table)), None)
    if not isinstance(found, tuple):
        raise NoTableError(f"no table {table}")
    root, sql = found[3], found[4]
    if not isinstance(root, int) or not isinstance(sql, bytes) or not definition.fullmatch(sql.decode("utf-8", "replace")):
        raise NoTableError(f"the table {table} is not the one that is known by this name")
    return pages.rows(root)


def _is_table(row: Row | Unread, name: str) -> bool:
    return isinstance(row, tuple) and len(row) == 5 and row[0] == b"table" and row[1] == name.encode()


@dataclass(slots=True)
class _Pages:
    """`left` is how many bytes may still be read: pages that are claimed by several rows would make more of them than there are."""

    content: bytes | bytearray
    page_bytes: int
    usable: int
    left: int
    seen: bytearray = field(default_factory=bytearray)

    @classmethod
    def of(cls, content: bytes | bytearray) -> "_Pages":
        if not content.startswith(MAGIC) or len(content) < _HEADER_BYTES:
            raise NoTableError("not a database of SQLite")
        (size,) = struct.unpack_from(">H", content, 16)
        size = 65536 if size == 1 else size
        reserved, encoding = content[20], int.from_bytes(content[56:60], "big")
        if size < 512 or size & (size - 1) or size - reserved < 480:
            raise NoTableError(f"pages of {size} bytes, {reserved} of them reserved")
        if encoding > 1:
            raise NoTableError("its texts are not in UTF-8")
        return cls(content, size, size - reserved, len(content))

    def rows(self, root: int) -> Iterator[Row | Unread]:
        """Depth first, left to right; each page once."""
        self.seen = bytearray(len(self.content) // self.page_bytes + 1)
        ahead = [root]
        while ahead:
            number = ahead.pop()
            start = (number - 1) * self.page_bytes
            if number < 1 or start + self.page_bytes > len(self.content) or self.seen[number - 1]:
                yield Unread(f"no page {number} of its own")
                continue
            self.seen[number - 1] = 1
            top = start + (_HEADER_BYTES if number == 1 else 0)
            kind, (count,) = self.content[top], struct.unpack_from(">H", self.content, top + 3)
            cells = top + (12 if kind == _INTERIOR else 8)
            if kind not in (_LEAF, _INTERIOR) or cells + 2 * count > start + self.usable:
                yield Unread(f"page {number} is none of a table")
                continue
            places = struct.unpack_from(f">{count}H", self.content, cells)
            if kind == _LEAF:
                for place in places:
                    row = self._row(start, place)
                    if self.left < 0:
                        yield Unread("more in its rows than in the file")
                        return
                    yield row
            elif any(place + 4 > self.usable for place in places):
                yield Unread(f"page {number} points beyond its end")
            else:
                ahead.append(int.from_bytes(self.content[top + 8 : top + 12], "big"))
                ahead += (int.from_bytes(self.content[start + each : start + each + 4], "big") for each in reversed(places))
                if len(ahead) > len(self.seen):
                    yield Unread("more pages in its tree than in the file")
                    return

    def _row(self, start: int, place: int) -> Row | Unread:
        end = start + self.usable
        length, at = _number(self.content, start + place, end)
        row_id, at = _number(self.content, at, end)
        if at > end or length > MAX_ROW_BYTES:
            return Unread(f"row {row_id} has {length} bytes")
        self.left -= max(length, 1)
        whole = self.usable - 35
        least = (self.usable - 12) * 32 // 255 - 23
        here = length
        if length > whole:
            here = least + (length - least) % (self.usable - 4)
            here = here if here <= whole else least
        further = at + here
        if further + (4 if here < length else 0) > end:
            return Unread(f"row {row_id} ends beyond its page")
        parts = [memoryview(self.content)[at:further]]
        missing, number = length - here, int.from_bytes(self.content[further : further + 4], "big") if here < length else 0
        while missing:
            begin = (number - 1) * self.page_bytes
            if number < 1 or begin + self.page_bytes > len(self.content):
                return Unread(f"row {row_id} goes on at no page")
            part = min(missing, self.usable - 4)
            parts.append(memoryview(self.content)[begin + 4 : begin + 4 + part])
            missing, number = missing - part, int.from_bytes(self.content[begin : begin + 4], "big")
        return _values(b"".join(parts)) or Unread(f"row {row_id} is none")


def _number(content: bytes | bytearray, at: int, end: int) -> tuple[int, int]:
    """A variable-length integer and where it ends, which is beyond `end` if it does."""
    value = 0
    for count in range(9):
        if at >= end:
            return 0, end + 1
        byte = content[at]
        at += 1
        if count == 8:
            return value << 8 | byte, at
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            break
    return value, at


def _values(record: bytes) -> Row | None:
    """None where it is no record."""
    end, at = _number(record, 0, len(record))
    if end > len(record):
        return None
    kinds: list[int] = []
    while at < end and len(kinds) < MAX_COLUMNS:
        kind, at = _number(record, at, end)
        kinds.append(kind)
    if at != end:
        return None
    values: list[bytes | int | None] = []
    for kind in kinds:
        width = (kind - 12) // 2 if kind >= 12 else _WIDTHS[kind] if kind < len(_WIDTHS) else len(record)
        value = record[at : at + width]
        if len(value) != width:
            return None
        at += width
        values.append(value if kind >= 12 else _scalar(kind, value))
    return tuple(values)


def _scalar(kind: int, value: bytes) -> int | None:
    """None for NULL, and for a number with a point, which nothing here has."""
    if kind in (0, 7):
        return None
    return kind - 8 if kind >= 8 else int.from_bytes(value, "big", signed=True)
