"""Ports for programs that tests and the demo start."""

import socket
from pathlib import Path

import pytest

from watcher.testing.ports import free_port

pytestmark = pytest.mark.enable_socket


def test_a_free_port_is_nobody_s() -> None:
    """It can be listened to, and the system gives it to no connection meanwhile."""
    first_ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for _ in range(100):
        port = free_port()
        assert port < first_ephemeral
        with socket.create_server(("127.0.0.1", port)):
            pass
