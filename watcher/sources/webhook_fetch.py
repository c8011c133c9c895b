"""Keys and certificates that senders sign with: small files, fetched from addresses that were checked before."""

import asyncio
from collections.abc import Mapping

import aiohttp

from watcher.kit.connector import trusting
from watcher.kit.http_trouble import clause
from watcher.kit.proxies import Proxies
from watcher.kit.through_proxies import through
from watcher.kit.version import VERSION
from watcher.model.errors import RetryableError

# Within the ten seconds that the least patient of the senders that sign waits for our answer.
FETCH_SECONDS = 5.0
# A certificate has 2 KiB, Google's keys have 1.5 KiB.
MAX_BYTES = 256 * 1024


class FetchError(RetryableError):
    """There was no answer, or one without end."""

    reason = "keys-unavailable"


async def fetch(url: str, *, timeout_seconds: float = FETCH_SECONDS) -> tuple[int, Mapping[str, str], bytes]:
    """Status, headers (which compare without case) and body. A redirect is not followed: it is an answer like any other.

    Raises:
        FetchError: no answer within `timeout_seconds`, or more than MAX_BYTES.
    """
    try:
        async with (
            asyncio.timeout(timeout_seconds),
            aiohttp.ClientSession(
                connector=trusting(),
                headers={"User-Agent": f"registry-watcher/{VERSION}"},
                middlewares=(through(Proxies.of_environment()),),
            ) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise FetchError(f"{url}: answered more than {MAX_BYTES} bytes")
            return response.status, response.headers, bytes(body)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise FetchError(f"{url}: {clause(error, timeout_seconds=timeout_seconds)}") from error
