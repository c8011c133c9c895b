"""Threads of one's own for what blocks: programs, SDKs, files on slow disks.

Not the loop's executor: a few long calls would fill it, name resolution would wait behind them, and the process would wait for
them at its end.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeVar, cast

T = TypeVar("T")


class Threads:
    """`count` threads that take work in its order. They are daemons: one that hangs keeps no process alive."""

    def __init__(self, count: int, *, name: str) -> None:
        self._count = count
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        for number in range(count):
            threading.Thread(target=_run, args=(self._work,), name=f"{name}-{number}", daemon=True).start()

    def call(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """What `work` returns or raises. Cancelling the future does not stop the work."""
        answer, body = _answered(work)
        self._work.put(body)
        return answer

    def close(self) -> None:
        """Each thread ends after the work that waits now; nobody waits for it."""
        for _ in range(self._count):
            self._work.put(None)


def in_a_thread(work: Callable[[], T], *, name: str) -> asyncio.Future[T]:
    """What `work` returns or raises, run once in a thread of its own. Cancelling the future does not stop the work."""
    answer, body = _answered(work)
    threading.Thread(target=body, name=name, daemon=True).start()
    return answer


def _answered(work: Callable[[], T]) -> tuple[asyncio.Future[T], Callable[[], None]]:
    """A future of this loop, and what settles it from another thread."""
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
            result = work()
        except BaseException as error:  # noqa: BLE001  carried to the caller, who decides
            failure = error
        # When the loop is closed nobody is left to tell.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, result, failure)

    return answer, body


def _run(work: SimpleQueue[Callable[[], None] | None]) -> None:
    while (body := work.get()) is not None:
        body()
        del body  # or it keeps its last answer alive until the next


def _heard(answer: asyncio.Future[T]) -> None:
    """Look at the error: whoever asked may be gone, and asyncio complains about errors that nobody saw."""
    if not answer.cancelled():
        answer.exception()
