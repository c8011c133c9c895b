"""A session at mosquitto, as a courier. Its source reaches the broker through a wire that can be listened to, and cut."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.doubles.courier import Once
from tests.doubles.daemon import eventually
from tests.doubles.mosquitto import start_mosquitto
from tests.doubles.mqtt_bench import TOPIC, publish_many

PUBLISH, PUBACK = 3, 4  # spec: MQTT 5.0 section 2.1.2
# Below what the source tells the broker that it takes, with topic and properties.
LARGEST_BYTES = 15 * 1024 * 1024
CHUNK_BYTES = 1024 * 1024
SECONDS = 30.0


class MqttCourier:
    """Mosquitto. It has no clock that matters, and gives up nothing: a client that goes away is sent again what it had."""

    name = "mqtt"
    largest = LARGEST_BYTES
    junk = bytes(range(256))
    bearable_seconds = 600.0
    environment: Mapping[str, str] = {}

    def __init__(self, directory: Path) -> None:
        self._broker = start_mosquitto(directory, password=("watcher", "first"))
        self._password = directory / "password"
        self._password.write_text("first")
        self._once = Once()
        self._wire = Wire(self._broker.port, self._once.passes)

    def source(self, registry: str) -> str:
        where = f'host: 127.0.0.1, port: {self._wire.port}, topic: "registry/#"'
        who = f'username: watcher, password: "file:{self._password}"'
        return f'{{type: mqtt, name: mqtt, registry: "{registry}", {where}, {who}}}'

    def publish(self, *bodies: bytes) -> None:
        publish_many(self._broker.port, bodies, user=("watcher", self._password.read_text()))

    def unsettled(self) -> int:
        """Whatever the broker keeps is in the file that it writes, with its topic."""
        self._save()
        return self._broker.saved.count(TOPIC.encode())

    def under_way(self) -> int:
        return self._wire.under_way

    def give_up(self) -> None:
        return

    def at_acknowledgement(self, do: Callable[[], None]) -> threading.Event:
        return self._once.arm(do)

    def set_clock(self, ahead_seconds: float) -> None:
        return

    def end_identity(self) -> None:
        """A password, known to the broker when it is back."""
        self._password.write_text("second")
        self._broker.stop()
        self._broker.set_password("watcher", "second")
        self._broker.start()

    def kill(self) -> None:
        """What it was sent is on its disk before: what it loses in between no receiver can find."""
        self._save()
        self._broker.kill()

    def start(self) -> None:
        self._broker.start()

    def close(self) -> None:
        self._wire.close()
        self._broker.stop()

    def _save(self) -> None:
        file = self._broker.directory / "mosquitto.db"

        def version() -> tuple[int, int] | None:
            with contextlib.suppress(FileNotFoundError):
                stat = file.stat()
                return stat.st_ino, stat.st_mtime_ns
            return None

        before = version()
        self._broker.save()
        eventually(lambda: version() != before, what="mosquitto's file")


class Wire:
    """At 127.0.0.1:`port`, leads to a broker there. `passes` is asked at each PUBACK; a no cuts the connection in its place."""

    def __init__(self, broker_port: int, passes: Callable[[], bool]) -> None:
        self.under_way = 0  # of the connection that was made last: PUBLISH packets without their PUBACK
        self._broker_port = broker_port
        self._passes = passes
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, name="wire", daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                try:
                    broker = socket.create_connection(("127.0.0.1", self._broker_port), timeout=SECONDS)
                except OSError:
                    client.close()
                    continue
                self.under_way = 0
                broker.settimeout(None)
                for end in (client, broker):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for source, target in ((client, broker), (broker, client)):
                    threading.Thread(target=self._carry, args=(source, target), name="wire", daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        """Until either end is gone; then neither is left."""
        try:
            for kind, packet in packets(source):
                if kind == PUBACK and not self._passes():
                    break
                self.under_way += (kind == PUBLISH) - (kind == PUBACK)
                target.sendall(packet)
        except OSError:
            pass
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        source.close()


def packets(source: socket.socket) -> Iterator[tuple[int, bytes]]:
    """What arrives, as type and whole packet. Spec: MQTT 5.0 section 2.1."""
    held = bytearray()
    while received := source.recv(CHUNK_BYTES):
        held += received
        while (size := _size(held)) is not None and len(held) >= size:
            packet = bytes(held[:size])
            del held[:size]
            yield packet[0] >> 4, packet


def _size(held: bytes | bytearray) -> int | None:
    """Of the packet that this begins with, None while that cannot be known. Spec: MQTT 5.0 section 1.5.5."""
    remaining = 0
    for position, byte in enumerate(held[1:5]):
        remaining |= (byte & 0x7F) << 7 * position
        if byte < 0x80:
            return 2 + position + remaining
    return None
