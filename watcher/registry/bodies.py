"""Reading the body of an answer whole, within a bound, and without what a proxy has wrapped it in."""

import zlib
from collections.abc import Sequence

import aiohttp

from watcher.model.errors import TooLargeError

# Each for itself within the bound; nobody encodes more often.
MAX_ENCODINGS = 3
# Of gzip, which are written one after the other where an answer is compressed piece by piece.
MAX_MEMBERS = 100
GZIP_BITS, _ZLIB_BITS, _RAW_BITS = 31, 15, -15
# What is called deflate is meant to be zlib's, and by some is not.
_BITS = {"gzip": (GZIP_BITS,), "x-gzip": (GZIP_BITS,), "deflate": (_ZLIB_BITS, _RAW_BITS)}


async def read_body(response: aiohttp.ClientResponse, what: str, limit_bytes: int, *, cut: bool) -> bytes:
    """At most `limit_bytes` of a body, as they came; more is a TooLargeError unless `cut`."""
    length = response.content_length
    if length is not None and length > limit_bytes and not cut and response.method != "HEAD":
        raise TooLargeError(f"{what}: {length} bytes, at most {limit_bytes} are read")
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > limit_bytes:
            if not cut:
                raise TooLargeError(f"{what}: more than {limit_bytes} bytes")
            return bytes(body[:limit_bytes])
    return bytes(body)


def decoded(body: bytes, encodings: Sequence[str], limit_bytes: int) -> bytes:
    """A body without its `Content-Encoding`s, given by the headers of that name in order.

    We ask for none, and some proxies apply one all the same; some registries write what a blob is stored as. So a body that is not
    encoded as it says, or more than `limit_bytes` then, is given as it is: who has a digest compares both.
    """
    named = encodings_of(encodings)
    if len(named) > MAX_ENCODINGS:
        return body
    found = body
    for name in reversed(named):
        inflated = [each for bits in _BITS.get(name, ()) if (each := _inflated(found, bits, limit_bytes)) is not None]
        if not inflated:
            return body
        found = inflated[0]
    return found


def encodings_of(headers: Sequence[str]) -> list[str]:
    """What the headers of that name say, in order, without what says nothing."""
    return [name for each in ",".join(headers).lower().split(",") if (name := each.strip()) not in {"", "identity"}]


def _inflated(body: bytes, bits: int, limit_bytes: int) -> bytes | None:
    """None of what is no such stream from its beginning to its end, or is too long."""
    found = b""
    for _ in range(MAX_MEMBERS if bits == GZIP_BITS else 1):
        inflater = zlib.decompressobj(bits)
        try:
            found += inflater.decompress(body, limit_bytes + 1 - len(found))
        except zlib.error:
            return None
        body = inflater.unused_data
        if not inflater.eof or len(found) > limit_bytes:
            return None
        if not body:
            return found
    return None
