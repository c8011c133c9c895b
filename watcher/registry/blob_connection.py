"""The connection that a blob's thread makes."""

import http.client
import socket
import ssl
from collections.abc import Mapping

from yarl import URL

from watcher.kit.http_trouble import clause
from watcher.kit.proxies import Proxy
from watcher.kit.through_proxies import refusal_of
from watcher.kit.tunnel import tunnel_head
from watcher.model.errors import RegistryUnavailableError
from watcher.registry.pipes import Stop, dial
from watcher.registry.redirects import Guard, addresses_of
from watcher.registry.wire import CONNECT_SECONDS, Wire


class BlobConnection(http.client.HTTPConnection):
    """http.client over a socket that we dialled: to a checked address or to the proxy, and stoppable while it waits."""

    def __init__(self, url: URL, wire: Wire, stop: Stop) -> None:
        super().__init__(url.raw_host or "", url.port)
        self._url, self._stop, self._seconds = url, stop, wire.timeout_seconds
        self._guard: Guard = wire.guard
        self._tls: ssl.SSLContext = wire.tls_of(url)
        self._proxy: Proxy | None = wire.proxies.of(url)
        if url.scheme == "https":
            self.default_port = http.client.HTTPS_PORT

    def get(self, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        """Ask, and read the head of the answer.

        Raises:
            OSError, http.client.HTTPException, StoppedError
            ForbiddenAddressError, RegistryUnavailableError: the name cannot be resolved, or the proxy is why it does not work.
        """
        if self._proxy is None or self._url.scheme == "https":
            self.request("GET", self._url.raw_path_qs, headers=headers)
            return self.getresponse()
        self.request("GET", str(self._url), headers={**headers, **_shown(self._proxy)})
        response = self.getresponse()
        if response.status == 407:
            response.close()
            raise self._refused(self._proxy, response.status)
        return response

    def connect(self) -> None:
        self.sock = self._dial_proxy(self._proxy) if self._proxy is not None else self._dial(self.host, self.port)
        if self._url.scheme == "https":
            if self._proxy is not None:
                self._open_tunnel(self._proxy)
            self.sock = self._tls.wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)
            # Set first, so that a handshake that hangs can be shut down as well.
            self._stop.guard(self.sock)
            self.sock.do_handshake()

    def _dial(self, host: str, port: int, *, is_checked: bool = True) -> socket.socket:
        failure: OSError = ConnectionError("no address")
        for family, address in self._guard.resolve(host, port) if is_checked else addresses_of(host, port):
            try:
                sock = dial(family, address, self._stop, min(CONNECT_SECONDS, self._seconds))
                break
            except OSError as error:
                failure = error
        else:
            raise failure
        sock.settimeout(self._seconds)
        self._stop.guard(sock)
        return sock

    def _dial_proxy(self, proxy: Proxy) -> socket.socket:
        try:
            # Its address is the operator's choice; that of the registry is the proxy's to find.
            return self._dial(proxy.url.raw_host or "", proxy.url.port or 0, is_checked=False)
        except (OSError, RegistryUnavailableError) as error:
            why = clause(error) if isinstance(error, OSError) else str(error)
            raise RegistryUnavailableError(f"{self.host}: the proxy {proxy.name} cannot be reached: {why}") from error

    def _open_tunnel(self, proxy: Proxy) -> None:
        self.sock.sendall(tunnel_head(self._url, proxy))
        answer = http.client.HTTPResponse(self.sock, method="CONNECT")
        try:
            answer.begin()
        except http.client.HTTPException as error:
            raise RegistryUnavailableError(f"{self.host}: the proxy {proxy.name} does not answer as one of HTTP") from error
        finally:
            answer.close()  # what it reads by; the socket stays open
        if answer.status != 200:
            raise self._refused(proxy, answer.status)

    def _refused(self, proxy: Proxy, status: int) -> RegistryUnavailableError:
        return RegistryUnavailableError(f"{self.host}: {refusal_of(proxy, status)}")


def _shown(proxy: Proxy) -> dict[str, str]:
    return {"Proxy-Authorization": proxy.authorization.reveal()} if proxy.authorization is not None else {}
