"""The page of metrics is written by hand; it lists what there is."""

import re
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from watcher.kit.certificate_metrics import CertificateMetrics
from watcher.kit.metrics import Metrics
from watcher.kit.process_metrics import add_process_metrics
from watcher.kit.reload_metrics import ReloadMetrics
from watcher.kit.sqlite_files import DatabaseFiles

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "metrics.md"
ROW = re.compile(r"^\| `(watcher_\w+)` \| (\w+) \|([^|]*)\|", re.MULTILINE)


def labels(collector: Collector, family: Metric) -> tuple[str, ...]:
    """The collector or its family knows them, by a private name."""
    return tuple(getattr(collector, "_labelnames", ()) or getattr(family, "_labelnames", ()))


def test_every_metric_is_documented_with_its_labels() -> None:
    """Name, type and labels of each, and nothing that is no longer there."""
    listed = {(name, kind, tuple(re.findall(r"`(\w+)`", cell))) for name, kind, cell in ROW.findall(PAGE.read_text())}
    registry = Metrics().registry
    add_process_metrics(registry)
    ReloadMetrics(registry)
    CertificateMetrics(registry)
    registry.register(DatabaseFiles(PAGE))
    there = {
        (family.name + ("_total" if family.type == "counter" else ""), family.type, labels(collector, family))
        for collector in registry._collector_to_names
        if hasattr(collector, "describe")
        for family in collector.describe()
        if family.name.startswith("watcher_")
    }
    assert listed == there


def test_what_the_client_library_shows_is_named() -> None:
    """Every metric of the process and of Python, one by one or by what their names begin with."""
    registry = CollectorRegistry()
    add_process_metrics(registry)
    named = re.findall(r"`((?:process|python)_\w+)\*?`", PAGE.read_text())
    shown = [family.name + ("_total" if family.type == "counter" else "") for family in registry.collect()]
    assert [name for name in shown if not name.startswith(("watcher_", *named))] == []
    assert [name for name in named if not any(each.startswith(name) for each in shown)] == []
