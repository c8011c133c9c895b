"""The listening sockets: who is let in, how many at a time, and what is said of those who speak no HTTP."""

import asyncio
import errno
import logging
import resource
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from watcher.api.connections import Connection, Connections
from watcher.api.limits import Limits
from watcher.api.settings import ServerSettings
from watcher.model.errors import BusyError, ConfigurationError

log = structlog.get_logger(__name__)

# So many are accepted before anything else has its turn.
ACCEPTS_AT_ONCE = 32
# Those that wait to be accepted while we have no turn, or no file descriptor.
WAITING_CONNECTIONS = 512
# Until accepting is tried again, when the process or the machine has nothing left to accept with.
SHORTAGE_SECONDS = 0.2


class Listener:
    """Accepts connections on every address of `server.host`. Whoever opens many and says nothing loses his own oldest ones."""

    def __init__(self, server: web.Server, connections: Connections, tls: ssl.SSLContext | None, limits: Limits) -> None:
        self._server = server
        self._connections = connections
        self._tls = tls
        self._limits = limits
        # The other half of the files is for registries, workers and the store.
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._most = max(limits.min_connections, min(files // 2, limits.max_connections))
        self._sockets: list[socket.socket] = []
        self._arriving: set[asyncio.Task[None]] = set()
        self._short = False

    async def open(self, settings: ServerSettings) -> tuple[str, int]:
        """Begin, and give the first address.

        Raises:
            BusyError: somebody else listens on an address.
            ConfigurationError: an address cannot be listened on.
        """
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            for family, kind, protocol, _, address in dict.fromkeys(found):
                self._sockets.append(_listening(family, kind, protocol, address))
        except OSError as error:
            await self.close()
            where = f"{settings.host}:{settings.port}"
            refusal = BusyError if error.errno == errno.EADDRINUSE else ConfigurationError
            raise refusal(f"server: cannot listen on {where}: {error.strerror or error}") from error
        for each in self._sockets:
            loop.add_reader(each, self._accept, loop, each)
        host, port = self._sockets[0].getsockname()[:2]
        return str(host), int(port)

    async def close(self) -> None:
        """Let nobody in any more; who is in stays."""
        loop = asyncio.get_running_loop()
        sockets, self._sockets = self._sockets, []
        for each in sockets:
            loop.remove_reader(each)
            each.close()
        for task in self._arriving:
            task.cancel()
        await asyncio.gather(*self._arriving, return_exceptions=True)

    def _accept(self, loop: asyncio.AbstractEventLoop, listening: socket.socket) -> None:
        for _ in range(ACCEPTS_AT_ONCE):
            try:
                accepted, _ = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._wait(loop, listening, error)
                return
            self._short = False
            accepted.setblocking(False)
            while len(self._connections) >= self._most:
                self._connections.make_room()
            connection = self._connections.add(self._server())
            connection.arriving = task = loop.create_task(self._let_in(connection, accepted), name="connection")
            self._arriving.add(task)
            task.add_done_callback(partial(self._arrived, connection, accepted))

    def _arrived(self, connection: Connection, accepted: socket.socket, task: asyncio.Task[None]) -> None:
        self._arriving.discard(task)
        connection.arriving = None
        if not connection.connected:
            self._connections.forget(connection)
            accepted.close()

    def _wait(self, loop: asyncio.AbstractEventLoop, listening: socket.socket, error: OSError) -> None:
        """Nothing to accept with: who is idle makes room, and who knocks is let in a little later."""
        self._connections.make_room()
        if not self._short:
            log.warning("connections.delayed", reason=errno.errorcode.get(error.errno or 0, "unknown"), open=len(self._connections))
        self._short = True
        loop.remove_reader(listening)
        loop.call_later(SHORTAGE_SECONDS, self._again, loop, listening)

    def _again(self, loop: asyncio.AbstractEventLoop, listening: socket.socket) -> None:
        if listening in self._sockets:
            loop.add_reader(listening, self._accept, loop, listening)

    async def _let_in(self, connection: Connection, accepted: socket.socket) -> None:
        seconds = self._limits.head_seconds if self._tls else None
        try:
            # Who does not take his answer is hung up on by the kernel.
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(self._limits.unread_seconds * 1000))
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection, accepted, ssl=self._tls, ssl_handshake_timeout=seconds, ssl_shutdown_timeout=seconds
            )
        except OSError as error:
            log.debug("connection.refused", reason="tls", detail=f"{error!s:.200}")
            self._connections.counted("tls")


class MalformedLog(logging.LoggerAdapter[logging.Logger]):
    """What aiohttp has to say, but of requests that are no HTTP only that there was one: anybody can send them, at any rate."""

    def __init__(self, logger: logging.Logger, counted: Callable[[str], None]) -> None:
        super().__init__(logger)
        self._counted = counted

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        error = kwargs.get("exc_info")
        if not isinstance(error, HttpProcessingError):
            super().log(level, msg, *args, **kwargs)
            return
        self._counted("malformed")
        log.debug("connection.refused", reason="malformed", detail=type(error).__name__)  # its text may hold a token


def _listening(family: int, kind: int, protocol: int, address: Any) -> socket.socket:
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # 0.0.0.0 is an address of its own
        listening.bind(address)
        listening.listen(WAITING_CONNECTIONS)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening
