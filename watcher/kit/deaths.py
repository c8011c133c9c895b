"""Processes of ours that others end or stop, and how often one died over the same thing: by chance, or because of it."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Nobody sends these to himself: an operator does, a supervisor, or the kernel when memory is short.
_KILLING = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT})
# Things of which it is known that something died over them. Forgetting one costs a few more tries.
_KEPT = 1000
# A process that is stopped at two looks in a row is not about to go on. At one it may be: when all of us were stopped together.
LOOK_SECONDS = 5.0
# Of the time between two looks; less than this and a process has waited.
_BUSY_SHARE = 0.1


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
    idle: Callable[[], None] = lambda: None,
    return_when: str = asyncio.ALL_COMPLETED,
    look_seconds: float = LOOK_SECONDS,
) -> None:
    """`asyncio.wait` for what the process `pid` does. When somebody has stopped it `end` is called, which must end it.

    `idle` is called at each look before which it did next to nothing: it waits for something.
    """
    before = _Look()
    while True:
        done, pending = await asyncio.wait(futures, timeout=look_seconds, return_when=return_when)
        if not pending or (done and return_when == asyncio.FIRST_COMPLETED):
            return
        now = _look(pid)
        if before.stopped and now.stopped:
            end()
        elif now.cpu_seconds - before.cpu_seconds < look_seconds * _BUSY_SHARE:
            idle()
        before = now


@dataclass(frozen=True, slots=True)
class _Look:
    stopped: bool = False
    cpu_seconds: float = 0.0


def _look(pid: int) -> _Look:
    """See proc(5)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return _Look()  # gone
    fields = stat.rpartition(") ")[2].split()
    return _Look(fields[0] in ("T", "t"), (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))
