"""What cargo-auditable writes into Rust programs."""

import json
import random
import zlib

import pytest

from tests.doubles.cataloging import database_of, facts_of
from tests.doubles.executables import build_info, elf, framed
from watcher.inspection.catalogers.native import NativeCataloger
from watcher.inspection.catalogers.protocol import PartlyReadError

cataloger = NativeCataloger()
PATH = "usr/local/bin/tool"


def crate(name: str, version: str = "1.0.0", **fields: object) -> dict[str, object]:
    return {"name": name, "version": version, "source": "crates.io", **fields}


def listed(*crates: object, level: int = 9) -> bytes:
    return zlib.compress(json.dumps({"packages": crates, "format": 3}, separators=(",", ":")).encode(), level)


def found(content: bytes, piece: int = 0) -> list[tuple[str, str]]:
    (database,) = facts_of(cataloger, PATH, content, piece=piece)
    return [(each.name, each.version) for each in database.packages]


def unread(content: bytes) -> str:
    with pytest.raises(PartlyReadError) as raised:
        facts_of(cataloger, PATH, content)
    return str(raised.value)


@pytest.mark.parametrize("level", [0, 1, 6, 9])
@pytest.mark.parametrize("piece", [0, 1, 13])
def test_crates_of_the_program_are_packages(level: int, piece: int) -> None:
    """However they are compressed, and come by."""
    crates = listed(crate("tool", "0.1.0", root=True, source="local"), crate("libc", "0.2.150"), level=level)
    assert found(elf(bytes(9) + crates + b"x\x9c"), piece) == [("tool", "0.1.0"), ("libc", "0.2.150")]


def test_a_crate_has_the_purl_of_the_registry() -> None:
    """And the name that advisories have."""
    database = database_of(cataloger, PATH, elf(listed(crate("serde", "1.0.200+x"))))
    assert database is not None
    (package,) = database.packages
    assert (package.type, package.source, package.purl) == ("cargo", "serde", "pkg:cargo/serde@1.0.200%2Bx")


def test_what_only_the_build_needed_is_not_there() -> None:
    """Nor is it in the program."""
    assert found(elf(listed(crate("cc", kind="build"), crate("libc", kind="runtime")))) == [("libc", "1.0.0")]


def test_a_list_of_a_thousand_crates_is_read() -> None:
    """In blocks of its own codes."""
    draw = random.Random(7)
    names = [f"{draw.getrandbits(64):x}" for _ in range(2000)]
    assert [name for name, _ in found(elf(listed(*map(crate, names))), 997)] == names


def test_go_and_rust_may_be_in_one_file() -> None:
    """As of a library of the one in a program of the other."""
    assert found(elf(build_info("go1.22.1", framed("")) + listed(crate("libc")))) == [("stdlib", "go1.22.1"), ("libc", "1.0.0")]


def test_other_compressed_content_says_nothing() -> None:
    """Executables are full of it, and of bytes that look like it."""
    content = zlib.compress(b'{"other": 1}' * 50) + zlib.compress(b"text" * 99) + b"x\x9c\x8d\x8d" * 99 + b"x\xda\xab\xff"
    assert facts_of(cataloger, PATH, elf(content)) == ()


@pytest.mark.parametrize(
    "content",
    [
        listed(crate("a" * 9000))[:-40],
        listed(*(crate(f"{number:x}") for number in range(9000)))[:-4000] + bytes(4000),
        zlib.compress(b'{"packages":' + b"[" * 100_000),
        zlib.compress(b'{"packages":[' + b" " * 5_000_000),
        zlib.compress(b'{"packages":[{"name":1}]}'),
        zlib.compress(b'{"packages":[{"name":"","version":"1"}]}'),
        zlib.compress(b'{"packages":[{"name":"\xff","version":"1"}]}'),
    ],
)
def test_a_list_that_cannot_be_read_is_no_silence(content: bytes) -> None:
    """It is one by how it begins."""
    assert "of a Rust program was not read" in unread(elf(content))


def test_lists_and_marks_without_end_are_no_silence() -> None:
    """Only so many are looked at."""
    assert "another list" in unread(elf(listed(crate("a")) * 9))
    assert "more marks" in unread(elf(b"x\x9c\x8d\x8d" * 70_000))
