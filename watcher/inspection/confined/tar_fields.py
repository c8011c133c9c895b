r"""The fields of tar headers: numbers, pax records, and names made safe. Pure.

Spec: POSIX.1-2017 pax "ustar Interchange Format" and "pax Header Block"; GNU tar "Basic Tar Format".
"""

from collections.abc import Mapping
from zlib import adler32

from watcher.inspection.workers.messages import MAX_PATH

# A tar of more has no file system that could hold it; it keeps every sum below 2^63.
MAX_NUMBER = 2**62

# adler32's low half is one more than the sum of the bytes, modulo this prime. It is ten times as fast as `sum`.
ADLER_PRIME = 65521


def number(field: bytes) -> int | None:
    """Octal text, or base-256 where the first bit is set; empty is 0. None for anything else, negative numbers included."""
    if field[:1] >= b"\x80":
        # The rest of the first byte belongs to the number; bit 6 is its sign.
        value = int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
        return value if not field[0] & 0x40 and value <= MAX_NUMBER else None
    text = field.partition(b"\0")[0].strip()
    if not text:
        return 0
    if not text.isdigit():
        return None
    try:
        return int(text, 8)
    except ValueError:
        return None


def decimal(text: bytes) -> int | None:
    """A number as pax writes it; fractions, as of times, are none of ours."""
    if not text.isdigit() or len(text) > 19:
        return None
    value = int(text)
    return value if value <= MAX_NUMBER else None


def has_valid_checksum(block: bytes) -> bool:
    """Whether the header's sum is that of its 512 bytes, the sum itself taken as spaces. Some old tars add up signed bytes."""
    field = block[148:156]
    expected = number(field)
    if expected is None:
        return False
    plain: int = (adler32(block) & 0xFFFF) - (adler32(field) & 0xFFFF) + 8 * 32
    if (plain - expected) % ADLER_PRIME == 0:
        return True
    negative = 256 * sum(byte > 127 for byte in (*block[:148], *block[156:]))
    return bool((plain - negative - expected) % ADLER_PRIME == 0)


def pax_records(content: bytes) -> dict[bytes, bytes] | None:
    r"""`"%d %s=%s\n"` each, of which the last of a key counts. None when malformed: nothing that follows would be in its place."""
    records: dict[bytes, bytes] = {}
    at = 0
    while at < len(content) and content[at]:
        space = content.find(b" ", at, at + 20)
        length = decimal(content[at:space]) if space > 0 else None
        if length is None or length <= space - at or at + length > len(content) or content[at + length - 1] != 0x0A:
            return None
        key, equals, value = content[space + 1 : at + length - 1].partition(b"=")
        if not equals or not key:
            return None
        records[key] = value
        at += length
    return records


def numbered(records: Mapping[bytes, bytes], key: bytes, otherwise: int) -> int | None:
    """A number that pax may override; empty means that it does not. None when it is no number."""
    text = records.get(key)
    return decimal(text) if text else otherwise


def clean_path(name: bytes) -> bytes | None:
    """`name` relative to the root, without empty and `.` parts; `b""` is the root. None when it leads outside of it."""
    if b"\0" in name or len(name) > MAX_PATH:
        return None
    parts: list[bytes] = []
    for part in name.split(b"/"):
        if part == b"..":
            if not parts:
                return None
            parts.pop()
        elif part not in (b"", b"."):
            parts.append(part)
    return b"/".join(parts)


def text(name: bytes) -> str:
    r"""As the model has paths: UTF-8, other bytes as `\xNN`."""
    return name.decode("utf-8", "backslashreplace")
