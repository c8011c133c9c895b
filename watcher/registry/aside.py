"""Blocking work that is none of the event loop's: programs, SDKs, files on slow disks."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Generic, TypeVar, cast

from watcher.model.errors import AuthenticationError

T = TypeVar("T")


class Aside(Generic[T]):
    """Runs `work` in a thread of its own, one at a time: who asks while it runs waits for the same answer.

    Not the loop's executor: name resolution and everything else that uses it would wait behind a cloud's silence, and the
    process would wait for it at its end.
    """

    def __init__(self, work: Callable[[], T], *, name: str, timeout_seconds: float) -> None:
        self._work = work
        self._name = name
        self._timeout_seconds = timeout_seconds
        self._answer: asyncio.Future[T] | None = None

    async def ask(self) -> T:
        """Raises AuthenticationError when there is no answer in time, and whatever `work` raises."""
        if self._answer is None or self._answer.done():
            self._answer = self._start()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                # Whoever is cancelled leaves the thread to those who ask next.
                return await asyncio.shield(self._answer)
        except TimeoutError as error:
            raise AuthenticationError(f"{self._name}: no answer within {self._timeout_seconds:g} s") from error

    def _start(self) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        answer.add_done_callback(_heard)

        def settle(result: T | None, error: BaseException | None) -> None:
            if answer.done():
                return
            if error is None:
                answer.set_result(cast("T", result))
            else:
                answer.set_exception(error)

        def body() -> None:
            result, failure = None, None
            try:
                result = self._work()
            except BaseException as error:  # noqa: BLE001  carried to the caller, who decides
                failure = error
            # When the loop is closed nobody is left to tell.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(settle, result, failure)

        threading.Thread(target=body, name=self._name[:80], daemon=True).start()
        return answer


def _heard(answer: asyncio.Future[T]) -> None:
    """Look at the error: whoever asked may be gone, and asyncio complains about errors that nobody saw."""
    if not answer.cancelled():
        answer.exception()
