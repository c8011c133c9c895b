"""Unpacking: every member and frame, every kind of end, and never more at once than a step allows."""

import gzip
import io
import random
from collections.abc import Callable

import pytest
import zstandard

from tests.doubles.image_sources import gzipped
from watcher.inspection.confined.decompress import MAX_OUTPUT_BYTES, DamagedLayerError, Input, TrailingBytesError, plain_pieces

PLAIN = random.Random(1).randbytes(100_000) + b"text " * 100_000
ZSTD = zstandard.ZstdCompressor(write_checksum=True)


def source(raw: bytes, limit: int = 1 << 30) -> Input:
    """At most `limit` bytes a read, as pipes have it."""
    stream = io.BytesIO(raw)
    return Input(lambda count: stream.read(min(count, limit)))


def unpacked(raw: bytes, limit: int = 1 << 30) -> bytes:
    return b"".join(plain_pieces(source(raw, limit)))


def failure(raw: bytes) -> tuple[bytes, str]:
    """What was unpacked before it failed, and the reason."""
    done: list[bytes] = []
    with pytest.raises(DamagedLayerError) as caught:
        for piece in plain_pieces(source(raw)):
            done.append(piece)
    return b"".join(done), caught.value.reason


@pytest.mark.parametrize("limit", [1, 13, 65536])
@pytest.mark.parametrize("pack", [gzipped, ZSTD.compress, bytes])
def test_all_forms_give_the_same_bytes(pack: Callable[[bytes], bytes], limit: int) -> None:
    """gzip, Zstandard or nothing at all, however the input is cut; the media type is not asked."""
    plain = PLAIN[:20_000] + PLAIN[-20_000:]
    assert unpacked(pack(plain), limit) == plain


def test_every_member_and_every_frame_is_unpacked() -> None:
    """An archive of many small members, as eStargz has it, is one stream."""
    parts = [PLAIN[first : first + 9000] for first in range(0, len(PLAIN), 9000)]
    assert unpacked(b"".join(map(gzipped, parts))) == PLAIN
    assert unpacked(b"".join(map(ZSTD.compress, parts))) == PLAIN


def test_gzip_headers_may_have_every_field() -> None:
    """Extra field, name, comment and checksum of the header are passed over."""
    raw = gzipped(PLAIN)
    head = raw[:3] + b"\x1e" + raw[4:10] + b"\x03\0abc" + b"name\0" + b"a comment\0" + b"\0\0"
    assert unpacked(head + raw[10:]) == PLAIN


def test_skippable_frames_are_skipped() -> None:
    """Their content is for others, such as the index of zstd:chunked."""
    skippable = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"hello"
    assert unpacked(skippable + ZSTD.compress(PLAIN) + skippable) == PLAIN


def test_zstd_without_content_size_or_checksum() -> None:
    """As a stream writes it, whose length nobody knew."""
    packer = zstandard.ZstdCompressor(write_checksum=False, write_content_size=False).compressobj()
    assert unpacked(packer.compress(PLAIN) + packer.flush()) == PLAIN


@pytest.mark.parametrize("pack", [gzipped, ZSTD.compress])
def test_zeros_behind_the_end_are_padding(pack: Callable[[bytes], bytes]) -> None:
    """Tapes and some builders leave them."""
    assert unpacked(pack(PLAIN) + bytes(1000)) == PLAIN


@pytest.mark.parametrize("pack", [gzipped, ZSTD.compress])
def test_anything_else_behind_the_end_is_said(pack: Callable[[bytes], bytes]) -> None:
    """All of the layer was unpacked, then comes something that is no part of it; it has been read to its end."""
    given = source(pack(PLAIN) + b"garbage" * 10)
    done: list[bytes] = []
    with pytest.raises(TrailingBytesError, match="70 bytes"):
        done.extend(plain_pieces(given))
    assert given.peek(1) == b""


@pytest.mark.parametrize("pack", [gzipped, ZSTD.compress])
@pytest.mark.parametrize("cut", [1, 5, 9, 1000])
def test_an_input_that_ends_early_is_truncated(pack: Callable[[bytes], bytes], cut: int) -> None:
    """Also within the trailer: the bytes up to there are good, and not all."""
    done, reason = failure(pack(PLAIN)[:-cut])
    assert reason == "truncated"
    assert PLAIN.startswith(done)


@pytest.mark.parametrize("raw", [b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\x28\xb5\x2f\xfd\x24", b"\x50\x2a\x4d\x18\x09\0\0\0ab"])
def test_an_input_that_is_only_a_beginning_is_truncated(raw: bytes) -> None:
    """The magic alone is no layer."""
    assert failure(raw) == (b"", "truncated")


def test_a_wrong_gzip_checksum_is_said_after_all_content() -> None:
    """Everything was unpacked, so everything is handed over; the last piece is not lost."""
    raw = gzipped(PLAIN)
    assert failure(raw[:-8] + b"\0\0\0\0" + raw[-4:]) == (PLAIN, "bad-checksum")
    assert failure(raw[:-4] + b"\0\0\0\0") == (PLAIN, "bad-checksum")


def test_a_wrong_zstd_checksum_is_said_after_all_content() -> None:
    """As with gzip."""
    assert failure(ZSTD.compress(PLAIN)[:-4] + b"\0\0\0\0") == (PLAIN, "bad-checksum")


def test_damage_in_the_middle_ends_it() -> None:
    """What came before the damage is handed over."""
    raw = bytearray(gzipped(PLAIN))
    raw[60_000:60_100] = b"\xff" * 100
    done, reason = failure(bytes(raw))
    assert reason in {"damaged-compression", "bad-checksum", "truncated"}
    assert done[:40_000] == PLAIN[:40_000]


@pytest.mark.parametrize(
    "raw",
    [
        b"\x1f\x8b\x07" + bytes(20),
        b"\x1f\x8b\x08\xe0" + bytes(20),
        b"\x1f\x8b\x08\x08" + bytes(6) + b"x" * 300_000,
        b"\x28\xb5\x2f\xfd\x20\x05" + b"\x07\0\0" + bytes(20),
        b"\x28\xb5\x2f\xfd\x20\x05" + b"\xfd\xff\xff" + bytes(20),
        b"\x28\xb5\x2f\xfd\x23\x05" + bytes(30),
    ],
)
def test_headers_that_cannot_be_are_refused(raw: bytes) -> None:
    """Unknown methods and flags, an endless name, reserved and oversized blocks, a dictionary."""
    assert failure(raw) == (b"", "damaged-compression")


@pytest.mark.parametrize(("magic", "name"), [(b"\xfd7zXZ\0", "xz"), (b"BZh91AY", "bzip2")])
def test_what_no_layer_may_be_compressed_with_is_named(magic: bytes, name: str) -> None:
    """Specifications have gzip and Zstandard; others are refused by name."""
    with pytest.raises(DamagedLayerError, match=name):
        unpacked(magic + bytes(100))


@pytest.mark.parametrize("pack", [gzipped, ZSTD.compress])
def test_a_bomb_comes_in_small_pieces(pack: Callable[[bytes], bytes]) -> None:
    """64 MiB of zeros from a few kilobytes: no piece is larger than a step and what was gathered before it."""
    bomb = pack(bytes(64 * 1024 * 1024))
    sizes = [len(piece) for piece in plain_pieces(source(bomb))]
    assert sum(sizes) == 64 * 1024 * 1024
    assert max(sizes) <= 2 * MAX_OUTPUT_BYTES


def test_small_pieces_are_gathered() -> None:
    """Work per piece does not count, however small the members are."""
    raw = b"".join(gzip.compress(b"x" * 100, 0) for _ in range(20_000))
    assert len(list(plain_pieces(source(raw)))) < 20


def test_an_empty_layer_is_one() -> None:
    """No bytes at all, and nothing compressed."""
    assert unpacked(b"") == b""
    assert unpacked(gzipped(b"")) == b""
    assert unpacked(ZSTD.compress(b"")) == b""
