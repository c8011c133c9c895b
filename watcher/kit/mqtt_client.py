"""What paho needs of whoever uses it through aiomqtt: somebody who hears its complaints, and a way to end a connection."""

import logging
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paho.mqtt.client import Client as Paho


class Complaint(logging.Handler):
    """Keeps the last thing paho complained of: its exceptions do not say why a connection was lost."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text = record.getMessage()


def complaining_logger(handler: logging.Handler) -> logging.Logger:
    """One of this connection alone, known to nobody else."""
    logger = logging.Logger("mqtt", logging.WARNING)  # noqa: LOG001  a registered one would be kept for ever
    logger.addHandler(handler)
    return logger


def hang_up(_client: "Paho", _userdata: Any, opened: Any) -> None:
    """The reader, or the next write, finds the end of the connection and cleans up."""
    with suppress(OSError):
        opened.shutdown(socket.SHUT_RDWR)
