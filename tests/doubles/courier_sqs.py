"""The queue of Amazon SQS, as a courier."""

import threading
from collections.abc import Callable
from pathlib import Path

from tests.doubles.courier import Once
from tests.doubles.moto import REGION, isolate_identity
from tests.doubles.sqs_server import LARGEST_BYTES, SIGNATURE_MINUTES, SqsServer


class SqsCourier:
    """The double; with `seed` it leaves order to chance, and hands some messages out twice."""

    name = "sqs"
    largest = LARGEST_BYTES
    junk = "\N{NULL}\N{REPLACEMENT CHARACTER}\N{GRINNING FACE}".encode()  # a text all the same
    bearable_seconds = 60.0 * SIGNATURE_MINUTES - 10

    def __init__(self, directory: Path, *, seed: int | None = None) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        identity = isolate_identity(directory)
        self._credentials = Path(identity["AWS_SHARED_CREDENTIALS_FILE"])
        self._write_key("first")
        self.environment = {name: value for name, value in identity.items() if "KEY" not in name}
        self._server = SqsServer(duplicates=0.05, seed=seed)
        self._once = Once()
        self._server.hook = lambda operation, _asked: operation != "DeleteMessageBatch" or self._once.passes()
        self._server.start()

    def source(self, registry: str) -> str:
        return f'{{type: sqs, name: sqs, registry: "{registry}", queue_url: "{self._server.url}", region: {REGION}}}'

    def publish(self, *bodies: bytes) -> None:
        self._server.send(*bodies)

    def unsettled(self) -> int:
        return sum(self._server.counts())

    def under_way(self) -> int:
        return self._server.counts()[1]

    def give_up(self) -> None:
        self._server.ask(lambda queue: queue.show())

    def at_acknowledgement(self, do: Callable[[], None]) -> threading.Event:
        return self._once.arm(do)

    def set_clock(self, ahead_seconds: float) -> None:
        self._server.skew_seconds = ahead_seconds

    def end_identity(self) -> None:
        """A key; the next is in the SDK's file."""
        self._write_key("second")
        self._server.expired_keys = {"first"}

    def kill(self) -> None:
        self._server.kill()

    def start(self) -> None:
        self._server.start()

    def close(self) -> None:
        self._server.close()

    def _write_key(self, key: str) -> None:
        self._credentials.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {key}\n")
