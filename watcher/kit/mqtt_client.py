"""What every connection to a broker begins with, and what paho needs of whoever uses it through aiomqtt."""

import logging
import math
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from watcher.kit.secret import Secret

if TYPE_CHECKING:
    import aiomqtt
    from paho.mqtt.client import Client as Paho


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """Where to connect, as whom."""

    host: str
    port: int
    is_v5: bool
    client_id: str
    username: str
    password: Secret | None
    tls: ssl.SSLContext | None
    keepalive_seconds: int
    timeout_seconds: float


def client_of(broker: Broker, complaint: "Complaint", **more: Any) -> tuple["aiomqtt.Client", "Paho"]:
    """Not connected yet; `more` is for aiomqtt. The second is what it wraps, by a private name: tests fail when that moves."""
    import aiomqtt

    client = aiomqtt.Client(
        broker.host,
        broker.port,
        identifier=broker.client_id,
        username=broker.username or None,
        password=None if broker.password is None else broker.password.reveal(),
        protocol=aiomqtt.ProtocolVersion.V5 if broker.is_v5 else aiomqtt.ProtocolVersion.V311,
        tls_context=broker.tls,
        keepalive=broker.keepalive_seconds,
        timeout=math.inf,  # ours hold
        logger=_complaining_logger(complaint),
        **more,
    )
    paho: Paho = client._client  # noqa: SLF001
    paho.connect_timeout = broker.timeout_seconds
    return client, paho


class Complaint(logging.Handler):
    """Keeps the last thing paho complained of: its exceptions do not say why a connection was lost."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text = record.getMessage()


def _complaining_logger(handler: logging.Handler) -> logging.Logger:
    """One of this connection alone, known to nobody else."""
    logger = logging.Logger("mqtt", logging.WARNING)  # noqa: LOG001  a registered one would be kept for ever
    logger.addHandler(handler)
    return logger


def hang_up(_client: "Paho", _userdata: Any, opened: Any) -> None:
    """The reader, or the next write, finds the end of the connection and cleans up."""
    with suppress(OSError):
        opened.shutdown(socket.SHUT_RDWR)
