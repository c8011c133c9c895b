"""An event loop whose time jumps to whatever is due next, so that a minute of waiting takes none."""

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any


class _Jumping(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        # What is ready goes first. Without a timeout only another thread can bring news, and that takes real time.
        ready = super().select(timeout if timeout is None else 0)
        if not ready and timeout is not None:
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """`time()` begins at 0."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def virtual_time(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run an asynchronous test in a loop of its own whose time is virtual. Its fixtures must not be asynchronous."""

    @wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        async def body() -> None:
            await test(*arguments, **named)

        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(body())

    return run


def now() -> float:
    """Seconds since the loop began."""
    return asyncio.get_running_loop().time()
