"""A blob that a proxy has gzipped on the way, although we ask for none of that: read as it was stored. A part of `blobs.py`."""

import http.client
import zlib
from dataclasses import dataclass

from watcher.registry.bodies import GZIP_BITS, MAX_MEMBERS, encodings_of
from watcher.registry.pipes import CHUNK_BYTES

# A header of gzip without a name, and the first bytes after it.
BEGINNING_BYTES = 64
_MAGIC = b"\x1f\x8b"
_GZIP = (["gzip"], ["x-gzip"])


def body_of(response: http.client.HTTPResponse, size: int, media_type: str) -> "http.client.HTTPResponse | Begun | Unwrapped":
    """What to read a blob of `size` bytes from: unwrapped where gzip was applied to it, and is not just what somebody calls it.

    Its length says that; where none is announced, how it begins: what is stored in gzip is gzip in gzip then.
    """
    length = response.length
    if response.status != 200 or length == size or encodings_of(response.headers.get_all("Content-Encoding", [])) not in _GZIP:
        return response
    # What has arrived may end within the first header; this waits for more.
    beginning = response.read(BEGINNING_BYTES)
    is_gzip = length is not None or not media_type.endswith("gzip")
    is_wrapped = beginning.startswith(_MAGIC) if is_gzip else _inflates_to_gzip(beginning)
    return Unwrapped(response, beginning) if is_wrapped else Begun(response, length, beginning)


def _inflates_to_gzip(beginning: bytes) -> bool:
    try:
        return zlib.decompressobj(GZIP_BITS).decompress(beginning, len(_MAGIC)) == _MAGIC
    except zlib.error:
        return False


@dataclass(slots=True)
class Begun:
    """An answer whose beginning was read. `length`: of all of it in bytes, where it was announced."""

    response: http.client.HTTPResponse
    length: int | None
    beginning: bytes

    def readinto(self, buffer: memoryview, /) -> int:
        if not self.beginning:
            return self.response.readinto(buffer)
        piece, self.beginning = self.beginning[: len(buffer)], self.beginning[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)


class Unwrapped:
    """Its bytes, read like those of an answer without a length: whoever reads them knows how many there should be."""

    length: int | None = None

    def __init__(self, response: http.client.HTTPResponse, beginning: bytes) -> None:
        self._response = response
        self._wrapped = beginning
        self._inflater = zlib.decompressobj(GZIP_BITS)
        self._members = 1

    def readinto(self, buffer: memoryview, /) -> int:
        """Raises HTTPException for what is no gzip after all."""
        while True:
            wrapped = self._wrapped or self._response.read(CHUNK_BYTES)
            if self._inflater.eof:
                if len(wrapped) < len(_MAGIC):
                    wrapped += self._response.read(CHUNK_BYTES)
                if not wrapped.startswith(_MAGIC) or self._members >= MAX_MEMBERS:
                    return 0
                self._inflater, self._members = zlib.decompressobj(GZIP_BITS), self._members + 1
            if not wrapped:
                return 0
            try:
                piece = self._inflater.decompress(wrapped, len(buffer))
            except zlib.error as error:
                raise http.client.HTTPException("damaged gzip") from error
            self._wrapped = self._inflater.unconsumed_tail or self._inflater.unused_data
            if piece:
                buffer[: len(piece)] = piece
                return len(piece)
