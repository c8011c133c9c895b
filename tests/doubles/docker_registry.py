"""Debian's `docker-registry` (distribution 2.8.2) as a child process on a free loopback port, for tests and benchmarks."""

import json
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import yaml

from watcher.model.reference import Host
from watcher.testing.ports import free_port

USERNAME = "watcher"
PASSWORD = "s3cret"
# bcrypt of PASSWORD at cost 4, the least there is: the registry checks it on every request.
_HTPASSWD = f"{USERNAME}:$2b$04$M6RcXo9kY4YsPWOJk9aoveCC8dFTb9vnfHqI/NXbwLVd1k8Gy5ZTS\n"

# It accepts within 50 ms on an idle machine; a loaded one gets a hundred times that.
START_SECONDS = 10.0
STOP_SECONDS = 10.0


@dataclass(slots=True, kw_only=True)
class RunningRegistry:
    """One process. Its data and its port survive `stop` and `start`."""

    port: int
    debug_port: int
    directory: Path
    log: Path
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def host(self) -> Host:
        return Host(f"127.0.0.1:{self.port}")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def notifications(self) -> dict[str, int]:
        """What the registry itself says of its first endpoint: Pending, Events, Successes, Failures, Errors."""
        with urlopen(f"http://127.0.0.1:{self.debug_port}/debug/vars", timeout=5) as response:
            (endpoint,) = json.load(response)["registry"]["notifications"]["endpoints"]
        metrics: dict[str, int] = {name: value for name, value in endpoint["Metrics"].items() if isinstance(value, int)}
        return metrics

    def start(self) -> None:
        """Returns once it accepts connections.

        Raises:
            RuntimeError: it ended at once, or accepted nothing within START_SECONDS; with the end of its log.
        """
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                ["docker-registry", "serve", str(self.directory / "config.yml")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.01)  # there is nothing to wait on but the port itself
            else:
                return
        self.stop()
        raise RuntimeError(f"docker-registry did not start: {self.log.read_text(errors='replace')[-2000:]}")

    def stop(self) -> None:
        """SIGTERM and wait. Notifications that it has not delivered are lost, as in production."""
        self._end(kill=False)

    def kill(self) -> None:
        self._end(kill=True)

    def restart(self) -> None:
        self.stop()
        self.start()

    def _end(self, *, kill: bool) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        if kill:
            process.kill()
        else:
            process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def start_docker_registry(
    directory: Path,
    *,
    notify_url: str | None = None,
    notify_headers: Mapping[str, str] | None = None,
    ignore_noise: bool = False,
    htpasswd: bool = False,
    deletes: bool = True,
) -> RunningRegistry:
    """Start an empty registry that keeps everything under `directory` and lets manifests be deleted, or not.

    `notify_url` gets its events, with `notify_headers`; retried every 500 ms for ever. `ignore_noise` drops the events of blobs
    and pulls, the configuration recommended to operators. `htpasswd` asks for USERNAME and PASSWORD.
    """
    directory.mkdir(parents=True, exist_ok=True)
    port, debug_port = free_port(), free_port()
    config: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(directory / "data")}, "delete": {"enabled": deletes}},
        "http": {"addr": f"127.0.0.1:{port}", "secret": "test-only", "debug": {"addr": f"127.0.0.1:{debug_port}"}},
        "validation": {"manifests": {"urls": {"allow": ["^https?://"]}}},
    }
    if notify_url is not None:
        endpoint: dict[str, Any] = {
            "name": "watcher",
            "url": notify_url,
            "headers": {name: [value] for name, value in (notify_headers or {}).items()},
            "timeout": "1s",
            "threshold": 3,
            "backoff": "500ms",
        }
        if ignore_noise:
            endpoint["ignoredmediatypes"] = ["application/octet-stream"]
            endpoint["ignore"] = {"mediatypes": ["application/octet-stream"], "actions": ["pull"]}
        config["notifications"] = {"events": {"includereferences": True}, "endpoints": [endpoint]}
    if htpasswd:
        (directory / "htpasswd").write_text(_HTPASSWD)
        config["auth"] = {"htpasswd": {"realm": "test", "path": str(directory / "htpasswd")}}
    (directory / "config.yml").write_text(yaml.safe_dump(config))
    running = RunningRegistry(port=port, debug_port=debug_port, directory=directory, log=directory / "registry.log")
    running.start()
    return running
