"""Where a program for Windows has its resources, and the texts of its version among them.

Spec: Microsoft "PE Format", "The .rsrc Section"; "VS_VERSIONINFO structure"
"""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct, error

# Icons come before the version; programs with large ones have 2 MB of them.
MAX_RESOURCES = 8 * 1024 * 1024

# A linker writes 96 at most.
_MAX_SECTIONS = 96
# As many directories as anyone looks through, and as long a block as its length can say.
_MAX_ENTRIES = 4096
_MAX_VERSIONS = 16
_MAX_BLOCK = 0xFFFF
_MAX_TEXTS = 256

_VERSION = 16
_RESOURCES, _RUNTIME_HEADER = 2, 14
_DIRECTORY_BIT = 0x80000000

# How many directories an optional header has, by its mark, and where they are.
_DIRECTORIES = {0x10B: (92, 96), 0x20B: (108, 112)}

_U16, _U32, _PAIR, _BLOCK = Struct("<H"), Struct("<I"), Struct("<II"), Struct("<HHH")
_SECTION = Struct("<8xIIII16x")
# Looked up here: a codec is a module, and the confined worker opens no file.
_UTF_16 = codecs.lookup("utf-16-le").decode

_FIXED_AT_KEY = "VS_VERSION_INFO"


@dataclass(frozen=True, slots=True)
class Resources:
    """Where in the file they begin and end, at what address they are loaded, and whether it is an assembly of .NET."""

    first: int
    end: int
    address: int
    is_managed: bool


def resources_of(start: bytes) -> Resources | None:
    """Of a program that begins with `start`; None of anything else."""
    try:
        return _resources_of(start)
    except error:
        return None


def _resources_of(start: bytes) -> Resources | None:
    if start[:2] != b"MZ":
        return None
    header = _U32.unpack_from(start, 0x3C)[0]
    if start[header : header + 4] != b"PE\0\0":
        return None
    sections, length = _U16.unpack_from(start, header + 6)[0], _U16.unpack_from(start, header + 20)[0]
    optional = header + 24
    count_at, directories_at = _DIRECTORIES.get(_U16.unpack_from(start, optional)[0], (0, 0))
    if not directories_at:
        return None
    count = _U32.unpack_from(start, optional + count_at)[0]
    address, size = _PAIR.unpack_from(start, optional + directories_at + 8 * _RESOURCES) if count > _RESOURCES else (0, 0)
    runtime = _PAIR.unpack_from(start, optional + directories_at + 8 * _RUNTIME_HEADER) if count > _RUNTIME_HEADER else (0, 0)
    if not address or not size:
        return None
    for number in range(min(sections, _MAX_SECTIONS)):
        loaded, begins, stored, at = _section(start, optional + length + 40 * number)
        if begins <= address < begins + max(loaded, stored):
            first = at + address - begins
            return Resources(first, first + min(size, MAX_RESOURCES), address, all(runtime))
    return None


def _section(start: bytes, at: int) -> tuple[int, int, int, int]:
    loaded, begins, stored, where = _SECTION.unpack_from(start, at)
    return loaded, begins, stored, where


def version_texts(resources: bytes | bytearray, address: int) -> dict[str, str]:
    """What a program says of its version, by what that is called; of several languages the first that says it."""
    texts: dict[str, str] = {}
    for first, size in list(_versions(resources))[:_MAX_VERSIONS]:
        if first < address:
            continue
        block = bytes(resources[first - address : first - address + min(size, _MAX_BLOCK)])
        for key, value in _texts(block):
            if value:
                texts.setdefault(key, value)
        fixed = block.find(b"\xbd\x04\xef\xfe")
        if not texts.get("FileVersion") and 0 <= fixed <= len(block) - 16:
            high, low = _PAIR.unpack_from(block, fixed + 8)
            texts["FileVersion"] = f"{high >> 16}.{high & 0xFFFF}.{low >> 16}.{low & 0xFFFF}"
    return texts


def _versions(resources: bytes | bytearray) -> Iterator[tuple[int, int]]:
    """Address and size of each version: directories of types, names and languages lead there."""
    for kind, names in _entries(resources, 0, _MAX_ENTRIES):
        if kind != _VERSION or not names & _DIRECTORY_BIT:
            continue
        for _, languages in _entries(resources, names & ~_DIRECTORY_BIT, _MAX_VERSIONS):
            if not languages & _DIRECTORY_BIT:
                continue
            for _, data in _entries(resources, languages & ~_DIRECTORY_BIT, _MAX_VERSIONS):
                if not data & _DIRECTORY_BIT and data + 8 <= len(resources):
                    address, size = _PAIR.unpack_from(resources, data)
                    yield address, size
        return


def _entries(resources: bytes | bytearray, at: int, limit: int) -> Iterator[tuple[int, int]]:
    if at + 16 > len(resources):
        return
    count = _U16.unpack_from(resources, at + 12)[0] + _U16.unpack_from(resources, at + 14)[0]
    for number in range(min(count, limit, (len(resources) - at - 16) // 8)):
        name, leads_to = _PAIR.unpack_from(resources, at + 16 + 8 * number)
        yield name, leads_to


def _texts(block: bytes) -> Iterator[tuple[str, str]]:
    key, value_at, length, end = _header(block, 0, len(block))
    if key != _FIXED_AT_KEY:
        return
    left = _MAX_TEXTS
    for info, tables_at, _, info_end in _children(block, _aligned(value_at + length), end):
        if info != "StringFileInfo":
            continue
        for _, texts_at, _, table_end in _children(block, tables_at, info_end):
            for called, text_at, _, text_end in _children(block, texts_at, table_end):
                yield called, _text(block, text_at, text_end)[0]
                left -= 1
                if not left:
                    return


def _children(block: bytes, at: int, end: int) -> Iterator[tuple[str, int, int, int]]:
    """Key, where the value begins, its length and where all of it ends, of each block within."""
    while at + _BLOCK.size <= end:
        found = _header(block, at, end)
        if found[3] <= at:
            return
        yield found
        at = _aligned(found[3])


def _header(block: bytes, at: int, end: int) -> tuple[str, int, int, int]:
    if at + _BLOCK.size > end:
        return "", at, 0, at
    length, value, _ = _BLOCK.unpack_from(block, at)
    last = min(at + length, end)
    key, behind = _text(block, at + _BLOCK.size, last)
    return key, _aligned(behind), value, last if length >= _BLOCK.size else at


def _text(block: bytes, at: int, end: int) -> tuple[str, int]:
    """UTF-16 to its zero, and where what follows begins."""
    zero = block.find(b"\0\0", at, end)
    while zero >= 0 and (zero - at) % 2:
        zero = block.find(b"\0\0", zero + 1, end)
    last = zero if zero >= 0 else end
    return _UTF_16(block[at:last], "ignore")[0], last + 2


def _aligned(at: int) -> int:
    return (at + 3) & ~3
