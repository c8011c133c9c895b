"""A blob that a proxy has gzipped on the way, although we ask for none of that: read as it was stored. A part of `blobs.py`."""

import http.client
import zlib

from watcher.registry.pipes import CHUNK_BYTES

# A header of gzip without a name, and the first bytes after it.
PEEK_BYTES = 64
_GZIP_BITS = 31
_MAGIC = b"\x1f\x8b"


def is_wrapped(response: http.client.HTTPResponse, size: int, media_type: str) -> bool:
    """Whether gzip was applied to a blob of `size` bytes, and is not just what somebody calls it.

    Its length says that; where none is announced, how it begins: what is stored in gzip is gzip in gzip then.
    """
    if response.headers.get("Content-Encoding", "").strip().lower() not in {"gzip", "x-gzip"} or response.length == size:
        return False
    begins = response.peek(PEEK_BYTES)
    if response.length is not None or not media_type.endswith("gzip"):
        return begins.startswith(_MAGIC)
    try:
        return zlib.decompressobj(_GZIP_BITS).decompress(begins, len(_MAGIC)) == _MAGIC
    except zlib.error:
        return False


class Unwrapped:
    """Its bytes, read like those of an answer without a length: whoever reads them knows how many there should be."""

    length: int | None = None

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._response = response
        self._inflater = zlib.decompressobj(_GZIP_BITS)

    def readinto(self, buffer: memoryview, /) -> int:
        """Raises HTTPException for what is no gzip after all."""
        while not self._inflater.eof:
            wrapped = self._inflater.unconsumed_tail or self._response.read(CHUNK_BYTES)
            if not wrapped:
                break
            try:
                piece = self._inflater.decompress(wrapped, len(buffer))
            except zlib.error as error:
                raise http.client.HTTPException("damaged gzip") from error
            if piece:
                buffer[: len(piece)] = piece
                return len(piece)
        return 0
