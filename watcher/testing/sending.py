"""How the in-memory registry sends a blob or a manifest: whole or in part, and with the faults it was told to have.

Spec: OCI distribution-spec v1.1, "Pulling blobs"; RFC 9110 section 14, of which one range of bytes at a time is understood.
"""

import asyncio
import re
from collections.abc import Mapping

from aiohttp import web

from watcher.testing.content import RefusedError
from watcher.testing.faults import Fault

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


async def send(request: web.Request, content: bytes, headers: Mapping[str, str], fault: Fault) -> web.StreamResponse:
    """Answer GET or HEAD with `content`, honouring `Range`, and doing what `fault` says. Raises RefusedError."""
    if fault.corrupt:
        content = content[:-1] + bytes([content[-1] ^ 1])
    sent, total = dict(headers), len(content)
    span = None if fault.ignore_range else _span(request.headers.get("Range", ""), total)
    body = memoryview(content)
    if span is not None:
        sent["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{total}"
        body = body[span.start : span.stop]
    response = web.StreamResponse(status=200 if span is None else 206, headers=sent)
    response.content_length = len(body)
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    if fault.cut_after is not None:
        await response.write(body[: fault.cut_after])
        if request.transport is not None:
            request.transport.close()
        return response
    if fault.stall_seconds:
        await response.write(body[: len(body) // 2])
        body = body[len(body) // 2 :]
        await asyncio.sleep(fault.stall_seconds)
    for position in range(0, len(body), 1 << 16):
        await response.write(body[position : position + (1 << 16)])
    await response.write_eof()
    return response


def _span(asked: str, total: int) -> range | None:
    """The bytes asked for; None for all of them, also where the header is of another kind. Raises RefusedError with 416."""
    matched = _RANGE.fullmatch(asked)
    if matched is None or not (matched[1] or matched[2]):
        return None
    if matched[1]:
        span = range(int(matched[1]), min(int(matched[2]) + 1, total) if matched[2] else total)
    else:
        span = range(max(total - int(matched[2]), 0), total)
    if not span:
        raise RefusedError(416, "RANGE_INVALID", "invalid content range", {"Content-Range": f"bytes */{total}"})
    return span
