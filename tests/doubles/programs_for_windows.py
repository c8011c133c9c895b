"""Programs for Windows with nothing but the texts of their version."""

from collections.abc import Mapping
from struct import pack

# Where the resources begin in the file, and where they are loaded.
AT, ADDRESS = 0x400, 0x2000


def assembly(**texts: str) -> bytes:
    """An assembly of .NET that says this of its version."""
    return program(texts)


def program(
    texts: Mapping[str, str], *, managed: bool = True, fixed: tuple[int, int, int, int] = (0, 0, 0, 0), before: bytes = b""
) -> bytes:
    """A PE32 with these texts; `fixed` is the version as numbers, `before` what its resources have before it."""
    resources = _resources(_version(fixed, texts), before)
    directories = [(0, 0)] * 16
    directories[2] = (ADDRESS, len(resources))
    directories[14] = (0x1000, 72) if managed else (0, 0)
    optional = pack("<H90xI", 0x10B, len(directories)) + b"".join(pack("<II", *each) for each in directories)
    header = b"PE\0\0" + pack("<HHIIIHH", 0x14C, 1, 0, 0, 0, len(optional), 0x2102)
    section = pack("<8sIIII16x", b".rsrc", len(resources), ADDRESS, len(resources), AT)
    start = b"MZ" + bytes(58) + pack("<I", 64) + header + optional + section
    return start.ljust(AT, b"\0") + resources


def _resources(version: bytes, before: bytes) -> bytes:
    """Directories of types, of names and of languages, each of one entry, and the entry of the data."""
    levels = b"".join(pack("<12xHHII", 0, 1, each, leads_to) for each, leads_to in ((16, 1 << 31 | 24), (1, 1 << 31 | 48), (0, 72)))
    first = 72 + 16 + len(before)
    return levels + pack("<IIII", ADDRESS + first, len(version), 0, 0) + before + version


def _version(fixed: tuple[int, int, int, int], texts: Mapping[str, str]) -> bytes:
    numbers = pack("<II", 0xFEEF04BD, 0x10000) + pack("<HHHH", fixed[1], fixed[0], fixed[3], fixed[2]) + bytes(36)
    table = _block("000004b0", b"", *(_block(key, f"{value}\0".encode("utf-16-le"), text=True) for key, value in texts.items()))
    return _block("VS_VERSION_INFO", numbers, _block("StringFileInfo", b"", table, text=True))


def _block(key: str, value: bytes, *within: bytes, text: bool = False) -> bytes:
    head = _padded(6 * b"\0" + f"{key}\0".encode("utf-16-le"))
    whole = _padded(head + value) + b"".join(map(_padded, within))
    return pack("<HHH", len(whole), len(value) // 2 if text else len(value), text) + whole[6:]


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
