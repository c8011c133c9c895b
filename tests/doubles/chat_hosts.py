"""The hosts of chats as a client sees them through a proxy: their names, TLS and all. Nothing of the client is patched."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.doubles.certificates import Authority
from tests.doubles.proxy_server import proxy_server


@dataclass(frozen=True, kw_only=True)
class Posted:
    """One request as it arrived."""

    host: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


@dataclass
class ChatHosts:
    """Answers everything alike and remembers what it was sent. `held` keeps every answer back until it is set."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    text: str = "ok"
    posted: list[Posted] = field(default_factory=list)
    held: asyncio.Event | None = None
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.posted.append(Posted(host=request.host, path=request.path_qs, headers=headers, body=await request.read()))
        self.arrived.set()
        if self.held is not None:
            await self.held.wait()
        return web.Response(status=self.status, headers=self.headers, text=self.text)


@asynccontextmanager
async def served(hosts: ChatHosts) -> AsyncIterator[TestServer]:
    """By plain HTTP, at an address of its own."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", hosts.take)
    server = TestServer(app)
    await server.start_server()
    try:
        yield server
    finally:
        await server.close()


@asynccontextmanager
async def chat_hosts(folder: Path, monkeypatch: pytest.MonkeyPatch, names: Sequence[str]) -> AsyncIterator[ChatHosts]:
    """Whoever honours HTTPS_PROXY and REQUESTS_CA_BUNDLE reaches `names` here, on any port."""
    hosts = ChatHosts()
    authority = Authority(folder / "authority", hosts=names)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", hosts.take)
    server = TestServer(app, scheme="https")
    await server.start_server(ssl=authority.server_context())
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.path))
    try:
        async with proxy_server(dict.fromkeys(names, server.port or 0)) as proxy:
            for name in ("HTTPS_PROXY", "https_proxy"):
                monkeypatch.setenv(name, proxy.url)
            yield hosts
    finally:
        await server.close()
