"""What a module of Linux says of itself: the section `.modinfo` of an object file.

Spec: ELF (gABI), "Sections"; Linux include/linux/moduleparam.h, __MODULE_INFO
"""

import struct

Content = bytes | bytearray

SECTION = b".modinfo"

# What a module says is some KB; one with a thousand aliases of devices has 60.
MAX_SECTION_BYTES = 1024 * 1024

# Where the header of a file has the place, the size and the number of its sections' headers, and the number of that with their
# names; then a section's header: the name's place in that, and the place and size of the section.
_FILE = {1: ("I", 0x20, 0x2E), 2: ("Q", 0x28, 0x3A)}
_SECTION = {1: ("I12xII", 24), 2: ("I20xQQ", 40)}
_ORDERS = {1: "<", 2: ">"}


def module_info(content: Content) -> dict[bytes, bytes] | None:
    """What it says, of what it says twice the first; None when it is no object file, or has no such section."""
    if len(content) < 0x40 or content[:4] != b"\x7fELF" or content[4] not in _FILE or content[5] not in _ORDERS:
        return None
    width, order = content[4], _ORDERS[content[5]]
    word, place_at, counts_at = _FILE[width]
    (headers,) = struct.unpack_from(f"{order}{word}", content, place_at)
    size, count, names = struct.unpack_from(f"{order}HHH", content, counts_at)
    shape, least = _SECTION[width]
    if size < least or names >= count or headers + count * size > len(content):
        return None
    sections = [struct.unpack_from(f"{order}{shape}", content, headers + index * size) for index in range(count)]
    texts = sections[names][1]
    for name, begin, length in sections:
        at = texts + name
        if content[at : at + len(SECTION) + 1] == SECTION + b"\0" and length <= MAX_SECTION_BYTES:
            return _values(bytes(content[begin : begin + length]))
    return None


def _values(section: bytes) -> dict[bytes, bytes]:
    values: dict[bytes, bytes] = {}
    for each in section.split(b"\0"):
        key, found, value = each.partition(b"=")
        if found:
            values.setdefault(key, value)
    return values
