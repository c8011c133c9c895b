"""A proxy of HTTP on loopback: tunnels for CONNECT, forwards for the rest, and finds names that no name server has."""

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(slots=True, kw_only=True)
class ProxyServer:
    """`routes` leads `HOST:PORT`, or `HOST` on any port, to a port of this machine; another name than these is not found.

    `answers` is a status for everything, in place of what was asked.
    """

    routes: Mapping[str, int] = field(default_factory=dict)
    password: str = ""
    answers: int = 0
    port: int = 0
    asked: list[str] = field(default_factory=list)
    serving: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url_with_password(self) -> str:
        return f"http://watcher:{self.password}@127.0.0.1:{self.port}"

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.serving[asyncio.ensure_future(self._serve(reader, writer))] = writer

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").splitlines()
            method, target, _ = head[0].split(" ")
            self.asked.append(f"{method} {target}")
            headers = [line for line in head[1:] if line]
            shown = next((line.partition(": ")[2] for line in headers if line.lower().startswith("proxy-authorization:")), "")
            wanted = base64.b64encode(f"watcher:{self.password}".encode()).decode() if self.password else ""
            place = urlsplit(target if "://" in target else f"//{target}")
            port = self.routes.get(place.netloc) or self.routes.get(place.hostname or "")
            if place.hostname == "127.0.0.1":
                port = place.port
            status = self.answers or (407 if wanted and shown != f"Basic {wanted}" else 0 if port else 502)
            if status or port is None:
                writer.write(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            else:
                await _pass_on(method, target, headers, port, reader, writer)
        await _ended(writer)


async def _pass_on(
    method: str, target: str, headers: list[str], port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    upstream, onward = await asyncio.open_connection("127.0.0.1", port)
    if method == "CONNECT":
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    else:
        kept = [line for line in headers if not line.lower().startswith(("proxy-", "connection:"))]
        path = "/" + target.split("/", 3)[3]
        onward.write("\r\n".join([f"{method} {path} HTTP/1.1", *kept, "Connection: close", "", ""]).encode())
    there = asyncio.ensure_future(_pump(reader, onward))
    try:
        await _pump(upstream, writer)
    finally:
        there.cancel()
        await asyncio.wait({there})
        await _ended(onward)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()


async def _ended(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


@asynccontextmanager
async def proxy_server(
    routes: Mapping[str, int] | None = None, *, password: str = "", answers: int = 0
) -> AsyncIterator[ProxyServer]:
    """Until the block ends, and with it every connection."""
    proxy = ProxyServer(routes=routes or {}, password=password, answers=answers)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for each in proxy.serving:
            each.cancel()
        await asyncio.gather(*proxy.serving, return_exceptions=True)
        for writer in proxy.serving.values():
            await _ended(writer)  # of one that was cancelled before it began
