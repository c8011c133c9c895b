"""Layers that are one archive to a runtime that unpacks them, and another to one that takes them as they are."""

import struct
import tarfile
import zlib

import pytest
import zstandard

from tests.doubles.image_sources import gzipped, tar_of
from tests.unit.inspection.test_layer_reader import facts_of, problems
from watcher.inspection.problems import ALL

CLEAN, OTHER = tar_of(("etc/hostname", b"x")), tar_of(("bin/su", b"x"))


def hidden(prefix: bytes, archive: bytes) -> bytes:
    """The archive behind a member whose name is the prefix."""
    block = bytearray(tarfile.TarInfo("x" * len(prefix)).tobuf(tarfile.USTAR_FORMAT))
    block[: len(prefix)] = prefix
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + archive


def gzip_with_extra() -> bytes:
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(CLEAN) + packer.flush() + struct.pack("<II", zlib.crc32(CLEAN), len(CLEAN))
    return hidden(b"\x1f\x8b\x08\x04abcd\x01\xff" + struct.pack("<H", 512 + len(OTHER) - 12), OTHER) + packed


def zstd_behind_a_frame() -> bytes:
    packed = zstandard.ZstdCompressor().compress(CLEAN)
    return hidden(b"\x50\x2a\x4d\x18" + struct.pack("<I", 512 + len(OTHER) - 8), OTHER) + packed


@pytest.mark.parametrize("raw", [gzip_with_extra(), zstd_behind_a_frame()])
def test_a_layer_that_is_two_archives_is_none_that_we_know(raw: bytes) -> None:
    """In the extra field of gzip, or in a frame that is skipped, lies what containerd or podman takes."""
    found = facts_of(raw)
    assert found.files.path == ["etc/hostname"]
    assert problems(found) == [("two-archives", ALL, False)]


def test_a_layer_that_is_one_archive_is_no_doubt() -> None:
    """Compressed or not, with a frame that is skipped or without."""
    skipped = b"\x50\x2a\x4d\x18" + struct.pack("<I", 600) + bytes(600)
    for raw in (CLEAN, gzipped(CLEAN), gzipped(b""), skipped + zstandard.ZstdCompressor().compress(CLEAN)):
        assert problems(facts_of(raw)) == []
