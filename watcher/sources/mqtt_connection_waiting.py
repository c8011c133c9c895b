"""How much may wait that was received and is not yet settled: beyond it the broker's socket is left unread."""

import asyncio
import ssl
from typing import TYPE_CHECKING, Any

from watcher.kit.mqtt_client import hang_up

if TYPE_CHECKING:
    from paho.mqtt.client import Client as Paho

# Above it the socket is left unread, whatever the broker was told: mosquitto 2.0.11 answers one acknowledgement with as many
# new messages as it may have under way, and to what was published with QoS 0 no limit applies.
WAITING_BYTES = 8 * 1024 * 1024


class Waiting:
    """Counts what was received and is not yet settled, and leaves the socket unread while that is too much.

    Paho's `on_message` is called for each; aiomqtt's, which puts it into its queue, is called from here.
    """

    def __init__(self, paho: "Paho", *, limit_messages: int) -> None:
        self._paho = paho
        self._loop = asyncio.get_running_loop()
        self._limit_messages = limit_messages
        self._messages = 0
        self._bytes = 0
        self._paused: Any = None  # the socket, while it is left unread
        self._closed = False
        self._queue_it: Any = paho.on_message
        paho.on_message = self._received

    def settled(self, payload: bytes) -> None:
        self._messages -= 1
        self._bytes -= len(payload)
        if self._paused is not None and not self._is_full():
            self._resume()

    def close(self) -> None:
        """Take no more in, and read on, so that the end of the connection is seen."""
        self._closed = True
        if self._paused is not None:
            self._resume()

    def _received(self, client: "Paho", userdata: Any, message: Any) -> None:
        if self._closed:
            return
        self._messages += 1
        self._bytes += len(message.payload)
        self._queue_it(client, userdata, message)
        if self._paused is None and self._is_full():
            self._paused = self._paho.socket()
            if self._paused is not None:
                self._loop.remove_reader(self._paused)

    def _is_full(self) -> bool:
        return self._messages >= self._limit_messages or self._bytes >= WAITING_BYTES

    def _resume(self) -> None:
        paused, self._paused = self._paused, None
        opened: Any = self._paho.socket()
        if opened is paused:
            self._loop.add_reader(paused, self._read)

    def _read(self) -> None:
        """As the reader of aiomqtt that was removed: a TLS socket may hold packets that no longer wake anybody."""
        try:
            self._paho.loop_read()
            while isinstance(opened := self._paho.socket(), ssl.SSLSocket) and opened.pending():
                self._paho.loop_read()
        except Exception:  # noqa: BLE001  paho raises anything over a packet it cannot read, and would be called again for ever
            if (broken := self._paho.socket()) is not None:
                hang_up(self._paho, None, broken)
