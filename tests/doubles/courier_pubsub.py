"""The subscription of Google Pub/Sub, as a courier."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.doubles.courier import Once
from tests.doubles.pubsub_server import SUBSCRIPTION, PubsubServer

LARGEST_BYTES = 10_000_000


class PubsubCourier:
    """The double."""

    name = "pubsub"
    largest = LARGEST_BYTES
    junk = bytes(range(256))
    bearable_seconds = 600.0
    environment: Mapping[str, str] = {}

    def __init__(self, _directory: Path) -> None:
        self._server = PubsubServer()
        self._once = Once()
        self._server.hook = lambda method: method != "Acknowledge" or self._once.passes()
        self._server.start()

    def source(self, registry: str) -> str:
        where = f'subscription: "{SUBSCRIPTION}", endpoint: "{self._server.endpoint}"'
        return f'{{type: pubsub, name: pubsub, registry: "{registry}", {where}}}'

    def publish(self, *bodies: bytes) -> None:
        self._server.publish(*bodies)

    def unsettled(self) -> int:
        main = self._server.main
        with main.lock:
            return len(main.waiting) + len(main.leases)

    def under_way(self) -> int:
        return len(self._server.main.leases)

    def give_up(self) -> None:
        self._server.main.forget_leases()

    def at_acknowledgement(self, do: Callable[[], None]) -> threading.Event:
        return self._once.arm(do)

    def set_clock(self, ahead_seconds: float) -> None:
        self._server.skew_seconds = ahead_seconds

    def kill(self) -> None:
        self._server.kill()

    def start(self) -> None:
        self._server.start()

    def close(self) -> None:
        self._server.kill()
