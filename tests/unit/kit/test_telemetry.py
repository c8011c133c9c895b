import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from watcher.kit.metrics import Metrics
from watcher.kit.telemetry import HIDDEN, configure_logging


@pytest.fixture(autouse=True)
def the_logging_of_other_tests() -> Iterator[None]:
    """Nothing that a test sets up here is heard in the next one."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_log_that_is_no_terminal_is_json() -> None:
    """One object a line, ours and libraries' alike, with level, time and logger."""
    stream = io.StringIO()
    configure_logging(stream=stream)
    with structlog.contextvars.bound_contextvars(job="j1"):
        structlog.get_logger("watcher.x").info("verdict.recorded", findings=3)
    logging.getLogger("library").warning("it is %s", "late", extra={"seconds": 4})
    logging.getLogger("library").info("aloud")
    ours, theirs, aloud = lines(stream)
    assert (ours["event"], ours["findings"], ours["job"], ours["level"], ours["logger"]) == (
        "verdict.recorded",
        3,
        "j1",
        "info",
        "watcher.x",
    )
    assert (theirs["event"], theirs["seconds"], theirs["level"], aloud["event"]) == ("it is late", 4, "warning", "aloud")
    assert ours["timestamp"].endswith("Z")


def test_what_is_below_the_level_is_not_written() -> None:
    """Ours, a library's, and the chatter of those that log every request."""
    stream = io.StringIO()
    configure_logging(level="info", stream=stream)
    structlog.get_logger("watcher.x").debug("request.answered")
    logging.getLogger("library").debug("noise")
    logging.getLogger("aiohttp.access").info("GET /hooks/main/TOKEN")
    assert stream.getvalue() == ""


def test_a_terminal_gets_columns() -> None:
    """For eyes, without braces."""
    stream = io.StringIO()
    configure_logging(stream=stream, as_json=False)
    structlog.get_logger("watcher.x").info("verdict.recorded", outcome="fail")
    assert "verdict.recorded" in stream.getvalue()
    assert "{" not in stream.getvalue()


@pytest.mark.parametrize(
    "fields",
    [
        {"authorization": "Bearer hunter2"},
        {"password": "hunter2"},
        {"hook_secret": "hunter2"},
        {"api_token": "hunter2"},
        {"detail": "sent Authorization: Bearer hunter2"},
        {"detail": "sent Basic hunter2=="},
        {"url": "https://user:hunter2@registry.example.com/v2/"},
        {"path": "/hooks/main/hunter2"},
        {"images": [{"image": "https://user:hunter2@registry.example.com/app"}]},
        {"headers": {"authorization": "Bearer hunter2"}},
        {"path": "POST /k8s/admission/hunter2 HTTP/1.1"},
    ],
)
@pytest.mark.parametrize("as_json", [True, False])
def test_a_secret_that_slips_in_does_not_get_out(fields: dict[str, Any], as_json: bool) -> None:
    """By the name of its field, or by the form in which secrets travel."""
    stream = io.StringIO()
    configure_logging(stream=stream, as_json=as_json)
    structlog.get_logger("watcher.x").info("thing.happened", **fields)
    assert "hunter2" not in stream.getvalue()
    assert HIDDEN in stream.getvalue()


def test_a_terminal_is_not_written_over() -> None:
    """What cannot be printed of a name is seen as its escape, and a traceback keeps its lines."""
    stream = io.StringIO()
    configure_logging(stream=stream, as_json=False)
    try:
        raise ValueError("a")
    except ValueError:
        structlog.get_logger("watcher.x").exception("e.vent", image="evil\x1b[2J", other="a b\x1b[2J\nx")
    logging.getLogger("library").warning("it is \x1b[2J")
    assert "\x1b" not in stream.getvalue()
    assert stream.getvalue().count("evil\\x1b[2J") == 1
    assert "\nTraceback" in stream.getvalue()


def test_a_traceback_does_not_show_a_secret() -> None:
    """Neither in its message nor in its local variables."""
    for as_json in (True, False):
        stream = io.StringIO()
        configure_logging(stream=stream, as_json=as_json)
        local = "Bearer hunter2"
        try:
            raise ValueError(f"sent {local}")
        except ValueError:
            structlog.get_logger("watcher.x").exception("job.crashed")
        assert "ValueError" in stream.getvalue()
        assert "hunter2" not in stream.getvalue()


def test_a_count_of_secrets_is_no_secret() -> None:
    """Only text can be one."""
    stream = io.StringIO()
    configure_logging(stream=stream)
    structlog.get_logger("watcher.x").info("image.inspected", secrets=3)
    assert lines(stream)[0]["secrets"] == 3


def test_two_sets_of_metrics_do_not_meet() -> None:
    """Each process, and each test, has its own registry."""
    one, other = Metrics(), Metrics()
    one.verdicts.labels("fail").inc()
    assert b'watcher_verdicts_total{outcome="fail"} 1.0' in one.exposition()
    assert b"watcher_verdicts_total{" not in other.exposition()


def test_counters_have_no_second_series() -> None:
    """Of when they began: that is when the process did."""
    metrics = Metrics()
    metrics.count_verdict("fail")
    assert b"_created" not in metrics.exposition()


def test_the_backlog_is_shown_as_it_is() -> None:
    """A lane that has become empty has no line, and an unreadable store no numbers."""
    metrics = Metrics()
    metrics.show_backlog({("push", "waiting"): 2}, {"push": 4.0})
    assert b'watcher_backlog_jobs{lane="push",state="waiting"} 2.0' in metrics.exposition()
    metrics.show_backlog({("ci", "leased"): 1}, {})
    assert b'lane="push"' not in metrics.exposition()
    metrics.forget_backlog()
    assert b"lane=" not in metrics.exposition()
