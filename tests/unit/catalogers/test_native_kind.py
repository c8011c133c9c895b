"""Programs and libraries, both of which may be executable files."""

from pathlib import Path
from struct import pack

import pytest

from watcher.inspection.catalogers.native_kind import KIND_BYTES, is_library


def elf(kind: int, *segments: int, wide: bool = True, order: str = "<") -> bytes:
    identity = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2]) + bytes(10)
    table, size = (64, 56) if wide else (52, 32)
    words = pack(order + ("HHIQQQIHHH" if wide else "HHIIIIIHHH"), kind, 62, 1, 0, table, 0, 0, table, size, len(segments))
    header = (identity + words).ljust(table, b"\0")
    return header + b"".join(pack(order + "I", each).ljust(size, b"\0") for each in segments) + bytes(64)


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_library_names_no_interpreter(wide: bool, order: str) -> None:
    """A program that may be anywhere in memory is a shared object as well, and names one."""
    assert is_library(elf(3, 1, 2, wide=wide, order=order))
    assert not is_library(elf(3, 6, 3, 1, wide=wide, order=order))
    assert not is_library(elf(2, 1, wide=wide, order=order))


@pytest.mark.parametrize("content", [b"", b"\x7fELF", elf(3, 1)[:64], elf(3, *[1] * 65), b"MZ" + bytes(99), bytes(KIND_BYTES)])
def test_what_cannot_be_told_is_a_program(content: bytes) -> None:
    """It is listed rather than passed over."""
    assert not is_library(content)


def test_those_of_this_machine_are_what_they_are() -> None:
    """As the linker of its distribution makes them."""
    assert not is_library(Path("/bin/sh").resolve().read_bytes()[:KIND_BYTES])
    library = next(Path("/usr/lib").rglob("libz.so.*")).resolve()
    assert is_library(library.read_bytes()[:KIND_BYTES])
