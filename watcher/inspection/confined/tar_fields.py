r"""The fields of tar headers: numbers, times, pax records, and names made safe. Pure; each takes what Go's archive/tar takes.

Spec: POSIX.1-2017 pax "ustar Interchange Format" and "pax Header Block"; GNU tar "Basic Tar Format"; Go's strconv.go and format.go.
"""

import re
from collections.abc import Sequence
from zlib import adler32

from watcher.inspection.workers.messages import MAX_PATH

BLOCK = 512

# A tar of more has no file system that could hold it; it keeps every sum below 2^63.
MAX_NUMBER = 2**62
_INT64 = 2**63

_TEXT_KEYS = frozenset({b"path", b"linkpath", b"uname", b"gname"})
# In turns, each with its own number.
_SPARSE_KEYS = (b"GNU.sparse.offset", b"GNU.sparse.numbytes")
SPARSE_MAP = b"GNU.sparse.map"

# No number of 64 bits has more than 19 digits, and to Python a long one costs its square.
_INTEGER = re.compile(rb"([+-]?)0*([0-9]{1,19})")
_ONLY_A_TIME = re.compile(rb"([0-9]{2}) [mac]time=[0-9]{1,18}(?:\.[0-9]{1,18})?\n")
# A backslash that would be read as that of a byte which is no UTF-8, or as one of these. systemd's `\x2d` is none.
_LIKE_A_BYTE = re.compile(rb"\\(?=x(?:[89a-f][0-9a-f]|5c))")
# Any number of fewer digits fits 64 bits.
_DIGITS = 19
# Fewer characters are no record: a length, a space, a key, an equals sign, a line break.
_MIN_RECORD = 5

_ASCII = bytes(range(128))


def octal(field: bytes) -> int | None:
    """Octal digits, among NULs and spaces, up to a NUL between them; nothing but those is 0. None for anything else."""
    digits = field.strip(b" \0").partition(b"\0")[0]
    if not digits:
        return 0
    # `int` alone takes signs, underscores and other spaces as well.
    if not digits.isdigit() or b"8" in digits or b"9" in digits:
        return None
    return int(digits, 8)


def signed_number(field: bytes) -> int | None:
    """As `octal`, or base-256 where the first bit is set: two's complement, which must fit 64 bits."""
    if field[:1] < b"\x80":
        return octal(field)
    negative = bool(field[0] & 0x40)
    value = int.from_bytes(field, "big") & ((1 << (8 * len(field) - 1)) - 1)
    if negative:
        value ^= (1 << (8 * len(field) - 1)) - 1
    if value >= _INT64:
        return None
    return ~value if negative else value


def number(field: bytes) -> int | None:
    """As `signed_number`, but None for what no size can be."""
    return _no_size(signed_number(field))


def integer(text: bytes) -> int | None:
    """A decimal number of 64 bits, with or without a sign, after any number of zeros."""
    match = _INTEGER.fullmatch(text)
    value = int(match[1] + match[2]) if match else _INT64
    return value if -_INT64 <= value < _INT64 else None


def decimal(text: bytes) -> int | None:
    """As `integer`, but None for what no size can be."""
    return _no_size(integer(text))


def _no_size(value: int | None) -> int | None:
    return value if value is not None and 0 <= value <= MAX_NUMBER else None


def is_pax_time(text: bytes) -> bool:
    """Whether it is seconds, with or without a fraction."""
    seconds, _, fraction = text.partition(b".")
    if seconds.isdigit() and len(seconds) < _DIGITS and (not fraction or fraction.isdigit()):
        return True
    return integer(seconds) is not None and (not fraction or fraction.isdigit())


def is_only_a_time(content: bytes) -> bool:
    """Whether pax records are one valid time, as Python writes for every file. For a walker they say nothing, and cost the most."""
    match = _ONLY_A_TIME.fullmatch(content)
    return match is not None and int(match[1]) == len(content)


def has_valid_checksum(block: bytes) -> bool:
    """Whether the header's sum is that of its 512 bytes, the sum itself taken as spaces. Some old tars add up signed bytes."""
    field = block[148:156]
    expected = octal(field)
    # adler32's low half is one more than the sum of the bytes, ten times as fast as `sum`, and exact for 256 bytes.
    plain = (adler32(block[:256]) & 0xFFFF) + (adler32(block[256:]) & 0xFFFF) - 2 - sum(field) + 8 * 32
    if plain == expected:
        return True
    signed = plain - 256 * len((block[:148] + block[156:]).translate(None, _ASCII))
    return signed == expected


def pax_records(content: bytes) -> dict[bytes, bytes] | None:
    r"""`"%d %s=%s\n"` each, of which the last of a key counts. None when malformed: nothing that follows would be in its place.

    The map of GNU's sparse format 0.0, a record for each number, becomes that of 0.1, one record for all.
    """
    records: dict[bytes, bytes] = {}
    sparse: list[bytes] = []
    at, end = 0, len(content)
    while at < end:
        space = content.find(b" ", at)
        if space < 0:
            return None
        digits = content[at:space]
        length = int(digits) if len(digits) < _DIGITS and digits.isdigit() else decimal(digits)
        if length is None or length < _MIN_RECORD or length <= space + 1 - at or at + length > end:
            return None
        at += length
        if content[at - 1] != 0x0A:
            return None
        key, equals, value = content[space + 1 : at - 1].partition(b"=")
        if not equals or not key:
            return None
        if key in _SPARSE_KEYS:
            if key != _SPARSE_KEYS[len(sparse) % 2] or b"," in value:
                return None
            sparse.append(value)
        elif b"\0" in (value if key in _TEXT_KEYS else key):
            return None
        else:
            records[key] = value
    if sparse:
        records[SPARSE_MAP] = b",".join(sparse)
    return records


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
    r"""As the model has paths: UTF-8, other bytes as `\xNN`. No two names are the same text.

    So where a name has `\xe9` in these four letters, its backslash is written as a byte is: `\x5cxe9`.
    """
    return (_LIKE_A_BYTE.sub(rb"\\x5c", name) if b"\\x" in name else name).decode("utf-8", "backslashreplace")


def texts(names: Sequence[bytes]) -> list[str]:
    """`text` of each, in a third of the time: no byte of a name has a say in how those behind a NUL are decoded."""
    joined = text(b"\0".join(names)).split("\0")
    # GNU's name of a sparse file may have a NUL in it.
    return joined if len(joined) == len(names) else list(map(text, names))
