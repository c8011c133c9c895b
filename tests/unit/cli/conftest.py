"""The command line as a shell sees it: arguments in, exit code, stdout and stderr out."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog

from watcher.cli.app import main
from watcher.testing.registry import MemoryRegistry, serve_registry


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture
def watcher(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Run]:
    """`watcher("policy", "check", …)` in an empty folder, with `main`'s own handling of errors."""
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr("sys.argv", ["watcher", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 0
        captured = capsys.readouterr()
        return Ended(code=code, out=captured.out, err=captured.err)

    yield run
    # Commands send logging to a stream that ends with the test.
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def registry() -> Iterator[MemoryRegistry]:
    """A registry that serves from a loop of its own, since the command brings its own too."""
    started: list[MemoryRegistry] = []
    ready, loop, done = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        async with serve_registry() as serving:
            started.append(serving)
            ready.set()
            await done.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), name="registry")
    thread.start()
    assert ready.wait(10)
    yield started[0]
    loop.call_soon_threadsafe(done.set)
    thread.join()
    loop.close()
