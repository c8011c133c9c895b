"""Where in an executable is what it has in memory at an address, as the headers at its beginning say."""

from collections.abc import Iterator
from struct import Struct, error

# More than any linker writes.
_MAX_PARTS = 1024

Part = tuple[int, int, int]
"""The address of a segment or section, its offset in the file, and its bytes there."""


def offset_of(start: bytes | bytearray, address: int) -> int | None:
    """The offset of what is at `address`; None when no part that `start`, the file's first bytes, tells of has it."""
    try:
        for begins, offset, size in _parts(start):
            if begins <= address < begins + size:
                return offset + address - begins
    except (error, IndexError):
        pass  # headers that end early
    return None


def _parts(start: bytes | bytearray) -> Iterator[Part]:
    if start.startswith(b"\x7fELF"):
        return _elf(start)
    if start.startswith(b"MZ"):
        return _pe(start)
    return _mach(start)


def _elf(start: bytes | bytearray) -> Iterator[Part]:
    """The segments that are loaded. Spec: elf(5)."""
    wide, order = start[4] == 2, ">" if start[5] == 2 else "<"
    table = Struct(order + ("Q" if wide else "I")).unpack_from(start, 32 if wide else 28)[0]
    size, count = Struct(order + "HH").unpack_from(start, 54 if wide else 42)
    # type, offset, address, size in the file: the flags lie between them where words are of 64 bits.
    header = Struct(order + ("I4xQQ8xQ" if wide else "III4xI"))
    for number in range(min(count, _MAX_PARTS)):
        kind, offset, address, stored = header.unpack_from(start, table + number * size)
        if kind == 1:
            yield address, offset, stored


def _pe(start: bytes | bytearray) -> Iterator[Part]:
    """The sections. Spec: Microsoft's "PE Format"."""
    header = Struct("<I").unpack_from(start, 60)[0]
    count, optional_bytes = Struct("<H12xH").unpack_from(start, header + 6)
    optional = header + 24
    is_wide = start[optional : optional + 2] == b"\x0b\x02"
    base = Struct("<Q" if is_wide else "<I").unpack_from(start, optional + (24 if is_wide else 28))[0]
    section = Struct("<12xIII16x")
    for number in range(min(count, _MAX_PARTS)):
        address, stored, offset = section.unpack_from(start, optional + optional_bytes + number * 40)
        yield base + address, offset, stored


def _mach(start: bytes | bytearray) -> Iterator[Part]:
    """The segments. Spec: mach-o/loader.h."""
    order = ">" if start.startswith(b"\xfe\xed") else "<"
    wide = (start[3] if order == ">" else start[0]) == 0xCF
    commands = Struct(order + "I").unpack_from(start, 16)[0]
    at = 32 if wide else 28
    command = Struct(order + "II")
    segment = Struct(order + ("24xQ8xQQ" if wide else "24xI4xII"))
    for _ in range(min(commands, _MAX_PARTS)):
        kind, size = command.unpack_from(start, at)
        if kind == (0x19 if wide else 1):
            address, offset, stored = segment.unpack_from(start, at)
            # The first page is there to be hit by null pointers.
            if stored:
                yield address, offset, stored
        at += max(size, 8)
