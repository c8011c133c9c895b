"""Blocking work that is none of the event loop's: programs, SDKs, files on slow disks."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from watcher.kit.threads import in_a_thread
from watcher.model.errors import AuthenticationError

T = TypeVar("T")


class Aside(Generic[T]):
    """Runs `work` in a thread of its own, one at a time: who asks while it runs waits for the same answer."""

    def __init__(self, work: Callable[[], T], *, name: str, timeout_seconds: float) -> None:
        self._work = work
        self._name = name
        self._timeout_seconds = timeout_seconds
        self._answer: asyncio.Future[T] | None = None

    async def ask(self) -> T:
        """Raises AuthenticationError when there is no answer in time, and whatever `work` raises."""
        if self._answer is None or self._answer.done():
            self._answer = in_a_thread(self._work, name=self._name[:80])
        try:
            async with asyncio.timeout(self._timeout_seconds):
                # Whoever is cancelled leaves the thread to those who ask next.
                return await asyncio.shield(self._answer)
        except TimeoutError as error:
            raise AuthenticationError(f"{self._name}: no answer within {self._timeout_seconds:g} s") from error
