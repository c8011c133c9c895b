"""What a queue does to those who read it, said in one way: what the faults of all queues are tried with."""

import threading
from collections.abc import Callable, Mapping
from typing import Protocol


class Courier(Protocol):
    """A service that is running, with one source of the dialect `distribution` to read it.

    `largest` is the size of the largest message that it lets through, `junk` a message that is nothing but noise. It bears with a
    clock that is off by `bearable_seconds`. What was published outlives `kill`.
    """

    @property
    def name(self) -> str: ...

    @property
    def largest(self) -> int: ...

    @property
    def junk(self) -> bytes: ...

    @property
    def bearable_seconds(self) -> float: ...

    @property
    def environment(self) -> Mapping[str, str]: ...

    def source(self, registry: str) -> str:
        """An element of `sources`, named like this."""
        ...

    def publish(self, *bodies: bytes) -> None:
        """Returns when the service has all of it."""
        ...

    def unsettled(self) -> int:
        """Messages that were published and not acknowledged, as far as the service knows."""
        ...

    def under_way(self) -> int:
        """Those of them that somebody was given."""
        ...

    def give_up(self) -> None:
        """Who was given something has had it for long enough: it may be given to somebody else."""
        ...

    def at_acknowledgement(self, do: Callable[[], None]) -> threading.Event:
        """When the next acknowledgement arrives `do` is called, once, and the acknowledgement is lost. Then it is set."""
        ...

    def set_clock(self, ahead_seconds: float) -> None:
        """By how much the service's clock is ahead of ours from now on, where it has one."""
        ...

    def end_identity(self) -> None:
        """What the source proves itself with is believed no longer. The next is already where it looks for it, or can be had."""
        ...

    def kill(self) -> None:
        """As a machine that loses power would."""
        ...

    def start(self) -> None:
        """Again, where it was."""
        ...

    def close(self) -> None:
        """For good."""
        ...


class Once:
    """What is to be done at one acknowledgement; `passes` is asked at each, and says whether it gets through."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._do: Callable[[], None] | None = None
        self._done = threading.Event()

    def arm(self, do: Callable[[], None]) -> threading.Event:
        with self._lock:
            self._do, self._done = do, threading.Event()
            return self._done

    def passes(self) -> bool:
        with self._lock:
            do, self._do = self._do, None
            if do is None:
                return True
            do()
            self._done.set()
            return False
