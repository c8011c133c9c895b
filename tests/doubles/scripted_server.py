"""An HTTP server on loopback whose answers a test writes, and which keeps what it was asked."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True, kw_only=True)
class Asked:
    """One request as it came; `form` is empty for what is no form."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    form: dict[str, str]


@dataclass(slots=True, kw_only=True)
class ScriptedServer:
    host: str
    url: str
    asked: list[Asked] = field(default_factory=list)

    def count(self, path: str) -> int:
        return sum(each.path == path for each in self.asked)


@asynccontextmanager
async def scripted_server(answer: Answer, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[ScriptedServer]:
    """Until the block ends."""
    server = ScriptedServer(host="", url="")

    async def handle(request: web.Request) -> web.StreamResponse:
        form: dict[str, Any] = dict(await request.post())
        headers = {name.lower(): value for name, value in request.headers.items()}
        # As it was sent: what is encoded twice would look as if it were once.
        path = request.raw_path.partition("?")[0]
        server.asked.append(Asked(method=request.method, path=path, query=dict(request.query), headers=headers, form=form))
        return await answer(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    server.host = f"127.0.0.1:{runner.addresses[0][1]}"
    server.url = f"{'https' if tls else 'http'}://{server.host}"
    try:
        yield server
    finally:
        await runner.cleanup()
