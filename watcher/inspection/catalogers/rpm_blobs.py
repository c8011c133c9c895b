"""The headers that an rpm database holds, whichever of rpm's three kinds of files it is: SQLite, ndb, or a hash of Berkeley DB.

Spec: rpm lib/backend/sqlite.c and ndb/rpmpkg.c; db dbinc/db_page.h. All that is read of a file together is at most what it holds.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from watcher.inspection.catalogers import sqlite_tables
from watcher.inspection.catalogers.sqlite_tables import MAX_ROW_BYTES, rows
from watcher.inspection.catalogers.stanzas import Unread

Content = bytes | bytearray
Blobs = Iterator[bytes | Unread]

_TABLE = re.compile(
    r"CREATE TABLE ['\"]?Packages['\"]?\s*\(\s*hnum INTEGER PRIMARY KEY(?: AUTOINCREMENT)?,\s*blob BLOB NOT NULL\s*\)",
    re.IGNORECASE,
)

_NDB_PAGE_BYTES, _NDB_SLOT_BYTES, _NDB_BLOCK_BYTES = 4096, 16, 16

# Where in the first page of a Berkeley DB the magic number of a hash stands, in the order of bytes of who wrote it.
_HASH_MAGIC = 0x00061561
_MAGIC_AT = 12
_PAGE_HEADER_BYTES = 26
# Types of pages, then of what is on a page of a hash: bytes, or the number of the first page with more and how much there is.
_HASH_PAGES, _OVERFLOW_PAGE = (2, 13), 7
_HERE, _ELSEWHERE = 1, 3
# The key of what is no header: the number that the next one gets.
_NO_HEADER = bytes(4)


class NoBlobsError(Exception):
    """It is none of the three. The text says why."""


def blobs(content: Content) -> Blobs:
    """Each header as it is stored, and what could not be read.

    Raises:
        NoBlobsError: before the first.
    """
    if content.startswith(sqlite_tables.MAGIC):
        return _sqlite(content)
    if content.startswith(b"RpmP"):
        return _ndb(content)
    for order in "<>":
        if len(content) >= 512 and struct.unpack_from(f"{order}I", content, _MAGIC_AT)[0] == _HASH_MAGIC:
            return _hash(content, order)
    raise NoBlobsError(f"{len(content)} bytes of no kind that rpm has")


def _sqlite(content: Content) -> Blobs:
    try:
        found = rows(content, "Packages", _TABLE)
    except sqlite_tables.NoTableError as error:
        raise NoBlobsError(str(error)) from error
    return (each if isinstance(each, Unread) else _blob(each) for each in found)


def _blob(row: sqlite_tables.Row) -> bytes | Unread:
    return row[1] if len(row) == 2 and isinstance(row[1], bytes) else Unread("a row without a header")


def _ndb(content: Content) -> Blobs:
    """Pages of slots, of which the first two are the file's own header, say at which block of 16 bytes each header begins."""
    if len(content) < 2 * _NDB_SLOT_BYTES:
        raise NoBlobsError(f"{len(content)} bytes are no ndb")
    version, _, slot_pages = struct.unpack_from("<III", content, 4)
    if version != 0 or not 0 < slot_pages * _NDB_PAGE_BYTES <= len(content):
        raise NoBlobsError(f"version {version} of ndb with {slot_pages} pages of slots")
    return _ndb_blobs(content, slot_pages * _NDB_PAGE_BYTES)


def _ndb_blobs(content: Content, end: int) -> Blobs:
    left = len(content)
    for place in range(2 * _NDB_SLOT_BYTES, end, _NDB_SLOT_BYTES):
        magic, index, block, blocks = struct.unpack_from("<4sIII", content, place)
        if magic != b"Slot":
            yield Unread(f"no slot at {place}")
        elif index:
            begin = block * _NDB_BLOCK_BYTES
            head = content[begin : begin + 16]
            magic, number, _, length = struct.unpack("<4sIII", head) if len(head) == 16 else (b"", 0, 0, 0)
            if magic != b"BlbS" or number != index:
                yield Unread(f"no header {index} where it should be")
            elif length > min(MAX_ROW_BYTES, blocks * _NDB_BLOCK_BYTES, len(content) - begin - 16):
                yield Unread(f"header {index} has {length} bytes")
            elif length > left:
                yield Unread("more in its headers than in the file")
                return
            else:
                left -= length
                yield bytes(content[begin + 16 : begin + 16 + length])


@dataclass(slots=True)
class _Hash:
    """Pages of a hash. `left` is how many bytes may still be read."""

    content: Content
    order: str
    page_bytes: int
    left: int
    numbered: bool = False

    def blobs(self, last: int) -> Blobs:
        """Whichever buckets they are in: in the order of the pages, of which each item with an odd number is a value."""
        for number in range(1, last + 1):
            start = number * self.page_bytes
            if start + self.page_bytes > len(self.content):
                yield Unread(f"no page {number} of {last}")
                return
            (count,) = struct.unpack_from(f"{self.order}H", self.content, start + 20)
            if self.content[start + 25] not in _HASH_PAGES:
                continue
            if count % 2 or _PAGE_HEADER_BYTES + 2 * count > self.page_bytes:
                yield Unread(f"page {number} has {count} items")
                continue
            places = struct.unpack_from(f"{self.order}{count}H", self.content, start + _PAGE_HEADER_BYTES)
            for index in range(0, count, 2):
                ends = places[index - 1] if index else self.page_bytes, places[index]
                key = self.content[start + places[index] + 1 : start + ends[0]]
                if key == _NO_HEADER and not self.numbered:
                    self.numbered = True
                    continue
                value = self._value(start + places[index + 1], start + ends[1])
                if self.left < 0:
                    yield Unread("more in its values than in the file")
                    return
                yield value

    def _value(self, place: int, end: int) -> bytes | Unread:
        kind = self.content[place] if place < len(self.content) else 0
        if kind == _HERE:
            self.left -= max(end - place, 1)
            return bytes(self.content[place + 1 : end])
        if kind != _ELSEWHERE or place + 12 > len(self.content):
            return Unread(f"a value of kind {kind}")
        number, length = struct.unpack_from(f"{self.order}II", self.content, place + 4)
        if length > MAX_ROW_BYTES:
            return Unread(f"a header of {length} bytes")
        self.left -= max(length, 1)
        parts: list[memoryview] = []
        while length:
            start = number * self.page_bytes
            if start + self.page_bytes > len(self.content) or self.content[start + 25] != _OVERFLOW_PAGE:
                return Unread(f"a header goes on at no page, {number}")
            number, _, here = struct.unpack_from(f"{self.order}IHH", self.content, start + 16)
            here = min(here, length, self.page_bytes - _PAGE_HEADER_BYTES)
            if not here:
                return Unread("an empty page of a header")
            parts.append(memoryview(self.content)[start + _PAGE_HEADER_BYTES : start + _PAGE_HEADER_BYTES + here])
            length -= here
        return b"".join(parts)


def _hash(content: Content, order: str) -> Blobs:
    (page_bytes,) = struct.unpack_from(f"{order}I", content, 20)
    (last,) = struct.unpack_from(f"{order}I", content, 32)
    if not 512 <= page_bytes <= 65536 or page_bytes & (page_bytes - 1) or content[24]:
        raise NoBlobsError(f"pages of {page_bytes} bytes, encrypted: {bool(content[24])}")
    return _Hash(content, order, page_bytes, len(content)).blobs(last)
