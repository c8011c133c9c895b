"""The connections of an SDK's client, so that a poll can be ended from outside.

Neither the SDK nor HTTP has a way to take a request back: closing the client leaves a poll where it is, for up to 20 s.
"""

import contextlib
import socket
import threading
import weakref
from typing import Any


class Sockets:
    """Every connection that the watched clients have made and still use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: weakref.WeakSet[Any] = weakref.WeakSet()
        self._closed = False

    def watch(self, client: Any) -> None:
        """Before the client's first request. What is done here is no public interface of botocore.

        With a botocore that is built otherwise nothing is watched, and a poll ends only by itself.
        """
        with contextlib.suppress(AttributeError):
            pools: dict[str, Any] = client._endpoint.http_session._pool_classes_by_scheme  # noqa: SLF001  there is no public way to a socket
            pools |= {scheme: self._noting(pool) for scheme, pool in pools.items()}

    def hang_up(self) -> None:
        """End what is being read, in milliseconds, and every connection that is yet made. From any thread."""
        with self._lock:
            self._closed = True
            for opened in self._open:
                _shut(opened)

    def _noting(self, pool: Any) -> Any:
        """A pool of connections that tells of each one it makes."""
        kind = pool.ConnectionCls

        def connect(connection: Any) -> None:
            kind.connect(connection)
            self._note(connection.sock)

        return type(pool.__name__, (pool,), {"ConnectionCls": type(kind.__name__, (kind,), {"connect": connect})})

    def _note(self, opened: Any) -> None:
        with self._lock:
            self._open.add(opened)
            if self._closed:
                _shut(opened)


def _shut(opened: Any) -> None:
    with contextlib.suppress(OSError, AttributeError):  # it is closed already; or TLS within TLS, which cannot be shut
        opened.shutdown(socket.SHUT_RDWR)
