"""Connections: how many there may be, for how long they may say nothing, and which one makes room."""

import asyncio
import resource
import ssl

from aiohttp import web

from watcher.api.limits import Limits
from watcher.api.problems import Handler
from watcher.api.settings import ServerSettings
from watcher.model.errors import ConfigurationError

HANDSHAKE_SECONDS = 10.0

OCCUPIED: web.AppKey[dict[web.RequestHandler, None]] = web.AppKey("occupied")
"""Connections whose request is being answered, the longest first."""


@web.middleware
async def occupying(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Outside of everything: keep OCCUPIED."""
    occupied = request.app[OCCUPIED]
    occupied[request.protocol] = None
    try:
        return await handler(request)
    finally:
        del occupied[request.protocol]


async def listen(runner: web.AppRunner, settings: ServerSettings, tls: ssl.SSLContext | None, limits: Limits) -> asyncio.Server:
    """Accept connections, until what is returned is closed. Whoever opens many and says nothing loses his own oldest ones.

    Raises:
        ConfigurationError: the address cannot be listened on.
    """
    server, occupied = runner.server, runner.app.get(OCCUPIED, {})
    assert server is not None
    most = max(limits.min_connections, min(resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2, limits.max_connections))

    def connected() -> asyncio.Protocol:
        crowd = [each for each in server.connections if each.transport is not None]  # oldest first
        if len(crowd) >= most:
            # Closing one that is idle hurts nobody. When all are at it, the one that has been for longest is most likely slow.
            idle = (each for each in crowd if each not in occupied)
            slow = (each for each in occupied if each.transport is not None)
            next(idle, next(slow, crowd[0])).force_close()
        return server()

    try:
        return await asyncio.get_running_loop().create_server(
            connected, settings.host, settings.port, ssl=tls, ssl_handshake_timeout=HANDSHAKE_SECONDS if tls else None
        )
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        raise ConfigurationError(f"server: cannot listen on {where}: {error.strerror or error}") from error
