"""A connection that is made again when it is lost, for many who publish at a time."""

import asyncio
from collections.abc import Callable
from typing import NoReturn

import structlog

from watcher.kit.backoff import Backoff
from watcher.model.errors import ConfigurationError, PermanentError, RetryableError
from watcher.publishing.mqtt_link_connection import Broker, Connection

log = structlog.get_logger(__name__)

BACKOFF = Backoff(first_seconds=1.0, longest_seconds=60.0)
# One that lasted as long was good: what comes after it is a new trouble.
GOOD_SECONDS = 30.0


class Link:
    """To one broker. `broker` reads files: a password that was replaced is that of the next connection."""

    def __init__(self, broker: Callable[[], Broker], *, name: str) -> None:
        self._broker = broker
        self._name = name
        self._connecting = asyncio.Lock()
        self._connection: Connection | None = None
        self._attempts = 0
        self._failure: RetryableError | None = None

    async def connection(self) -> Connection:
        """The one there is, or a new one. All who ask while one is being made share what comes of that.

        Raises:
            RetryableError: there is none now.
        """
        seen = self._attempts
        async with self._connecting:
            if self._connection is not None and not self._connection.is_over:
                return self._connection
            if self._failure is not None and self._attempts != seen:
                raise self._failure
            self._failure = None
            try:
                return await self._connect()
            except RetryableError as error:
                self._failure = error
                raise
            finally:
                self._attempts += 1

    async def keep(self) -> NoReturn:
        """Connect whenever there is no connection, until cancelled: the broker tells others whether we are there."""
        loop, failures = asyncio.get_running_loop(), 0
        while True:
            started = loop.time()
            try:
                connection = await self.connection()
                if failures:
                    log.info("publisher.connected", publisher=self._name)
                problem: RetryableError | PermanentError = await connection.lost()
            except (RetryableError, PermanentError) as error:
                problem = error
            failures = 1 if loop.time() - started > GOOD_SECONDS else failures + 1
            if failures == 1:  # what goes on is told by the publications that fail of it
                log.warning("publisher.disconnected", publisher=self._name, reason=problem.reason, detail=str(problem))
            await asyncio.sleep(BACKOFF.after(failures))

    async def aclose(self) -> None:
        if self._connection is not None:
            await self._connection.close()

    async def _connect(self) -> Connection:
        if self._connection is not None:
            await self._connection.close()
        try:
            broker = await asyncio.to_thread(self._broker)
        except ConfigurationError as error:
            # It was readable at the start; somebody is replacing it.
            raise UnreadableError(str(error)) from error
        self._connection = connection = Connection(broker)
        try:
            await connection.open()
        except BaseException:
            self._connection = None
            await connection.close()
            raise
        return connection


class UnreadableError(RetryableError):
    """A file that we show to the broker, or trust it by, cannot be read now."""

    reason = "broker-files"
