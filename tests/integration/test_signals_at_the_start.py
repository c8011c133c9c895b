"""A daemon that has not begun yet hears the signals that it is sent."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from watcher import settings as configuration
from watcher.__main__ import is_daemon
from watcher.kit import signals
from watcher.running import run_until_signalled
from watcher.testing.ports import free_port

# Sends itself a signal when the command line is about to be imported.
SIGNALLED = """\
import os, sys
class Signals:
    def find_spec(name, path=None, target=None):
        if name == "watcher.cli.app":
            os.kill(os.getpid(), int(sys.argv.pop()))
sys.meta_path.insert(0, Signals)
from watcher.__main__ import main
main()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    written = tmp_path / "watcher.yaml"
    written.write_text(f"server: {{host: 127.0.0.1, port: {free_port()}}}\nstore: {{url: 'sqlite:///{tmp_path}/watcher.db'}}\n")
    return written


def told(logs: Sequence[Mapping[str, object]], event: str) -> int:
    return sum(line["event"] == event for line in logs)


async def eventually(look: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not look():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("command", "number", "is_kept"),
    [("run", signal.SIGHUP, True), ("run", signal.SIGTERM, True), ("ledger", signal.SIGTERM, False)],
)
def test_what_comes_before_anything_is_imported_is_kept(tmp_path: Path, command: str, number: int, is_kept: bool) -> None:
    """Of the daemon, which then says what is wrong with its configuration; what only asks is ended by it."""
    words = [sys.executable, "-c", SIGNALLED, "-c", "missing.yaml", command, str(number)]
    done = subprocess.run(words, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=60)
    assert ("missing.yaml: no such file" in done.stderr, done.returncode == 2) == (is_kept, is_kept)


@pytest.mark.parametrize(
    ("words", "expected"),
    [("run", True), ("-q -c run run", True), ("-c run", False), ("scan run", False), ("--config=x run -v", True), ("", False)],
)
def test_the_daemon_is_known_by_its_subcommand(words: str, expected: bool) -> None:
    """Not by an image or a file of that name."""
    assert is_daemon(words.split()) is expected


async def test_what_was_kept_is_done_once(path: Path) -> None:
    """SIGHUP of the first moments has the configuration read again when the daemon runs, and the next one again."""
    before = signal.getsignal(signal.SIGHUP)
    signals.keep(signal.SIGHUP)
    try:
        os.kill(os.getpid(), signal.SIGHUP)
        with capture_logs() as logs:
            daemon = asyncio.create_task(run_until_signalled(configuration.read(path)))
            await eventually(lambda: told(logs, "policies.reloaded") == 1)
            os.kill(os.getpid(), signal.SIGHUP)
            await eventually(lambda: told(logs, "policies.reloaded") == 2)
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait_for(daemon, 30)
        os.kill(os.getpid(), signal.SIGHUP)  # which comes when it has stopped and the process has not ended yet
    finally:
        late: list[signal.Signals] = []
        signals.let_go(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == before
        with signals.heard(asyncio.get_running_loop(), {signal.SIGHUP: lambda: late.append(signal.SIGHUP)}):
            assert late == [signal.SIGHUP]


async def test_a_disk_that_never_answers_keeps_no_end_waiting(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the daemon's nor that of the process, which waits for the threads of its loop."""
    began, answers = threading.Event(), threading.Event()

    def hang(*_arguments: object, **_named: object) -> None:
        began.set()
        answers.wait()

    monkeypatch.setattr("watcher.preflight.load_settings", hang)
    daemon = asyncio.create_task(run_until_signalled(configuration.read(path)))
    try:
        await eventually(began.is_set)
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(10):
            await daemon
            await asyncio.get_running_loop().shutdown_default_executor()
    finally:
        answers.set()


async def test_a_start_that_waits_is_ended(tmp_path: Path, path: Path) -> None:
    """Somebody holds the store, which is waited for; whoever wants the daemon to end is not kept waiting with it."""
    with closing(sqlite3.connect(tmp_path / "watcher.db")) as holder, capture_logs() as logs:
        holder.execute("CREATE TABLE alembic_version (version_num TEXT)")
        holder.execute("PRAGMA locking_mode = EXCLUSIVE")
        holder.execute("BEGIN EXCLUSIVE")
        daemon = asyncio.create_task(run_until_signalled(configuration.read(path)))
        await eventually(lambda: told(logs, "store.locked"))
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(daemon, 10)
    assert [line["event"] for line in logs][-2:] == ["daemon.stopping", "daemon.stopped"]
    # Nothing of it is left: another one can begin.
    with capture_logs() as logs:
        daemon = asyncio.create_task(run_until_signalled(configuration.read(path)))
        await eventually(lambda: told(logs, "daemon.started"))
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(daemon, 30)
