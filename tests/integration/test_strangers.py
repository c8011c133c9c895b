"""A daemon with as many files as systemd and docker give by default, and more strangers at its door than that."""

import contextlib
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.daemon import RunningDaemon, eventually
from tests.doubles.hooks import deliver, envelope, push_event, rows
from tests.doubles.served_registry import ServedRegistry
from watcher.testing.images import build_image, build_layer

FILES = 256
STRANGERS = FILES + 50


@pytest.fixture
def registry() -> Iterator[ServedRegistry]:
    serving = ServedRegistry()
    yield serving
    serving.close()


@pytest.fixture
def daemon(tmp_path: Path, registry: ServedRegistry) -> Iterator[RunningDaemon]:
    config = (
        f'registries: [{{host: "{registry.host}"}}]\n'
        "sources: [{type: webhook, dialect: distribution, auth: {type: bearer, secret: 'env:HOOK_SECRET'}}]\n"
    )
    running = RunningDaemon(directory=tmp_path, config=config)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, before[1]))
    try:
        running.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    yield running
    assert running.stop() == 0


def outcome(daemon: RunningDaemon, registry: ServedRegistry, name: str) -> str:
    """Push an image; what was said of it."""
    image = build_image([build_layer({"app/name": name})], config={"User": "1000"})
    registry.put(name, image)
    assert deliver(daemon, envelope(push_event(registry.host, name, image)))[0] == 202
    (row,) = eventually(lambda: rows(daemon, "SELECT outcome FROM verdict WHERE repository = ?", name), what=f"a verdict on {name}")
    said: str = row["outcome"]
    return said


def test_strangers_keep_nobody_out(daemon: RunningDaemon, registry: ServedRegistry) -> None:
    """Half of a request on more connections than there are files: probes, pushes and verdicts go on, and nothing is said of it."""
    with contextlib.ExitStack() as strangers:
        for index in range(STRANGERS):
            stranger = strangers.enter_context(socket.create_connection(("127.0.0.1", daemon.port)))
            stranger.sendall(b"POST /ho")
            if index % 50 == 0:
                assert daemon.get("/healthz") == {"status": "alive"}
        assert outcome(daemon, registry, "team/during") == "pass"
    said = {line["event"] for line in daemon.lines() if line["level"] in ("warning", "error")}
    assert said <= {"configuration.doubtful"}, "what it says at its start, of a configuration that tells nobody"


def test_a_machine_without_files_left_is_waited_for(daemon: RunningDaemon, registry: ServedRegistry) -> None:
    """Whoever is connected is served, the image is judged when there are files again, and none of it is a mistake of ours."""
    assert daemon.process is not None
    pid = daemon.process.pid
    assert outcome(daemon, registry, "team/before") == "pass"
    image = build_image([build_layer({"app/name": "short"})], config={"User": "1000"})
    registry.put("team/short", image)
    body = envelope(push_event(registry.host, "team/short", image))
    head = "POST /hooks/distribution HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer hook-secret\r\nContent-Length: "
    with socket.create_connection(("127.0.0.1", daemon.port)) as connected:
        connected.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connected.recv(4096).startswith(b"HTTP/1.1 200")
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (len(list(Path(f"/proc/{pid}/fd").iterdir())) + 3, limits[1]))
        connected.sendall(f"{head}{len(body)}\r\n\r\n".encode() + body)
        assert connected.recv(4096).startswith(b"HTTP/1.1 202")
        eventually(lambda: rows(daemon, "SELECT 1 FROM job WHERE repository = 'team/short' AND attempts > 0"), what="an attempt")
    eventually(lambda: [each for each in daemon.lines() if each["event"] == "job.postponed"], what="a wait")
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    eventually(lambda: rows(daemon, "SELECT 1 FROM verdict WHERE repository = 'team/short' AND outcome = 'pass'"), what="a verdict")
    assert [line["event"] for line in daemon.lines() if line["level"] == "error"] == []
