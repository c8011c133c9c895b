"""The page of metrics is written by hand; it lists what there is."""

import re
from pathlib import Path

from watcher.kit.metrics import Metrics

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "metrics.md"
ROW = re.compile(r"^\| `(watcher_\w+)` \| (\w+) \|([^|]*)\|", re.MULTILINE)


def test_every_metric_is_documented_with_its_labels() -> None:
    """Name, type and labels of each, and nothing that is no longer there."""
    listed = {(name, kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in ROW.findall(PAGE.read_text())}
    metrics = Metrics()
    # A collector knows its labels only by a private name; describe() gives families without them.
    there = {
        (family.name + ("_total" if family.type == "counter" else ""), family.type, tuple(collector._labelnames))  # type: ignore[attr-defined]
        for collector in metrics.registry._collector_to_names
        for family in collector.describe()  # type: ignore[attr-defined]
    }
    assert listed == there
