"""Processes of ours that others end or stop, and how often one died over the same thing: by chance, or because of it."""

import asyncio
import signal
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

# Nobody sends these to himself: an operator does, a supervisor, or the kernel when memory is short.
_KILLING = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT})
# Things of which it is known that something died over them. Forgetting one costs a few more tries.
_KEPT = 1000
# A process that is stopped at two looks in a row is not about to go on. At one it may be: when all of us were stopped together.
LOOK_SECONDS = 5.0


def is_killed(exit_code: int) -> bool:
    """Whether somebody else ended a process; the code of one that a signal ended is the signal's number, negative."""
    return -exit_code in _KILLING


class Deaths:
    """Counts by key, until something survives it."""

    def __init__(self) -> None:
        self._counted: Counter[str] = Counter()

    def count(self, key: str) -> int:
        """One more; how many that makes in a row."""
        self._counted[key] += 1
        if len(self._counted) > _KEPT:
            del self._counted[next(iter(self._counted))]
        return self._counted[key]

    def survived(self, key: str) -> None:
        self._counted.pop(key, None)


async def wait_unless_stopped(
    futures: Collection[asyncio.Future[Any]],
    *,
    pid: int,
    end: Callable[[], None],
    return_when: str = asyncio.ALL_COMPLETED,
    look_seconds: float = LOOK_SECONDS,
) -> None:
    """`asyncio.wait` for what the process `pid` does. When somebody has stopped it `end` is called, which must end it."""
    stopped = False
    while True:
        done, pending = await asyncio.wait(futures, timeout=look_seconds, return_when=return_when)
        if not pending or (done and return_when == asyncio.FIRST_COMPLETED):
            return
        before, stopped = stopped, _is_stopped(pid)
        if before and stopped:
            end()


def _is_stopped(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False  # gone
    return stat.rpartition(") ")[2].startswith(("T", "t"))
