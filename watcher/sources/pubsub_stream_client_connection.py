"""Whether there is a connection under a stream."""

import threading
from collections.abc import Callable
from typing import Any

# gRPC tells the first state at once, on a thread that it starts for that.
FIRST_STATE_SECONDS = 5.0


class Connection:
    """Watches one channel for its whole life: gRPC's watch is a thread, and one that starts while the channel is closed dies of it.

    `reached` is called, on any thread, with the number of the stream that was asked for last whenever there is a connection for it.
    """

    def __init__(self, channel: Any, reached: Callable[[int], None]) -> None:
        self._channel = channel
        self._reached = reached
        self._lock = threading.Lock()
        self._number = 0
        self._is_ready = False
        self._is_watched = threading.Event()
        channel.subscribe(self._changed)
        self._is_watched.wait(FIRST_STATE_SECONDS)

    def carries(self, number: int) -> None:
        """A stream was asked for."""
        with self._lock:
            self._number = number
            if self._is_ready:
                self._reached(number)

    def close(self) -> None:
        """Before the channel is closed."""
        self._channel.unsubscribe(self._changed)

    def _changed(self, state: Any) -> None:
        self._is_watched.set()
        with self._lock:
            self._is_ready = state.name == "READY"
            if self._is_ready and self._number:
                self._reached(self._number)
