"""How large a database is, and how much room it has left: looked up when somebody asks."""

import math
from collections.abc import Iterable
from pathlib import Path

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from watcher.kit.sqlite_trouble import free_bytes


def file_bytes(path: Path) -> dict[str, int]:
    """The `database` itself and its `log`, which is written first; 0 for one that is not there."""
    return {"database": _size(path), "log": _size(Path(f"{path}-wal"))}


class DatabaseFiles(Collector):
    """Metrics of the files at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def describe(self) -> Iterable[Metric]:
        return [
            GaugeMetricFamily("watcher_store_bytes", "Size of the store's files (database, log).", labels=("file",)),
            GaugeMetricFamily("watcher_store_free_bytes", "What is free for it on its file system."),
        ]

    def collect(self) -> Iterable[Metric]:
        size, free = self.describe()
        for file, number in file_bytes(self._path).items():
            size.add_sample(size.name, {"file": file}, number)
        room = free_bytes(self._path)
        if not math.isinf(room):  # what is not known has no line
            free.add_sample(free.name, {}, room)
        return [size, free]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
