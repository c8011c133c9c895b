"""Stands before a real registry, and holds an answer back: whoever waits for it can then be killed at a known moment."""

import re
import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from watcher.model.reference import Host

# Longer than any test waits.
HELD_SECONDS = 60.0
_OF_THE_CONNECTION = frozenset({"connection", "transfer-encoding", "content-length", "keep-alive"})


class Relay:
    """Hands every request on to `port`, but for one that is `hold`: what is done of that, and answered, is up to the test."""

    def __init__(self, port: int) -> None:
        self._wanted: re.Pattern[str] | None = None
        self._done = False
        self.held, self._let_go = threading.Event(), threading.Event()
        relay = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _relay(self) -> None:
                is_wanted = relay._wanted is not None and relay._wanted.fullmatch(f"{self.command} {self.path}") is not None
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if is_wanted and not relay._done:
                    self.close_connection = True
                    return relay._hold()
                connection = HTTPConnection("127.0.0.1", port, timeout=30)
                # The registry names itself in what it answers: as who was asked.
                connection.request(self.command, self.path, body, dict(self.headers.items()))
                answer = connection.getresponse()
                content = answer.read()
                connection.close()
                if is_wanted:
                    self.close_connection = True
                    return relay._hold()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in _OF_THE_CONNECTION:
                        self.send_header(name, value)
                length = answer.headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(content))
                self.send_header("Content-Length", length)
                self.end_headers()
                self.wfile.write(content)
                return None

            def do_GET(self) -> None:
                self._relay()

            def do_HEAD(self) -> None:
                self._relay()

            def do_PUT(self) -> None:
                self._relay()

            def do_POST(self) -> None:
                self._relay()

            def do_DELETE(self) -> None:
                self._relay()

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def host(self) -> Host:
        return Host(f"127.0.0.1:{self._server.server_address[1]}")

    def hold(self, request: str, *, done: bool) -> None:
        """A request as `METHOD PATH`, a regular expression: handed on first where it is `done`, and never answered."""
        self._wanted, self._done = re.compile(request), done

    def let_go(self) -> None:
        """Nothing is held from now on."""
        self._wanted = None
        self._let_go.set()

    def close(self) -> None:
        self.let_go()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _hold(self) -> None:
        self.held.set()
        self._let_go.wait(HELD_SECONDS)
