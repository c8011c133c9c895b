"""What holds for every test: no sockets unless asked for, a time limit that fits its kind, repeatable examples."""

import gc
import os
from pathlib import Path

import coverage
import hypothesis
import pytest
import pytest_socket
import structlog

from tests.doubles.moto import isolate_identity

HERE = Path(__file__).parent

# Pure code is tested here: whoever opens a socket says so with `pytest.mark.enable_socket`.
WITHOUT_SOCKETS = ("unit", "property", "architecture")

# A unit test has two seconds on an idle machine. This is not to hold it to them but to end one that hangs: a machine that is busy,
# under coverage, may take ten times as long, which says nothing of the code.
UNIT_SECONDS = 60

# CI draws the same examples every time, so that a red run is about the change; other runs look for new ones.
hypothesis.settings.register_profile(
    "suite",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("suite")


# Else every frame of a traceback is drawn, with its values, and a test that has one takes seconds more.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)


def kind(item: pytest.Item) -> str:
    """`unit`, `contract`, `integration`, …: the folder of tests/ that holds the test."""
    return item.path.relative_to(HERE).parts[0]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # pytest-cov stops at what is not to be covered when nothing is.
    covered = not config.getoption("no_cov", default=False)
    for item in items:
        if kind(item) == "unit" and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(UNIT_SECONDS))
        if covered and (kind(item) != "unit" or item.get_closest_marker("untraced")):
            # Coverage is that of a room's own tests. A hundred examples, or an adapter once more, go where one of these has been,
            # and take more than twice as long when they are traced.
            item.add_marker(pytest.mark.no_cover)


# A worker of xdist would be traced twice: by pytest-cov for its options, and for its session. Only the second is what is reported.
@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    begun = coverage.Coverage.current()
    if begun is not None and hasattr(session.config, "workerinput"):
        begun.stop()


def pytest_collection_finish() -> None:
    """What was imported and collected stays: looking through it for garbage again and again is a tenth of the whole run."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def aws_identity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Who this process is for the SDK of AWS: somebody with keys, and nobody that this machine knows."""
    for name, value in isolate_identity(tmp_path).items():
        monkeypatch.setenv(name, value)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before any fixture of the test; pytest-socket lifts the block in its teardown.

    Unix sockets stay: an event loop wakes itself through a pair of them.
    """
    if kind(item) in WITHOUT_SOCKETS and item.get_closest_marker("enable_socket") is None:
        pytest_socket.disable_socket(allow_unix_socket=True)
