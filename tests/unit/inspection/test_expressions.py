"""What hyperscan compiled is read back by the next process, and only where it is what would be compiled."""

import sys
from pathlib import Path

import hyperscan
import pytest

from watcher.inspection.expressions import Expression, compiled, kept

DOGS: list[Expression] = [(7, rb"dog[0-9]", 0), (8, rb"wolf", hyperscan.HS_FLAG_CASELESS)]
CATS: list[Expression] = [(7, rb"cat[0-9]", 0)]
MODES = (hyperscan.HS_MODE_BLOCK, hyperscan.HS_MODE_STREAM)


@pytest.fixture
def byte_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this process keeps byte code."""
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path / "byte code"))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    return tmp_path / "byte code"


def found(database: hyperscan.Database, mode: int = hyperscan.HS_MODE_BLOCK) -> list[tuple[int, int]]:
    hits: list[tuple[int, int]] = []

    def matched(number: int, _begin: int, end: int, _flags: int, _context: object) -> None:
        hits.append((number, end))

    if mode == hyperscan.HS_MODE_BLOCK:
        database.scan(b"dog1 cat2 WOLF", match_event_handler=matched)
    else:
        with database.stream(match_event_handler=matched) as stream:
            stream.scan(b"dog1 cat2 W")
            stream.scan(b"OLF")
    return hits


def files(byte_code: Path) -> list[Path]:
    return [path for path in byte_code.rglob("*") if path.is_file()]


@pytest.mark.parametrize("mode", MODES)
def test_what_is_read_back_finds_what_was_compiled(byte_code: Path, mode: int) -> None:
    first = found(kept("animals", mode, DOGS), mode)
    (file,) = files(byte_code)
    written = file.stat()
    again = found(kept("animals", mode, DOGS), mode)
    assert first == again == [(7, 4), (8, 14)]
    assert file.stat().st_mtime_ns == written.st_mtime_ns, "it was not made again"
    assert file.stat().st_ino == written.st_ino


def test_it_is_what_is_kept_that_is_used(byte_code: Path) -> None:
    kept("animals", hyperscan.HS_MODE_BLOCK, DOGS)
    (file,) = files(byte_code)
    head = len(file.read_bytes()) - len(hyperscan.dumpb(compiled(hyperscan.HS_MODE_BLOCK, DOGS)))
    file.write_bytes(file.read_bytes()[:head] + hyperscan.dumpb(compiled(hyperscan.HS_MODE_BLOCK, CATS)))
    assert found(kept("animals", hyperscan.HS_MODE_BLOCK, DOGS)) == [(7, 9)]


def test_other_expressions_or_another_mode_replace_it(byte_code: Path) -> None:
    kept("animals", hyperscan.HS_MODE_BLOCK, DOGS)
    assert found(kept("animals", hyperscan.HS_MODE_BLOCK, CATS)) == [(7, 9)]
    stream = hyperscan.HS_MODE_STREAM
    assert found(kept("animals", stream, CATS), stream) == [(7, 9)]
    assert len(files(byte_code)) == 1


@pytest.mark.parametrize("keep", [0, 1, 31, 32, 33, 100, -1])
def test_what_is_cut_is_compiled_again_and_mended(byte_code: Path, keep: int) -> None:
    kept("animals", hyperscan.HS_MODE_BLOCK, DOGS)
    (file,) = files(byte_code)
    whole = file.read_bytes()
    file.write_bytes(whole[:keep])
    assert found(kept("animals", hyperscan.HS_MODE_BLOCK, DOGS)) == [(7, 4), (8, 14)]
    assert file.read_bytes() == whole


def test_any_damaged_byte_is_compiled_again_and_mended(byte_code: Path) -> None:
    kept("animals", hyperscan.HS_MODE_BLOCK, DOGS)
    (file,) = files(byte_code)
    whole = file.read_bytes()
    for at in range(0, len(whole), 37):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        assert found(kept("animals", hyperscan.HS_MODE_BLOCK, DOGS)) == [(7, 4), (8, 14)]
    assert files(byte_code) == [file], "nothing is left beside it"


def test_without_byte_code_nothing_is_written(byte_code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert found(kept("animals", hyperscan.HS_MODE_BLOCK, DOGS)) == [(7, 4), (8, 14)]
    assert files(byte_code) == []


def test_where_nothing_can_be_written_it_is_compiled(byte_code: Path) -> None:
    byte_code.write_text("a file, where a folder would have to be")
    assert found(kept("animals", hyperscan.HS_MODE_BLOCK, DOGS)) == [(7, 4), (8, 14)]
