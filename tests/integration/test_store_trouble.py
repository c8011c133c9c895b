"""The disk of a running daemon fills up, turns bad or is locked by somebody: it waits, says why, and goes on by itself."""

import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.doubles.daemon import RunningDaemon, eventually
from tests.doubles.hooks import deliver, envelope, push_event, rows
from tests.doubles.served_registry import ServedRegistry
from watcher.testing.images import BuiltImage, build_image, build_layer

SOURCES = "sources: [{type: webhook, dialect: distribution, auth: {type: bearer, secret: 'env:HOOK_SECRET'}}]\n"


@pytest.fixture
def registry() -> Iterator[ServedRegistry]:
    served = ServedRegistry()
    yield served
    served.close()


@pytest.fixture
def daemon_in(registry: ServedRegistry) -> Iterator[Callable[[Path], RunningDaemon]]:
    """`daemon_in(folder)`; it is stopped at the end of the test, and says that all was well."""
    started: list[RunningDaemon] = []

    def start(folder: Path) -> RunningDaemon:
        config = f'registries: [{{host: "{registry.host}"}}]\n{SOURCES}publish: [{{type: log}}]\n'
        started.append(RunningDaemon(directory=folder, config=config))
        started[0].start()
        return started[0]

    yield start
    for daemon in started:
        assert daemon.stop() == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MiB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None or subprocess.run([mount, "-t", "tmpfs", "-o", "size=3m", "tmpfs", folder], check=False).returncode:
        pytest.skip("nothing can be mounted here; the I/O error beside this test needs no right to")
    yield folder
    subprocess.run(["umount", folder], check=True)


def an_image(registry: ServedRegistry, name: str) -> BuiltImage:
    image = build_image([build_layer({"app/name": name})], config={"User": "1000"})
    registry.put("team/app", image)
    return image


def announce(daemon: RunningDaemon, registry: ServedRegistry, *images: BuiltImage) -> tuple[int, Any]:
    return deliver(daemon, envelope(*(push_event(registry.host, "team/app", image) for image in images)))


def fill(folder: Path) -> None:
    """Until nothing goes into its file system any more; removing `ballast` makes room."""
    with suppress(OSError), (folder / "ballast").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def readiness(daemon: RunningDaemon) -> tuple[int, str]:
    try:
        with urlopen(f"{daemon.url}/readyz", timeout=10) as response:
            return response.status, ""
    except HTTPError as error:
        return error.code, error.read().decode()


def refused(daemon: RunningDaemon, registry: ServedRegistry, why: str) -> None:
    """Events are answered 503 with the reason, readiness has it too, and the log says it once."""
    image = build_image([build_layer({"app/name": "refused"})])
    # Side by side: each is kept waiting for a moment in case it passes.
    with ThreadPoolExecutor(max_workers=10) as senders:
        for status, body in senders.map(lambda _: announce(daemon, registry, image), range(20)):
            assert (status, why in body["detail"]) == (503, True), body
    eventually(lambda: why in readiness(daemon)[1], what=f"{why} at /readyz")
    assert daemon.get("/healthz") == {"status": "alive"}
    assert len([line for line in daemon.lines() if line["event"] == "store.failed"]) == 1
    assert len([line for line in daemon.lines() if line["event"] == "delivery.postponed"]) == 1


def judged(daemon: RunningDaemon, image: BuiltImage) -> bool:
    return bool(rows(daemon, "SELECT 1 FROM verdict WHERE digest = ?", image.digest))


def recovered(daemon: RunningDaemon, registry: ServedRegistry) -> None:
    """By itself: it says so, takes events in, and judges them."""
    daemon.eventually(lambda: readiness(daemon)[0] == 200, what="readiness")
    eventually(lambda: any(line["event"] == "store.recovered" for line in daemon.lines()), what="a recovery in the log")
    image = an_image(registry, "afterwards")
    assert announce(daemon, registry, image)[0] == 202
    daemon.eventually(lambda: judged(daemon, image), seconds=90, what="a verdict")


def test_a_full_disk_refuses_and_loses_nothing(
    small_disk: Path, tmp_path: Path, registry: ServedRegistry, daemon_in: Callable[[Path], RunningDaemon]
) -> None:
    """What was acknowledged is judged afterwards; a daemon that is started on a full disk says what to do."""
    (small_disk / "daemon.log").symlink_to(tmp_path / "daemon.log")
    daemon = daemon_in(small_disk)
    before = an_image(registry, "before")
    assert announce(daemon, registry, before)[0] == 202
    fill(small_disk)
    refused(daemon, registry, "the disk is full")
    daemon.kill()
    daemon.start(ready=False)
    assert daemon.process is not None
    assert daemon.process.wait(30) == 2
    assert (
        daemon.tail()
        .splitlines()[-1]
        .endswith(f"the disk is full: make room on the file system of {small_disk}, then start the watcher again")
    )
    (small_disk / "ballast").unlink()
    daemon.start()
    daemon.eventually(lambda: judged(daemon, before), what="a verdict")


def test_a_full_disk_passes(
    small_disk: Path, tmp_path: Path, registry: ServedRegistry, daemon_in: Callable[[Path], RunningDaemon]
) -> None:
    """Once there is room the daemon that met it goes on."""
    (small_disk / "daemon.log").symlink_to(tmp_path / "daemon.log")
    daemon = daemon_in(small_disk)
    fill(small_disk)
    refused(daemon, registry, "the disk is full")
    (small_disk / "ballast").unlink()
    recovered(daemon, registry)


def test_an_io_error_refuses_and_passes(
    tmp_path: Path, registry: ServedRegistry, daemon_in: Callable[[Path], RunningDaemon]
) -> None:
    """The file cannot grow any more: nothing is acknowledged until it can."""
    daemon = daemon_in(tmp_path)
    before = an_image(registry, "before")
    assert announce(daemon, registry, before)[0] == 202
    daemon.eventually(lambda: judged(daemon, before), what="a verdict")
    assert daemon.process is not None
    limits = resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE)
    log_bytes = Path(f"{tmp_path}/watcher.db-wal").stat().st_size
    resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (log_bytes, limits[1]))
    refused(daemon, registry, "I/O error")
    resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, limits)
    recovered(daemon, registry)
    assert 'watcher_store_errors_total{reason="io-error"}' in metrics(daemon)
    assert 'watcher_events_total{decision="refused",reason="store-unavailable",source="distribution"} 20.0' in metrics(daemon)


def test_a_lock_refuses_and_passes(tmp_path: Path, registry: ServedRegistry, daemon_in: Callable[[Path], RunningDaemon]) -> None:
    """Somebody looks at the file with a program that locks it; what was acknowledged before is judged afterwards."""
    daemon = daemon_in(tmp_path)
    before = an_image(registry, "before")
    with closing(sqlite3.connect(tmp_path / "watcher.db", isolation_level=None, timeout=10)) as other:
        assert announce(daemon, registry, before)[0] == 202
        other.execute("BEGIN IMMEDIATE")
        refused(daemon, registry, "locked by another process")
        other.execute("ROLLBACK")
    recovered(daemon, registry)
    daemon.eventually(lambda: judged(daemon, before), seconds=90, what="a verdict")


def test_damage_that_is_met_while_running_is_named(
    tmp_path: Path, registry: ServedRegistry, daemon_in: Callable[[Path], RunningDaemon]
) -> None:
    """Nothing more is acknowledged, the daemon lives, and the log says what can be done; so does a start."""
    daemon = daemon_in(tmp_path)
    daemon.stop()
    path = tmp_path / "watcher.db"
    content = bytearray(path.read_bytes())
    for page in damaged_pages(path):
        content[page * 4096 : (page + 1) * 4096] = b"\xff" * 4096
    path.write_bytes(content)
    daemon.start()
    refused(daemon, registry, "the database file is damaged")
    (said,) = (line for line in daemon.lines() if line["event"] == "store.failed")
    assert "`watcher store check`" in said["advice"]
    assert "restore a backup" in said["advice"]
    daemon.stop()
    path.write_bytes(bytes(100) + content[100:])
    daemon.start(ready=False)
    assert daemon.process is not None
    assert daemon.process.wait(30) == 2
    assert "the database file is damaged (file is not a database): `watcher store check`" in daemon.tail().splitlines()[-1]
    path.unlink()
    daemon.start()


def damaged_pages(path: Path) -> list[int]:
    """Those of the indexes that every event goes into, counted from 0."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT rootpage FROM sqlite_master WHERE type = 'index' AND tbl_name = 'event'").fetchall()
        return [page - 1 for (page,) in rows]


def test_a_start_waits_for_a_lock(tmp_path: Path, registry: ServedRegistry, daemon_in: Callable[[Path], RunningDaemon]) -> None:
    """A copy or a look that is under way keeps a daemon from starting as long as it lasts, and no longer."""
    daemon = daemon_in(tmp_path)
    daemon.stop()
    with closing(sqlite3.connect(tmp_path / "watcher.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        daemon.start(ready=False)
        eventually(lambda: any(line["event"] == "store.locked" for line in daemon.lines()), what="a word about the lock")
        other.execute("ROLLBACK")
    recovered_at_start = daemon.eventually(lambda: readiness_or_none(daemon) == 200, what="readiness")
    assert recovered_at_start


def readiness_or_none(daemon: RunningDaemon) -> int | None:
    try:
        return readiness(daemon)[0]
    except OSError:  # it does not listen yet
        return None


def metrics(daemon: RunningDaemon) -> str:
    with urlopen(f"{daemon.url}/metrics", timeout=10) as response:
        text: str = response.read().decode()
        return text
