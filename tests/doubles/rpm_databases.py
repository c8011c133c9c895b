"""Databases of rpm as its three back ends write them, of as many headers as a test needs."""

import contextlib
import sqlite3
import struct

PAGE = 4096


def header(
    *,
    name: str = "",
    version: str = "",
    release: str = "",
    epoch: int | None = None,
    licence: str = "",
    vendor: str = "",
    packager: str = "",
    architecture: str = "",
    source: str = "",
    module: str = "",
) -> bytes:
    """A header with those of its tags that have a value, behind the one of the region that rpm begins with."""
    said = {
        1000: name,
        1001: version,
        1002: release,
        1011: vendor,
        1014: licence,
        1015: packager,
        1022: architecture,
        1044: source,
        5096: module,
    }
    entries, data = [(63, 7, 0, 16)], bytearray(16)
    for tag, text in said.items():
        if text:
            entries.append((tag, 6, len(data), 1))
            data += text.encode() + b"\0"
    if epoch is not None:
        data += bytes(-len(data) % 4)
        entries.append((1003, 4, len(data), 1))
        data += struct.pack(">I", epoch)
    index = b"".join(struct.pack(">IIiI", *entry) for entry in entries)
    return struct.pack(">II", len(entries), len(data)) + index + bytes(data)


def sqlite_database(*headers: bytes, page_bytes: int = PAGE) -> bytes:
    """`rpmdb.sqlite`, closed in the mode with a write-ahead log."""
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.execute(f"PRAGMA page_size = {page_bytes}")
        database.execute("CREATE TABLE IF NOT EXISTS 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT,blob BLOB NOT NULL)")
        database.execute("CREATE TABLE 'Name' (key TEXT NOT NULL, hnum INTEGER NOT NULL, idx INTEGER NOT NULL)")
        database.executemany("INSERT INTO Packages (blob) VALUES (?)", [(each,) for each in headers])
        database.commit()
        content = bytearray(database.serialize())
    content[18:20] = b"\2\2"
    return bytes(content)


def ndb_database(*headers: bytes) -> bytes:
    """`Packages.db`, with one page of slots."""
    slots, body = b"", b""
    for number, blob in enumerate(headers, 1):
        blocks = (16 + len(blob) + 12 + 15) // 16
        slots += struct.pack("<4sIII", b"Slot", number, (PAGE + len(body)) // 16, blocks)
        body += struct.pack("<4sIII", b"BlbS", number, 1, len(blob)) + blob + bytes(blocks * 16 - 28 - len(blob))
        body += struct.pack("<II4s", 0, len(blob), b"BlbE")
    top = struct.pack("<4sIIII12x", b"RpmP", 0, 1, 1, len(headers) + 1) + slots
    return top + struct.pack("<4sIII", b"Slot", 0, 0, 0) * ((PAGE - len(top)) // 16) + body


def hash_database(*headers: bytes, order: str = "<") -> bytes:
    """`Packages`, with one bucket: small headers in it, larger ones on pages of their own, and the number of the next header."""
    items: list[bytes] = [b"\1" + bytes(4), b"\1" + struct.pack(f"{order}I", len(headers))]
    further: list[bytes] = []
    for number, blob in enumerate(headers, 1):
        items.append(b"\1" + struct.pack(f"{order}I", number))
        if len(blob) + sum(map(len, items)) <= PAGE // 2:
            items.append(b"\1" + blob)
            continue
        items.append(b"\3" + bytes(3) + struct.pack(f"{order}II", 2 + len(further), len(blob)))
        parts = [blob[first : first + PAGE - 26] for first in range(0, len(blob), PAGE - 26)]
        for index, part in enumerate(parts):
            following = 0 if index == len(parts) - 1 else 3 + len(further)
            page = struct.pack(f"{order}8xIIIHHBB", 2 + len(further), 0, following, 1, len(part), 0, 7)
            further.append((page + part).ljust(PAGE, b"\0"))
    end, places, body = PAGE, [], b""
    for item in items:
        end -= len(item)
        places.append(end)
        body = item + body
    bucket = struct.pack(f"{order}8xIIIHHBB", 1, 0, 0, len(items), end, 0, 13)
    bucket += b"".join(struct.pack(f"{order}H", each) for each in places)
    top = struct.pack(f"{order}8xIIIIBBBxII", 0, 0x00061561, 9, PAGE, 0, 8, 0, 0, 1 + len(further))
    return top.ljust(PAGE, b"\0") + bucket.ljust(end, b"\0") + body + b"".join(further)
