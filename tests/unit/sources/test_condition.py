"""Three things fail apart from each other: hearing, storing, settling. Each is told once, and shown until it passes."""

from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from tests.doubles.hand_clock import HandClock
from watcher.model.errors import ConfigurationError, RetryableError
from watcher.sources.condition import Condition
from watcher.sources.protocol import SourceError


class RefusedError(SourceError):
    reason = "refused"
    for_a_person = True


def condition() -> Condition:
    return Condition("edge", HandClock())


def test_a_source_is_not_connected_before_and_after() -> None:
    """And says why in a word, as it does while it connects."""
    edge = condition()
    assert (edge.health.connected, edge.health.problem) == (False, "not started")
    with edge.listening():
        assert (edge.health.connected, edge.health.problem, edge.hears) == (False, "connecting", False)
        edge.heard()
        assert (edge.health.connected, edge.health.problem, edge.hears) == (True, "", True)
    assert (edge.health.connected, edge.health.problem) == (False, "stopped")


def test_every_change_is_one_line() -> None:
    """However often the same is found again."""
    edge = condition()
    with capture_logs() as lines, edge.listening():
        for _ in range(3):
            edge.heard(host="broker")
        for _ in range(3):
            edge.heard_nothing(SourceError("gone"))
        for _ in range(3):
            edge.heard_nothing(RefusedError("the password is wrong"))
        edge.heard()
        for _ in range(3):
            edge.postponed(RetryableError("disk full"))
        for _ in range(3):
            edge.stored()
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("source.connected", "info"),
        ("source.disconnected", "warning"),
        ("source.disconnected", "error"),
        ("source.connected", "info"),
        ("delivery.postponed", "warning"),
        ("source.recovered", "info"),
    ]
    assert (lines[0]["host"], lines[2]["reason"], lines[2]["detail"]) == ("broker", "refused", "the password is wrong")


@pytest.mark.parametrize("error", [RefusedError("no such queue"), ConfigurationError("ca_file is gone")])
def test_what_a_person_must_change_is_an_error(error: SourceError | ConfigurationError) -> None:
    """Nothing else is: whoever is woken up can do something."""
    edge = condition()
    with capture_logs() as lines, edge.listening():
        edge.heard_nothing(error)
        edge.heard_nothing(SourceError("gone"))
    assert [line["log_level"] for line in lines] == ["error", "warning"]


def test_what_is_worse_is_shown_first() -> None:
    """What passes uncovers what does not."""
    edge = condition()
    with edge.listening():
        edge.unsettled(SourceError("may not delete"))
        edge.postponed(RetryableError("disk full"))
        edge.heard_nothing(SourceError("gone"))
        assert (edge.health.connected, edge.health.problem) == (False, "gone")
        edge.heard()
        assert (edge.health.connected, edge.health.problem) == (False, "events cannot be taken in now: disk full")
        edge.stored()
        assert edge.health.connected
        assert edge.health.problem.endswith("they cannot be acknowledged: may not delete")
        edge.settled()
        assert edge.health.problem == ""


def test_messages_that_cannot_be_acknowledged_do_not_flood_the_log() -> None:
    """With exactly-once delivery it may be every other one."""
    edge = condition()
    with capture_logs() as lines, edge.listening():
        for _ in range(100):
            edge.unsettled(SourceError("too late"), message_id="7")
            edge.settled()
    assert [(line["event"], line["message_id"]) for line in lines] == [("acknowledgement.failed", "7")]


@pytest.mark.parametrize(("sent", "lag_seconds"), [(-3, 3.0), (600, 0.0)])
def test_a_clock_that_is_behind_makes_no_negative_lag(sent: int, lag_seconds: float) -> None:
    """The broker's clock may be ten minutes ahead of ours."""
    clock = HandClock()
    edge = Condition("edge", clock)
    edge.stored(clock() + timedelta(seconds=sent))
    assert (edge.health.last_event_at, edge.health.lag_seconds) == (clock(), lag_seconds)
