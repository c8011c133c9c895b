"""`watcher run` as a child process, and a receiver for its messages: what integration tests drive from outside."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from watcher.testing.ports import free_port

HOOK_SECRET = "hook-secret"
START_SECONDS = 30.0
T = TypeVar("T")


def eventually(look: Callable[[], T | None], *, seconds: float = 30.0, what: str = "it") -> T:
    """Look again and again until there is something to see; fail with what was waited for."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {seconds:.0f} s")
        time.sleep(0.02)


@dataclass(slots=True, kw_only=True)
class RunningDaemon:
    """One `watcher run`. Its store and its port survive `kill` and `start`."""

    directory: Path
    config: str
    port: int = field(default_factory=free_port)
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.directory / "daemon.log"

    def start(self, *, ready: bool = True) -> None:
        path = self.directory / "watcher.yaml"
        path.write_text(
            f"server: {{host: 127.0.0.1, port: {self.port}}}\nstore: {{url: sqlite:///{self.directory}/watcher.db}}\n{self.config}"
        )
        # Compiling everything anew would take three of the four seconds of a start.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "watcher", "run", "-c", str(path)],
                cwd=self.directory,
                env={**environment, "HOOK_SECRET": HOOK_SECRET, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        if ready:
            self.eventually(self._is_ready, seconds=START_SECONDS, what="readiness")

    def eventually(self, look: Callable[[], T | None], *, seconds: float = 30.0, what: str = "it") -> T:
        """As the function; what fails says how the log ends then."""
        try:
            return eventually(look, seconds=seconds, what=what)
        except AssertionError as error:
            error.add_note(f"the log ends\n{self.tail()}")
            raise

    def kill(self) -> None:
        """Kill -9, as a machine that loses power would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self, *, seconds: float = 60.0) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=seconds)

    def get(self, path: str, *, token: str | None = None) -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        with urlopen(Request(self.url + path, headers=headers), timeout=10) as response:
            return json.load(response)

    def text(self, path: str) -> str:
        with urlopen(self.url + path, timeout=10) as response:
            return str(response.read().decode())

    def post(self, path: str, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        request = Request(self.url + path, data=body, headers=headers or {}, method="POST")
        try:
            with urlopen(request, timeout=60) as response:
                return response.status, json.loads(response.read() or b"null")
        except HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    def lines(self) -> Iterator[dict[str, Any]]:
        """The JSON lines of the log; anything else in it is skipped."""
        for line in self.log.read_text(errors="replace").splitlines():
            if line.startswith("{"):
                yield json.loads(line)

    def tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])

    def _is_ready(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            raise AssertionError(f"the daemon ended with {self.process.returncode}:\n{self.tail()}")
        try:
            with urlopen(self.url + "/readyz", timeout=2):
                return True
        except (URLError, OSError):
            return False


class Receiver:
    """An HTTP server that keeps what it is sent and answers with `status`."""

    def __init__(self, port: int = 0) -> None:
        self.status = 202
        self.delay_seconds = 0.0
        self.requests: list[tuple[dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
                time.sleep(receiver.delay_seconds)
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/verdicts"

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.requests]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
