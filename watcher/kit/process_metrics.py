"""What this process and its children use, and which program it is: looked up when somebody asks."""

import os
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from watcher.kit.version import REVISION, VERSION

_TICKS = os.sysconf("SC_CLK_TCK")


def add_process_metrics(registry: CollectorRegistry) -> None:
    """`process_*`, `python_*`, the children of this process, and `watcher_build_info`."""
    ProcessHere(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    registry.register(Children())
    registry.register(BuildInfo())


class ProcessHere(ProcessCollector):
    """Asks the clock when the machine was started: /proc/stat is hidden by `ProcSubset=pid` of systemd, and with it all was."""

    def _boot_time(self) -> float:
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


class BuildInfo(Collector):
    """Always 1: what counts are its labels."""

    def describe(self) -> Iterable[Metric]:
        return [self._family()]

    def collect(self) -> Iterable[Metric]:
        family = self._family()
        family.add_metric([VERSION, ".".join(map(str, sys.version_info[:3])), REVISION], 1)
        return [family]

    def _family(self) -> GaugeMetricFamily:
        labels = ("version", "python", "revision")
        return GaugeMetricFamily("watcher_build_info", "1; its labels say which program this is.", labels=labels)


class _Child(NamedTuple):
    parent: int
    cpu_seconds: float
    resident_bytes: int


class Children(Collector):
    """The processes that parse and judge, and whatever they started. Memory that two of them share counts for both."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc

    def describe(self) -> Iterable[Metric]:
        return [
            GaugeMetricFamily("watcher_children", "Child processes, those of children among them."),
            GaugeMetricFamily("watcher_children_resident_memory_bytes", "What they hold in memory."),
            CounterMetricFamily(
                "watcher_children_cpu_seconds", "What they used of the processors, those that have ended among them."
            ),
        ]

    def collect(self) -> Iterable[Metric]:
        count, memory, cpu = self.describe()
        alive = list(_descendants(os.getpid(), self._processes()))
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        count.add_sample(count.name, {}, len(alive))
        memory.add_sample(memory.name, {}, sum(each.resident_bytes for each in alive))
        seconds = ended.ru_utime + ended.ru_stime + sum(each.cpu_seconds for each in alive)
        cpu.add_sample(f"{cpu.name}_total", {}, seconds)
        return [count, memory, cpu]

    def _processes(self) -> Mapping[int, _Child]:
        """Every process that we may see. /proc/PID/task/TID/children would be less to read, and not every kernel has it."""
        found = {}
        for entry in os.scandir(self._proc):
            if entry.name.isdecimal():
                try:
                    # The name of the program may hold anything, spaces and brackets too; what comes after the last one is numbers.
                    words = Path(entry.path, "stat").read_bytes().rpartition(b")")[2].split()
                    found[int(entry.name)] = _Child(
                        parent=int(words[1]),
                        # Its own in user and system mode, and those of its children that have ended.
                        cpu_seconds=sum(map(int, words[11:15])) / _TICKS,
                        resident_bytes=int(words[21]) * resource.getpagesize(),
                    )
                except (OSError, ValueError, IndexError):
                    continue  # it has ended meanwhile
        return found


def _descendants(pid: int, processes: Mapping[int, _Child]) -> Iterator[_Child]:
    by_parent: dict[int, list[int]] = defaultdict(list)
    for child, each in processes.items():
        by_parent[each.parent].append(child)
    waiting = by_parent[pid]
    while waiting:
        child = waiting.pop()
        yield processes[child]
        waiting += by_parent.pop(child, [])
