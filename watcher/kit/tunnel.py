"""A connection to look at, to where a URL leads: directly, or through the proxy that is meant for it."""

import asyncio
import re
import ssl
from contextlib import suppress

from yarl import URL

from watcher.kit.http_trouble import ProxyError, clause
from watcher.kit.proxies import Proxies, Proxy
from watcher.kit.through_proxies import refusal_of
from watcher.kit.version import VERSION

# What an answer to CONNECT may say before it has said that it has ended.
MAX_HEAD_BYTES = 64 * 1024

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})\b")


async def connect(url: URL, proxies: Proxies, tls: ssl.SSLContext | None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """TLS is spoken to who is behind a proxy. Without `tls` there is no tunnel: the connection is one to the proxy.

    Raises:
        OSError (ssl.SSLError and TimeoutError among them)
        ProxyError: the proxy cannot be reached, or refuses.
    """
    proxy = proxies.of(url)
    if proxy is None:
        return await asyncio.open_connection(url.raw_host, url.port, ssl=tls)
    try:
        reader, writer = await asyncio.open_connection(proxy.url.raw_host, proxy.url.port, limit=MAX_HEAD_BYTES)
    except OSError as error:
        raise ProxyError(f"the proxy {proxy.name} cannot be reached: {clause(error)}") from error
    try:
        if tls is not None:
            await _open_tunnel(url, proxy, reader, writer)
            await writer.start_tls(tls, server_hostname=url.raw_host)
    except BaseException:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        raise
    return reader, writer


def tunnel_head(url: URL, proxy: Proxy) -> bytes:
    """What a proxy is sent to be led to the host and port of `url`. Spec: RFC 9110 section 9.3.6."""
    place = f"{url.host_subcomponent}:{url.port}"
    lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}", f"User-Agent: registry-watcher/{VERSION}"]
    if proxy.authorization is not None:
        lines.append(f"Proxy-Authorization: {proxy.authorization.reveal()}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


async def _open_tunnel(url: URL, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(tunnel_head(url, proxy))
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise ProxyError(f"the proxy {proxy.name} does not answer as one of HTTP") from error
    answer = _STATUS.match(head)
    if answer is None:
        raise ProxyError(f"the proxy {proxy.name} does not answer as one of HTTP")
    if int(answer[1]) != 200:
        raise ProxyError(refusal_of(proxy, int(answer[1])))
