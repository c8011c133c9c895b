"""What the configuration names is counted from 0."""

from pathlib import Path

import pytest

from watcher.counted import DEAD, FREQUENT, REFUSED, RESULTS, show_from_start
from watcher.kit.metrics import Metrics
from watcher.settings import load

ROOT = Path(__file__).parents[3]
SOURCES = "\n".join(path.read_text() for path in (ROOT / "watcher").rglob("*.py") if path.name != "counted.py")
CONFIGURATION = """
registries: [{host: registry.example.com}]
sources:
  - {type: webhook, dialect: harbor, auth: {type: none}}
  - {type: sweep, name: nightly}
publish: [{type: log}]
canaries: [{registry: registry.example.com, repository: watched/canary}]
admission: {}
"""


@pytest.fixture
def metrics(tmp_path: Path) -> Metrics:
    path = tmp_path / "watcher.yaml"
    path.write_text(CONFIGURATION)
    metrics = Metrics()
    show_from_start(metrics, load(path))
    return metrics


@pytest.mark.parametrize(
    "series",
    [
        'watcher_events_total{decision="accepted",reason="",source="harbor"}',
        'watcher_events_total{decision="rejected",reason="host-mismatch",source="harbor"}',
        'watcher_events_total{decision="accepted",reason="",source="nightly"}',
        'watcher_publications_total{publisher="log",result="failed"}',
        'watcher_registry_requests_total{registry="registry.example.com",status="error"}',
        'watcher_canaries_total{registry="registry.example.com",result="late"}',
        'watcher_canary_seconds_count{registry="registry.example.com"}',
        'watcher_admission_answers_total{decision="denied",reason="fail"}',
        'watcher_jobs_total{lane="sweep",result="not-applicable"}',
        'watcher_store_errors_total{reason="disk-full"}',
        'watcher_outbox_publications{publisher="log",state="failed"}',
    ],
)
def test_it_is_there_before_anything_happens(metrics: Metrics, series: str) -> None:
    """A counter that begins with 1 has no increase."""
    assert f"\n{series} 0.0\n" in metrics.exposition().decode()


def test_a_sweep_is_sent_nothing_that_could_be_wrong(metrics: Metrics) -> None:
    """What nobody can send it has no line."""
    assert 'decision="rejected",reason="invalid-json",source="nightly"' not in metrics.exposition().decode()


def test_what_is_known_of_the_store_is_not_shown_while_nobody_knows(metrics: Metrics) -> None:
    """A lane that became empty has 0 again, and an unreadable store no numbers, not even those."""
    metrics.show_backlog({("push", "waiting"): 2}, {"push": 4.0})
    metrics.show_backlog({}, {})
    assert 'watcher_backlog_jobs{lane="push",state="waiting"} 0.0' in metrics.exposition().decode()
    metrics.forget_backlog()
    assert "watcher_backlog_jobs{" not in metrics.exposition().decode()


def test_reasons_are_those_that_there_are() -> None:
    """A word that nobody says would be a 0 for ever, and what is meant by it have none."""
    hooks = (ROOT / "docs" / "reference" / "http.md").read_text()
    for fate, reasons in FREQUENT.items():
        listed = [line for line in hooks.splitlines() if line.startswith(f"| {fate.value} |")]
        assert [reason for reason in reasons if not any(f"`{reason}`" in line for line in listed)] == []
    assert [word for word in (*REFUSED, *RESULTS, *DEAD) if f'"{word}"' not in SOURCES] == []
