"""Unpacks a layer piece by piece, whatever its media type says, in bounded steps: a bomb costs time, never memory.

Spec: RFC 1952 (gzip, several members), RFC 8878 (Zstandard, several frames).
"""

from collections.abc import Callable, Iterator
from typing import cast

import zstandard
from isal import igzip_lib, isal_zlib

READ_BYTES = 256 * 1024
# Of what one call to a decompressor may give. Deflate packs 1 032 to 1 at best, so that one read can become 257 MiB. Half a MiB
# still fits the cache of a processor for the search that follows: 1 MiB costs the same, 4 MiB a tenth more.
MAX_OUTPUT_BYTES = 512 * 1024
# Pieces are gathered up to this, so that work per piece does not count however the input is cut.
_GATHERED_BYTES = 256 * 1024
# A gzip member begins with a small step: of an archive with a member per file the rest of a read is not copied for each.
_FIRST_STEP_BYTES = 16 * 1024
# Name and comment have no limit of their own.
_MAX_GZIP_HEADER_BYTES = 256 * 1024
# The window a decoder must offer by RFC 8878 is 8 MiB; `zstd --long` uses 128.
_MAX_WINDOW_BYTES = 128 * 1024 * 1024

_GZIP, _ZSTD, _XZ, _BZIP2 = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\x00", b"BZh"
_SKIPPABLE = b"\x2a\x4d\x18"  # after a byte 0x50 to 0x5f
_DICTIONARY_ID_BYTES = (0, 1, 2, 4)
_CONTENT_SIZE_BYTES = (0, 2, 4, 8)
_RAW, _RLE, _RESERVED = 0, 1, 3

Read = Callable[[int], bytes]
"""At most so many bytes of the input, none only at its end."""


# Its stubs take the exception class for an exception.
_IGZIP_ERROR = cast("type[Exception]", igzip_lib.error)


class DamagedLayerError(Exception):
    """Unpacking cannot go on. `reason` is of low cardinality; what was yielded before stands."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class TrailingBytesError(DamagedLayerError):
    """Everything was unpacked, and then there is something that is no part of it."""


class Input:
    """The compressed bytes, with a step back for looking ahead."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._chunk = b""
        self._at = 0
        self.taken = 0

    def peek(self, count: int) -> bytes:
        """The next `count` bytes without taking them, fewer at the end."""
        while len(self._chunk) - self._at < count:
            more = self._read(READ_BYTES)
            if not more:
                break
            self._chunk, self._at = self._chunk[self._at :] + more, 0
        return self._chunk[self._at : self._at + count]

    def take(self, count: int) -> bytes:
        """The next `count` bytes, fewer at the end."""
        taken = self.peek(count)
        self._at += len(taken)
        self.taken += len(taken)
        return taken

    def some(self, limit: int) -> memoryview:
        """At least one byte and at most `limit`; none at the end."""
        if self._at == len(self._chunk):
            self._chunk, self._at = self._read(READ_BYTES), 0
        taken = memoryview(self._chunk)[self._at : self._at + limit]
        self._at += len(taken)
        self.taken += len(taken)
        return taken

    def give_back(self, count: int) -> None:
        """Undo the taking of the last `count` bytes that `some` gave."""
        self._at -= count
        self.taken -= count

    def drain(self) -> bool:
        """Read to the end; whether there was anything but zeros."""
        clean = True
        while rest := self.some(READ_BYTES):
            clean = clean and not bytes(rest).strip(b"\0")
        return not clean


def plain_pieces(source: Input) -> Iterator[bytes]:
    """The unpacked bytes of a layer, in pieces of at most some MAX_OUTPUT_BYTES and mostly at least a quarter of that.

    Raises:
        DamagedLayerError: `truncated`, `damaged-compression`, `bad-checksum`, `unsupported-compression`.
        TrailingBytesError: `trailing-bytes`, after the last piece.
    """
    parts: list[bytes] = []
    pending = 0
    failure: DamagedLayerError | None = None
    pieces = _unpacked(source)
    while True:
        try:
            piece = next(pieces, None)
        except DamagedLayerError as error:
            failure, piece = error, None
        if piece is None:
            break
        if not parts and len(piece) >= _GATHERED_BYTES:
            yield piece
            continue
        parts.append(piece)
        pending += len(piece)
        if pending >= _GATHERED_BYTES:
            yield b"".join(parts)
            parts, pending = [], 0
    if parts:
        yield b"".join(parts)
    if failure is not None:
        raise failure


def is_compressed(head: bytes) -> bool:
    """Whether a layer that begins like this is unpacked, or should be."""
    return head.startswith((_GZIP, _ZSTD, _XZ, _BZIP2)) or _is_skippable(head)


def _unpacked(source: Input) -> Iterator[bytes]:
    head = source.peek(6)
    if head.startswith(_GZIP):
        return _gunzipped(source)
    if head.startswith(_ZSTD) or _is_skippable(head):
        return _zstd_frames(source)
    for magic, name in ((_XZ, "xz"), (_BZIP2, "bzip2")):
        if head.startswith(magic):
            raise DamagedLayerError("unsupported-compression", f"the layer is compressed with {name}, which no layer may be")
    return _as_it_is(source)


def _as_it_is(source: Input) -> Iterator[bytes]:
    while piece := source.some(MAX_OUTPUT_BYTES):
        yield bytes(piece)


def _gunzipped(source: Input) -> Iterator[bytes]:
    while True:
        _skip_gzip_header(source)
        # Raw deflate with our own check: the library's own loses the last piece of a member whose checksum is wrong.
        member = igzip_lib.IgzipDecompressor(igzip_lib.DECOMP_DEFLATE)
        checksum = length = 0
        step = _FIRST_STEP_BYTES
        while not member.eof:
            taken: bytes | memoryview = b""
            if member.needs_input:
                taken = source.some(step)
                step = READ_BYTES
                if not taken:
                    raise _truncated(source)
            try:
                piece = member.decompress(taken, MAX_OUTPUT_BYTES)
            except _IGZIP_ERROR as error:
                raise DamagedLayerError(
                    "damaged-compression", f"gzip: what is packed is damaged near byte {source.taken}"
                ) from error
            checksum = isal_zlib.crc32(piece, checksum)
            length += len(piece)
            if piece:
                yield piece
        source.give_back(len(member.unused_data))
        trailer = source.take(8)
        if len(trailer) < 8:
            raise _truncated(source)
        if trailer != checksum.to_bytes(4, "little") + (length & 0xFFFFFFFF).to_bytes(4, "little"):
            raise DamagedLayerError("bad-checksum", f"gzip: the checksum before byte {source.taken} is wrong")
        if source.peek(2) != _GZIP:
            _expect_end(source)
            return


def _skip_gzip_header(source: Input) -> None:
    head = source.take(10)
    if len(head) < 10:
        raise _truncated(source)
    flags = head[3]
    if head[2] != 8 or flags & 0xE0:
        raise DamagedLayerError("damaged-compression", f"gzip: an unknown header before byte {source.taken}")
    if flags & 4:
        source.take(int.from_bytes(source.take(2), "little"))
    for flag in (8, 16):  # name, comment: each ends with a zero
        if flags & flag:
            end = source.peek(_MAX_GZIP_HEADER_BYTES).find(b"\0")
            if end < 0:
                raise DamagedLayerError("damaged-compression", f"gzip: a header without an end at byte {source.taken}")
            source.take(end + 1)
    if flags & 2:
        source.take(2)


def _zstd_frames(source: Input) -> Iterator[bytes]:
    while True:
        head = source.peek(4)
        if _is_skippable(head):
            source.take(4)
            size = int.from_bytes(source.take(4), "little")
            while size and (taken := source.some(min(size, READ_BYTES))):
                size -= len(taken)
            if size:
                raise _truncated(source)
        elif head == _ZSTD:
            yield from _zstd_frame(source)
        else:
            _expect_end(source)
            return


def _zstd_frame(source: Input) -> Iterator[bytes]:
    """One frame, block by block: each gives 128 KiB at most, and an end in the middle is seen."""
    header = source.take(5)
    if len(header) < 5:
        raise _truncated(source)
    descriptor = header[4]
    single = descriptor >> 5 & 1
    header += source.take((1 - single) + _DICTIONARY_ID_BYTES[descriptor & 3] + (_CONTENT_SIZE_BYTES[descriptor >> 6] or single))
    frame = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES).decompressobj()
    last = 0
    try:
        if piece := frame.decompress(header):
            yield piece
        while not last:
            block = source.take(3)
            if len(block) < 3:
                raise _truncated(source)
            number = int.from_bytes(block, "little")
            last, kind, size = number & 1, number >> 1 & 3, number >> 3
            size = 1 if kind == _RLE else size
            if kind == _RESERVED or size > 128 * 1024:
                raise DamagedLayerError("damaged-compression", f"zstd: a block that cannot be at byte {source.taken}")
            content = source.take(size)
            if len(content) < size:
                raise _truncated(source)
            if piece := frame.decompress(block + content):
                yield piece
        if descriptor >> 2 & 1 and (piece := frame.decompress(source.take(4))):
            yield piece
    except zstandard.ZstdError as error:
        wrong = "bad-checksum" if last else "damaged-compression"
        what = f"the checksum before byte {source.taken} is wrong" if last else f"a frame is damaged near byte {source.taken}"
        raise DamagedLayerError(wrong, f"zstd: {what}") from error
    if not frame.eof:
        raise _truncated(source)


def _is_skippable(head: bytes) -> bool:
    return head[1:4] == _SKIPPABLE and head[0] & 0xF0 == 0x50


def _expect_end(source: Input) -> None:
    """Zeros are padding, as tapes and some builders leave it."""
    begins = source.taken
    if source.drain():
        detail = f"{source.taken - begins} bytes behind the end of the compressed layer were not looked at"
        raise TrailingBytesError("trailing-bytes", detail)


def _truncated(source: Input) -> DamagedLayerError:
    return DamagedLayerError("truncated", f"the compressed layer ends unfinished at byte {source.taken}")
