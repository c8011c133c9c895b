"""What the process and its children use, and how large the store is."""

import subprocess
import sys
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from watcher.kit.process_metrics import Children, add_process_metrics
from watcher.kit.sqlite_files import DatabaseFiles
from watcher.kit.version import VERSION, revision_of

# It starts one that says that it runs, and waits for both to be ended.
A_CHILD_AND_ITS_CHILD = """
import subprocess, sys
subprocess.run([sys.executable, "-c", "sum(range(10**6)); print('ready', flush=True); input()"])
"""


def values(registry: CollectorRegistry) -> dict[str, float]:
    return {sample.name: sample.value for family in registry.collect() for sample in family.samples if not sample.labels}


def test_children_of_children_are_counted_with_what_they_use() -> None:
    """As long as they run; what they used of the processors stays."""
    registry = CollectorRegistry()
    registry.register(Children())
    before = values(registry)
    command = [sys.executable, "-c", A_CHILD_AND_ITS_CHILD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        during = values(registry)
        process.stdin.write(b"\n")
    after = values(registry)
    children, memory, cpu = "watcher_children", "watcher_children_resident_memory_bytes", "watcher_children_cpu_seconds_total"
    assert (during[children] - before[children], after[children] - before[children]) == (2, 0)
    assert during[memory] - before[memory] > 2 * 2**20
    assert after[cpu] > before[cpu]


def test_a_process_that_ends_while_it_is_looked_at_is_none(tmp_path: Path) -> None:
    """Its folder is there, and what was in it is not."""
    (tmp_path / "4711").mkdir()
    (tmp_path / "4712").mkdir()
    (tmp_path / "4712" / "stat").write_text("4712 (a) b) S 1")
    registry = CollectorRegistry()
    registry.register(Children(tmp_path))
    assert values(registry)["watcher_children"] == 0


def test_the_process_is_shown_where_the_machine_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """`ProcSubset=pid` of our systemd unit leaves no /proc/stat, from which the time of the start would be read."""
    original = open

    def hiding(file: object, *arguments: object, **named: object) -> object:
        if file == "/proc/stat":
            raise FileNotFoundError(2, "No such file or directory")
        return original(file, *arguments, **named)  # type: ignore[call-overload]

    monkeypatch.setattr("builtins.open", hiding)
    registry = CollectorRegistry()
    add_process_metrics(registry)
    shown = values(registry)
    assert shown["process_start_time_seconds"] > 1e9
    assert shown["process_cpu_seconds_total"] > 0


def test_it_says_which_program_it_is() -> None:
    """Its version and that of Python."""
    registry = CollectorRegistry()
    add_process_metrics(registry)
    (build,) = (sample for family in registry.collect() for sample in family.samples if sample.name == "watcher_build_info")
    assert (build.labels["version"], build.labels["python"].count("."), build.value) == (VERSION, 2, 1)


@pytest.mark.parametrize(
    ("origin", "told", "revision"),
    [
        ('{"url": "https://x", "vcs_info": {"vcs": "git", "commit_id": "c0ffee"}}', "", "c0ffee"),
        ('{"url": "https://x", "vcs_info": {"vcs": "git", "commit_id": "c0ffee"}}', "beef", "beef"),
        ('{"url": "file:///src", "dir_info": {"editable": true}}', "", ""),
        ("no JSON", "", ""),
        (None, "", ""),
    ],
)
def test_the_commit_is_known_where_somebody_said_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origin: str | None, told: str, revision: str
) -> None:
    """The image says it in its environment, and pip writes down what it took from git."""
    monkeypatch.setenv("WATCHER_REVISION", told)
    if origin is not None:
        (tmp_path / "direct_url.json").write_text(origin)
    assert revision_of(PathDistribution(tmp_path)) == revision


def test_a_store_is_as_large_as_its_files(tmp_path: Path) -> None:
    """The log is a file of its own, and may not be there; of a folder that is not there nobody knows how much is free."""
    path = tmp_path / "watcher.db"
    path.write_bytes(b"x" * 5)
    registry = CollectorRegistry()
    registry.register(DatabaseFiles(path))
    assert registry.get_sample_value("watcher_store_bytes", {"file": "database"}) == 5
    assert registry.get_sample_value("watcher_store_bytes", {"file": "log"}) == 0
    free = registry.get_sample_value("watcher_store_free_bytes")
    assert free is not None
    assert free > 0
    gone = CollectorRegistry()
    gone.register(DatabaseFiles(tmp_path / "nowhere" / "watcher.db"))
    assert gone.get_sample_value("watcher_store_bytes", {"file": "database"}) == 0
    assert gone.get_sample_value("watcher_store_free_bytes") is None
