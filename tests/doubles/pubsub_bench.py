"""A source of Google Pub/Sub with a double of the service behind it, and a registry that publishes to its topic."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.doubles.pubsub_server import SUBSCRIPTION, PubsubServer
from tests.doubles.source_bench import BODY
from watcher.sources.condition import UNAVAILABLE
from watcher.sources.patience import HELD_SECONDS
from watcher.sources.protocol import Source
from watcher.sources.pubsub import PubsubSource
from watcher.sources.pubsub_settings import PubsubSourceSettings

# A refusal is seen at once, in the source's health; these are for a source that says that it does not run, and for any other.
ABSENT_SECONDS = 0.1
GIVE_UP_SECONDS = 20.0

DEADLINE_SECONDS = 20.0


def source_at(server: PubsubServer, *, held_seconds: float = HELD_SECONDS, **given: Any) -> PubsubSource:
    """A source named `main` of the double; `given` are further settings."""
    usual: dict[str, Any] = {
        "name": "main",
        "registry": "registry.example.com",
        "subscription": SUBSCRIPTION,
        "endpoint": server.endpoint,
    }
    settings = PubsubSourceSettings(**{**usual, **given})
    return PubsubSource(settings, held_seconds=held_seconds)


async def until(is_true: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not is_true():
        assert time.monotonic() < deadline, "it did not come true"
        await asyncio.sleep(0.005)


class PubsubBench:
    """News is a message; delivered means that it was acknowledged.

    What was not stored is given back, by this source at once, and comes again. It is taken away then, as by a sender who gives up.
    """

    def __init__(self) -> None:
        self.server = PubsubServer()
        self.source: Source  # it needs the server's port

    @asynccontextmanager
    async def open(self) -> AsyncIterator["PubsubBench"]:
        self.server.start()
        try:
            self.source = source_at(self.server, held_seconds=0)
            yield self
        finally:
            self.server.kill()

    async def send(self) -> bool:
        (message_id,) = self.server.publish(BODY)
        acknowledged = await self._is_acknowledged(message_id)
        if not acknowledged:
            self.server.main.drop()
            await until(lambda: not self.server.main.leases)  # the source may have been given it again already
        return acknowledged

    async def _is_acknowledged(self, message_id: str) -> bool:
        before = self.source.health.problem
        absent = before in {"not started", "stopped"}
        try:
            async with asyncio.timeout(ABSENT_SECONDS if absent else GIVE_UP_SECONDS):
                while message_id not in self.server.main.acknowledged:
                    if self.source.health.problem != before and self.source.health.problem.startswith(UNAVAILABLE):
                        return False  # if it was so before, this may still be about another message
                    await asyncio.sleep(0.005)
                return True
        except TimeoutError:
            return False
