"""Reading the body of an answer whole, within a bound."""

import aiohttp

from watcher.model.errors import TooLargeError


async def read_body(response: aiohttp.ClientResponse, what: str, limit_bytes: int, *, cut: bool) -> bytes:
    """At most `limit_bytes` of a body; more is a TooLargeError unless `cut`."""
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
