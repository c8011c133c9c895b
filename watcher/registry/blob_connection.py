"""The connection that a blob's thread makes."""

import http.client
import ssl

from yarl import URL

from watcher.registry.pipes import Stop, dial
from watcher.registry.redirects import Guard
from watcher.registry.wire import CONNECT_SECONDS


class BlobConnection(http.client.HTTPConnection):
    """http.client over a socket that we dialled: to a checked address, and stoppable while it waits."""

    def __init__(self, url: URL, guard: Guard, tls: ssl.SSLContext, stop: Stop, timeout_seconds: float) -> None:
        super().__init__(url.raw_host or "", url.port)
        self._url, self._guard, self._tls, self._stop, self._seconds = url, guard, tls, stop, timeout_seconds
        if url.scheme == "https":
            self.default_port = http.client.HTTPS_PORT

    def connect(self) -> None:
        failure: OSError = ConnectionError("no address")
        for family, address in self._guard.resolve(self.host, self.port):
            try:
                sock = dial(family, address, self._stop, min(CONNECT_SECONDS, self._seconds))
                break
            except OSError as error:
                failure = error
        else:
            raise failure
        self.sock = sock
        sock.settimeout(self._seconds)
        if self._url.scheme == "https":
            # Set first, so that a handshake that hangs can be shut down as well.
            self.sock = self._tls.wrap_socket(sock, server_hostname=self.host, do_handshake_on_connect=False)
            self._stop.guard(self.sock)
            self.sock.do_handshake()
        else:
            self._stop.guard(sock)
