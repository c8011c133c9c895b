"""Connections from the moment they are accepted: how long each may take to say what it wants, and which one makes room."""

import asyncio
from collections.abc import Callable
from typing import cast

from aiohttp import web

from watcher.api.limits import Limits
from watcher.api.problems import Handler

# What had arrived already when the time was over is still read: it may be we who were slow.
GRACE_SECONDS = 0.1


class Connection(asyncio.Protocol):
    """Hands everything on to `requests`. One that takes longer than `head_seconds` for the head of a request is ended.

    The time begins when it is connected, and again with the first byte after an answer; for how long it may say nothing between
    two requests is up to `requests`.
    """

    def __init__(self, requests: web.RequestHandler, connections: "Connections") -> None:
        self.requests = requests
        self.answering = False
        self.arriving: asyncio.Task[None] | None = None  # until there is a transport: TLS takes its time
        self._connections = connections
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def connected(self) -> bool:
        return self._transport is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._expect_request()
        self.requests.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if not self.answering and self._timer is None:
            self._expect_request()
        self.requests.data_received(data)

    def eof_received(self) -> bool | None:
        self.requests.eof_received()
        return None

    def pause_writing(self) -> None:
        self.requests.pause_writing()

    def resume_writing(self) -> None:
        self.requests.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_nothing()
        self._connections.forget(self)
        self.requests.connection_lost(exc)

    def begin_answer(self) -> None:
        self.answering = True
        self._expect_nothing()

    def end_answer(self) -> None:
        self.answering = False

    def abort(self) -> None:
        """Hang up, whatever is still to be sent: who does not read would never let us."""
        self._expect_nothing()
        self._connections.forget(self)
        if self._transport is not None:
            self._transport.abort()
        elif self.arriving is not None:
            self.arriving.cancel()

    def _expect_request(self) -> None:
        loop, seconds = asyncio.get_running_loop(), self._connections.limits.head_seconds
        self._timer = loop.call_later(seconds, self._overdue, loop)

    def _overdue(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(GRACE_SECONDS, self._connections.end, self, "silent")

    def _expect_nothing(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Connections:
    """All that are open, and those whose request is being answered.

    `counted` is told why a connection was ended by us: `silent` or `crowded`.
    """

    def __init__(self, limits: Limits, counted: Callable[[str], None]) -> None:
        self.limits = limits
        self.counted = counted
        self._open: dict[web.RequestHandler, Connection] = {}  # the oldest first
        self._answering: dict[web.RequestHandler, Connection] = {}  # the longest first

    def __len__(self) -> int:
        return len(self._open)

    def add(self, requests: web.RequestHandler) -> Connection:
        connection = self._open[requests] = Connection(requests, self)
        return connection

    def forget(self, connection: Connection) -> None:
        self._open.pop(connection.requests, None)
        self._answering.pop(connection.requests, None)

    def end(self, connection: Connection, why: str) -> None:
        self.counted(why)
        connection.abort()

    def make_room(self) -> None:
        """End one. One that is idle hurts nobody; when all are being answered, the longest of them is most likely slow."""
        idle = (each for each in self._open.values() if not each.answering)
        victim = next(idle, None) or next(iter(self._answering.values()), None)
        if victim is not None:
            self.end(victim, "crowded")

    @web.middleware
    async def answering(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Outside of everything: know which connections are being answered."""
        connection = self._open.get(request.protocol)
        if connection is None:
            return await handler(request)
        connection.begin_answer()
        self._answering[request.protocol] = connection
        try:
            return await handler(request)
        finally:
            connection.end_answer()
            self._answering.pop(request.protocol, None)
