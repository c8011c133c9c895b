"""A source of SQS with moto behind it, and a registry whose events get into its queue."""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from tests.doubles.moto import MotoQueue, isolate_identity, shared_moto
from tests.doubles.source_bench import BODY
from watcher.sources.patience import HELD_SECONDS
from watcher.sources.protocol import Source
from watcher.sources.sqs import SqsSource
from watcher.sources.sqs_settings import SqsSourceSettings

# A source that says that it does not run is given so long to do something nevertheless.
ABSENT_SECONDS = 0.1
DEADLINE_SECONDS = 20.0


def source_at(queue: MotoQueue, *, held_seconds: float = HELD_SECONDS, **given: Any) -> SqsSource:
    """A source named `main` of a queue in moto; `given` are further settings.

    It polls for a second only: moto goes on with a poll whose client has hung up, and takes a message for it. What it gave out in
    an answer that was lost comes again after `visibility_timeout`, before a test gives up. One poll at a time: to two at once moto
    gives the same message now and then.
    """
    usual: dict[str, Any] = {"name": "main", "region": "eu-west-1", "registry": "registry.example.com", "wait": "1s"}
    usual |= {"visibility_timeout": "5s", "receivers": 1}
    return SqsSource(SqsSourceSettings(queue_url=queue.url, **{**usual, **given}), held_seconds=held_seconds)


async def until(is_true: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not is_true():
        assert time.monotonic() < deadline, "it did not come true"
        await asyncio.sleep(0.01)


async def until_counts(queue: MotoQueue, *expected: tuple[int, int]) -> None:
    """Until so many messages can be received, and so many are somebody's."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while (counts := await asyncio.to_thread(queue.counts)) not in expected:
        assert time.monotonic() < deadline, f"{counts} messages, not {expected}"
        await asyncio.sleep(0.02)


class SqsBench:
    """News is a message; delivered means that it was deleted from the queue.

    SQS has no refusal: what was not stored is kept, and then comes again. This source keeps nothing, and this queue gives each
    message out once, so that one which was refused becomes a dead letter, as of a sender who gives up.
    """

    def __init__(self) -> None:
        self.source: Source  # it needs the queue's URL
        self._queue: MotoQueue
        self._dead_letters: MotoQueue

    @asynccontextmanager
    async def open(self) -> AsyncIterator["SqsBench"]:
        self._queue = await asyncio.to_thread(lambda: shared_moto().queue(max_receives=1))
        assert self._queue.dead_letters is not None
        self._dead_letters = self._queue.dead_letters
        with tempfile.TemporaryDirectory() as directory, mock.patch.dict(os.environ, isolate_identity(Path(directory))):
            self.source = source_at(self._queue, held_seconds=0)
            yield self
            await asyncio.to_thread(self._queue.delete)

    async def send(self) -> bool:
        await asyncio.to_thread(self._queue.send, BODY)
        deleted = await asyncio.to_thread(self._is_deleted)
        if not deleted:
            for queue in (self._queue, self._dead_letters):
                await asyncio.to_thread(queue.purge)
        return deleted

    def _is_deleted(self) -> bool:
        absent = self.source.health.problem in {"not started", "stopped"}
        deadline = time.monotonic() + (ABSENT_SECONDS if absent else DEADLINE_SECONDS)
        while time.monotonic() < deadline:
            if self._queue.counts() == (0, 0):
                return self._dead_letters.counts() == (0, 0)
            time.sleep(0.01)
        return False
