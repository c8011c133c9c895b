"""What the API says of sources, and to whom."""

from pathlib import Path

import pytest

from tests.doubles.api import running_api
from tests.doubles.verdicts import MOMENT
from watcher.model.moments import iso
from watcher.sources.protocol import Health, Intake

pytestmark = pytest.mark.enable_socket


class Told:
    """A source that only has a health."""

    def __init__(self, name: str, health: Health) -> None:
        self.name = name
        self.health = health

    async def run(self, intake: Intake) -> None:
        raise NotImplementedError


async def test_every_source_says_whether_it_hears(tmp_path: Path) -> None:
    """As it is now, in the order of the configuration, to whoever holds the token."""
    edge = Told("edge", Health(problem="the broker refuses us"))
    main = Told("main", Health(connected=True, last_event_at=MOMENT, lag_seconds=0.5))
    async with running_api(tmp_path, sources=[main, edge], api_token="the-token") as api:
        assert (await api.get("/api/v1/sources"))[0] == 401
        status, body = await api.get("/api/v1/sources", headers={"Authorization": "Bearer the-token"})
        assert status == 200
        first, second = body["sources"]
        assert first["last_event_at"].startswith(f"{MOMENT:%Y-%m-%dT%H:%M}")
        assert (first["name"], first["connected"], first["problem"], first["lag_seconds"]) == ("main", True, None, 0.5)
        assert (second["connected"], second["problem"], second["last_event_at"]) == (False, "the broker refuses us", None)


async def test_anybody_may_know_whether_it_hears(tmp_path: Path) -> None:
    """Readiness and metrics are asked for without a token, and hold no sentence. What is not known has no line."""
    edge = Told("edge", Health(problem="the broker at 10.0.0.7 refuses us"))
    main = Told("main", Health(connected=True, last_event_at=MOMENT, lag_seconds=0.5))
    async with running_api(tmp_path, sources=[main, edge], api_token="the-token") as api:
        _, ready = await api.get("/readyz")
        assert ready["sources"]["main"] == {"connected": True, "last_event_at": iso(MOMENT), "lag_seconds": 0.5}
        assert ready["sources"]["edge"] == {"connected": False, "last_event_at": None, "lag_seconds": None}
        _, metrics = await api.get("/metrics")
        shown = {line.split()[0]: float(line.split()[1]) for line in metrics.splitlines() if line.startswith("watcher_source_")}
        assert shown == {
            'watcher_source_connected{source="main"}': 1.0,
            'watcher_source_connected{source="edge"}': 0.0,
            'watcher_source_last_event_timestamp_seconds{source="main"}': MOMENT.timestamp(),
            'watcher_source_lag_seconds{source="main"}': 0.5,
        }
        main.health.connected = False
        assert 'watcher_source_connected{source="main"} 0.0' in (await api.get("/metrics"))[1]
