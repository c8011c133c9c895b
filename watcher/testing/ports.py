"""A port for a program that cannot be given a socket, only a number."""

import random
import socket
from pathlib import Path

# From here on to where the system begins to give out ports of its own. Where it says nothing, that is what Linux does.
FIRST = 10240
EPHEMERAL = 32768
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """A free port of 127.0.0.1 that no connection is given by chance before the program listens there."""
    while True:
        port = random.randrange(FIRST, _end())  # noqa: S311  nobody has to be kept from guessing it
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def _end() -> int:
    try:
        ephemeral = int(_RANGE.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        ephemeral = EPHEMERAL
    return ephemeral if ephemeral > 2 * FIRST else 65536
