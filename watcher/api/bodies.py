"""The body of a request, read within limits of size and time."""

import asyncio
import hashlib

from aiohttp import ClientError, web

from watcher.api.limits import Limits
from watcher.model.push import EXCERPT_BYTES
from watcher.sources.protocol import Body, BodyUnreadError


async def read_body(request: web.Request, limits: Limits, limit_bytes: int, drains: bool) -> Body:
    """Keep at most `limit_bytes`. What comes after is hashed and dropped, up to `drain_bytes` of `limits` in all, or not read
    unless `drains`.

    Raises:
        BodyUnreadError: `read_seconds` are over, or the connection is. Not the sender's fault for sure: it may be we who are slow.
    """
    if request.content.is_eof() and (request.content_length or 0) <= limit_bytes:
        # It is all here already, as a registry's few kilobytes mostly are: there is nothing to wait for.
        content = request.content.read_nowait()
        if len(content) <= limit_bytes:
            return Body(content=content)
        return _too_large(content, hashlib.sha256(content), len(content), ended=True)
    try:
        async with asyncio.timeout(limits.read_seconds):
            return await _read(request, limit_bytes, limits.drain_bytes if drains else 0)
    except TimeoutError as error:
        raise BodyUnreadError(f"the body did not arrive within {limits.read_seconds:g} s") from error
    except (ClientError, ConnectionError) as error:
        raise BodyUnreadError(f"the body could not be read: {type(error).__name__}") from error


async def _read(request: web.Request, limit_bytes: int, drain_bytes: int) -> Body:
    kept: list[bytes] = []
    size = 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
        kept.append(chunk)
        if size > limit_bytes:
            break
    else:
        return Body(content=b"".join(kept))
    beginning = b"".join(kept)
    hasher = hashlib.sha256(beginning)
    ended = False
    while size <= drain_bytes:
        chunk = await request.content.readany()
        if not chunk:
            ended = True
            break
        size += len(chunk)
        hasher.update(chunk)
    return _too_large(beginning, hasher, size, ended=ended)


def _too_large(beginning: bytes, hasher: "hashlib._Hash", size: int, *, ended: bool) -> Body:
    return Body(content=beginning[:EXCERPT_BYTES], whole_bytes=size, whole_sha256=hasher.hexdigest(), ended=ended)
