"""Signals for a process that takes long to begin: one that comes before anybody can act on it is kept until somebody does.

By itself SIGHUP would end the process, and SIGTERM be lost on one that is the first of its container. Nothing is imported here,
so that this can be the first thing that a process does.
"""

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

_kept: set[int] = set()
_before: dict[int, Any] = {}


def keep(*numbers: signal.Signals) -> None:
    """From now on these end nothing: whoever calls `heard` next is told of those that came."""
    for number in numbers:
        _before[number] = signal.signal(number, _keep)


def let_go(*numbers: signal.Signals) -> None:
    """Those that `keep` has taken are what they were before."""
    for number in numbers:
        if number in _before:
            signal.signal(number, _before.pop(number) or signal.SIG_DFL)


@contextmanager
def heard(loop: "asyncio.AbstractEventLoop", actions: Mapping[signal.Signals, Callable[[], object]]) -> Iterator[None]:
    """While inside, `loop` does what is said for each signal, at once for one that was kept. Afterwards they are what they were.

    Not by the loop itself: when it is closed it gives signals back what they do by themselves, and the process has not ended yet.
    """

    def act(number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(actions[signal.Signals(number)])

    before = {number: signal.signal(number, act) for number in actions}
    try:
        for number, action in actions.items():
            if number in _kept:
                _kept.discard(number)
                action()
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


def _keep(number: int, _frame: FrameType | None) -> None:
    _kept.add(number)
