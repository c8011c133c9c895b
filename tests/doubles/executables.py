"""Executables with nothing in them but what compilers and linkers say of themselves."""

from struct import pack

from watcher.inspection.catalogers.native_go import BUILD_INFO, MODULES

_MODULES_END = bytes.fromhex("f932433186182072008242104116d8f2")
BASE = 0x40_0000


def framed(modules: str) -> bytes:
    """A list of modules as Go's linker has it, with lines of `path`, `mod`, `dep`, `=>` and `build`."""
    return MODULES + "".join(f"{line}\n" for line in modules.split("\n") if line).replace(" ", "\t").encode() + _MODULES_END


def _text(text: bytes) -> bytes:
    length, written = len(text), b""
    while length > 0x7F:
        written, length = written + bytes([length & 0x7F | 0x80]), length >> 7
    return written + bytes([length]) + text


def build_info(release: str, modules: bytes) -> bytes:
    """As Go has it since 1.18."""
    return BUILD_INFO + b"\x08\x02" + bytes(16) + _text(release.encode()) + _text(modules)


def elf(content: bytes, *, wide: bool = True, order: str = "<") -> bytes:
    """One segment, all of the file, at BASE."""
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    if wide:
        header = pack(f"{order}HHIQQQIHHHHHH", 2, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
        segment = pack(f"{order}IIQQQQQQ", 1, 5, 0, BASE, BASE, 120 + len(content), 120 + len(content), 4096)
    else:
        header = pack(f"{order}HHIIIIIHHHHHH", 2, 3, 1, 0, 52, 0, 0, 52, 32, 1, 0, 0, 0)
        segment = pack(f"{order}IIIIIIII", 1, 0, BASE, BASE, 84 + len(content), 84 + len(content), 5, 4096)
    return ident + header + segment + content


def pe(content: bytes) -> bytes:
    """One section, all of the file, at BASE."""
    start = b"MZ" + bytes(58) + pack("<I", 64) + b"PE\0\0" + pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, 112, 2)
    optional = pack("<H", 0x20B) + bytes(22) + pack("<Q", BASE) + bytes(80)
    size = 64 + 24 + 112 + 40 + len(content)
    return start + optional + b".data\0\0\0" + pack("<IIII", size, 0, size, 0) + bytes(16) + content


def mach(content: bytes, *, order: str = "<") -> bytes:
    """One segment, all of the file, at BASE, behind a page of nothing."""
    size = 32 + 72 * 2 + len(content)
    header = pack(f"{order}IIIIIIII", 0xFEEDFACF, 0x0100000C, 0, 2, 2, 144, 0, 0)
    nothing = pack(f"{order}II16sQQQQIIII", 0x19, 72, b"__PAGEZERO", 0, 0, 0, 0, 0, 0, 0, 0)
    return header + nothing + pack(f"{order}II16sQQQQIIII", 0x19, 72, b"__TEXT", BASE, size, 0, size, 5, 5, 0, 0) + content


def pointing(start: int, release: bytes, modules: bytes, *, size: int = 8, order: str = "<") -> bytes:
    """What Go had before 1.18, for an executable whose content begins at `start`: texts, the build information, its pointers."""
    letter = order + ("Q" if size == 8 else "I")
    texts = b"runtime." + release + b"sync" + modules
    information = start + len(texts)
    pointers = information + 32
    header = BUILD_INFO + bytes([size, order == ">"]) + pack(letter, BASE + pointers)
    header += pack(letter, BASE + pointers + 2 * size)
    first, second = BASE + start + 8, BASE + start + 8 + len(release) + 4
    return (
        texts
        + header.ljust(32, b"\0")
        + pack(letter, first)
        + pack(letter, len(release))
        + pack(letter, second)
        + pack(letter, len(modules))
    )
