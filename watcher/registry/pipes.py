"""Blocking transfers into a pipe: threads that give way to a slow reader and stop at once when told to."""

import asyncio
import contextlib
import errno
import fcntl
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from watcher.model.errors import TimedOutError

# As much as an unprivileged process may ask for; a reader that inflates is then rarely waited for.
PIPE_BYTES = 1024 * 1024
CHUNK_BYTES = 256 * 1024
# A thread that was told to stop is waited for no longer than this; it holds nothing but its own descriptors.
STOP_SECONDS = 1.0
# In milliseconds: what `poll` takes. A silence of 24 days is one for ever.
LONGEST_POLL = 2**31 - 1

Address = tuple[Any, ...]
"""Of a socket: host and port; that of IPv6 has flow and scope as well, without which a link-local one leads nowhere."""


# Whoever awaits a transfer may set it, and is told of every piece that went into the pipe: how many bytes, in the thread that
# moves them. What is between the two hands on nothing for it.
heard: ContextVar[Callable[[int], None] | None] = ContextVar("heard", default=None)


class StoppedError(Exception):
    """The transfer was told to stop. Never leaves its thread."""


class ReaderGoneError(Exception):
    """The other end of the pipe is closed. Never leaves its thread."""


class Stop:
    """A flag that also wakes a thread out of `poll`, `connect` and `recv`."""

    def __init__(self) -> None:
        self._wake_read, self._wake_write = os.pipe()
        self._lock = threading.Lock()
        self._stopped = False
        self._closed = False
        self._socket: socket.socket | None = None

    def set(self) -> None:
        """From any thread, any number of times."""
        with self._lock:
            self._stopped = True
            if self._closed:
                return
            os.write(self._wake_write, b"\0")
            if self._socket is not None:
                _shutdown(self._socket)

    def check(self) -> None:
        if self._stopped:
            raise StoppedError

    def guard(self, sock: socket.socket) -> None:
        """Shut this socket down when told to stop. Raises StoppedError when that has happened already."""
        with self._lock:
            self._socket = sock
        self.check()

    def forget(self) -> None:
        """Leave the guarded socket alone from now on; call it before the socket is closed."""
        with self._lock:
            self._socket = None

    def poll(self, descriptor: int, events: int, timeout_seconds: float) -> None:
        """Wait until the descriptor is ready.

        Raises:
            StoppedError, TimeoutError
        """
        poller = select.poll()
        poller.register(self._wake_read, select.POLLIN)
        poller.register(descriptor, events)
        ready = poller.poll(min(timeout_seconds * 1000, LONGEST_POLL))
        self.check()
        if not ready:
            raise TimeoutError

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._socket = None
            os.close(self._wake_read)
            os.close(self._wake_write)


class Sink:
    """The write end of a pipe.

    It has a descriptor of its own, so that a thread that ends late never writes into whatever got the caller's number next.
    """

    def __init__(self, descriptor: int, stop: Stop, told: Callable[[int], None] | None = None) -> None:
        self._descriptor = os.dup(descriptor)
        self._told = told
        self._stop = stop
        # A blocking write of 256 KiB could not be stopped. The flag is shared with the caller's descriptor, which it only closes.
        os.set_blocking(self._descriptor, False)
        # Refused past the user's share of pipe pages (64 MiB), or for what is no pipe: the size it has serves too, only slower.
        with contextlib.suppress(OSError):
            fcntl.fcntl(self._descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    def write(self, piece: memoryview) -> None:
        """Write all of it, waiting for the reader as long as it takes.

        Raises:
            ReaderGoneError, StoppedError
        """
        count = len(piece)
        while piece:
            try:
                piece = piece[os.write(self._descriptor, piece) :]
            except BlockingIOError:
                self._wait()
            except BrokenPipeError as error:
                raise ReaderGoneError from error
        if self._told is not None:
            self._told(count)

    def close(self) -> None:
        os.close(self._descriptor)

    def _wait(self) -> None:
        try:
            # The transfer as a whole has a deadline; a reader may be busy for as long as that leaves it.
            self._stop.poll(self._descriptor, select.POLLOUT, 3600)
        except TimeoutError:
            return


def dial(family: socket.AddressFamily, address: Address, stop: Stop, timeout_seconds: float) -> socket.socket:
    """A connected TCP socket whose every later call takes at most `timeout_seconds`; `address` is one of `getaddrinfo`.

    Raises:
        OSError (TimeoutError among them), StoppedError
    """
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        code = sock.connect_ex(address)
        if code == errno.EINPROGRESS:
            stop.poll(sock.fileno(), select.POLLOUT, timeout_seconds)
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
        sock.settimeout(timeout_seconds)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock


async def run_transfer(work: Callable[[Stop, Sink], None], sink: int, *, what: str, timeout_seconds: float) -> None:
    """Run `work(stop, sink)` in a thread of its own until it ends, the time is up, or this is cancelled.

    A reader that goes away ends it without an error. The thread has ended, or will touch nothing of the caller's, when this
    returns or raises.

    Raises:
        TimedOutError: longer than `timeout_seconds`. Whatever `work` raises.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    stop = Stop()
    try:
        pipe = Sink(sink, stop, heard.get())
    except BaseException:
        stop.close()
        raise

    def settle(error: BaseException | None) -> None:
        if ended.done():
            return
        if error is None:
            ended.set_result(None)
        else:
            ended.set_exception(error)

    def body() -> None:
        error: BaseException | None = None
        try:
            work(stop, pipe)
        except (ReaderGoneError, StoppedError):
            pass
        except BaseException as raised:  # noqa: BLE001  carried to the caller, who decides
            error = raised
        finally:
            pipe.close()
            stop.close()
        # When the loop is closed nobody is left to tell.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, error)

    started = time.monotonic()
    try:
        threading.Thread(target=body, name=f"transfer {what}"[:80], daemon=True).start()
    except BaseException:
        pipe.close()
        stop.close()
        raise
    try:
        async with asyncio.timeout(timeout_seconds):
            await asyncio.shield(ended)
    except TimeoutError as error:
        raise TimedOutError(f"{what}: not transferred within {time.monotonic() - started:.0f} s") from error
    finally:
        stop.set()
        if not ended.done():
            await asyncio.wait({ended}, timeout=STOP_SECONDS)
        if ended.done() and not ended.cancelled():
            ended.exception()


def _shutdown(sock: socket.socket) -> None:
    # It may not be connected yet, or no longer. The plain socket's method: SSLSocket.shutdown drops its cipher under the
    # thread that is reading, which would then take ciphertext for content.
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
