"""What anybody may know of those who are told of verdicts."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.doubles.api import running_api
from tests.doubles.routes import sending
from tests.doubles.verdicts import MOMENT, a_verdict
from watcher.model.moments import iso
from watcher.publishing.protocol import Standing
from watcher.store.protocol import Judged

pytestmark = pytest.mark.enable_socket

THERE = {
    "chat": Standing(held="quiet-hours", last_published_at=MOMENT),
    "hook": Standing(reachable=False, problem="receiver-unavailable"),
}


async def test_readiness_says_how_every_destination_is(tmp_path: Path) -> None:
    """One that does not answer makes the daemon degraded: events are taken in all the same."""
    async with running_api(tmp_path, destinations=THERE) as api:
        status, ready = await api.get("/readyz")
    assert (status, ready["status"], ready["down"]) == (200, "degraded", {"publisher-hook": "unreachable"})
    assert ready["destinations"] == {
        "chat": {"reachable": True, "problem": None, "held": "quiet-hours", "last_published_at": iso(MOMENT)},
        "hook": {"reachable": False, "problem": "receiver-unavailable", "held": None, "last_published_at": None},
    }


async def test_metrics_say_since_when_a_destination_waits(tmp_path: Path) -> None:
    """By the oldest verdict that it was not told; who is not to be told now is not late."""
    async with running_api(tmp_path, destinations=THERE) as api:
        for number in (1, 2):
            said = a_verdict(id=f"v-{number}", evaluated_at=api.clock() + timedelta(minutes=number))
            await api.verdicts.record([Judged(verdict=said)], sending({said.id: ["hook"] if number == 2 else ["hook", "chat"]}))
        api.clock.advance(600.0)
        _, metrics = await api.get("/metrics")
    lines = dict(line.rsplit(" ", 1) for line in str(metrics).splitlines() if not line.startswith("#"))
    assert lines['watcher_outbox_oldest_seconds{publisher="hook"}'] == "480.0"
    assert lines['watcher_publisher_held{publisher="chat"}'] == "1.0"
    assert lines['watcher_publisher_held{publisher="hook"}'] == "0.0"
    assert float(lines['watcher_publisher_last_published_timestamp_seconds{publisher="chat"}']) == MOMENT.timestamp()
    assert 'watcher_publisher_last_published_timestamp_seconds{publisher="hook"}' not in lines
