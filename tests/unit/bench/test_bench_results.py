from pathlib import Path

import pytest

from bench.__main__ import BENCHES, PROJECT
from bench.results import COLLECTED, HEAD, Result, collected_from, markdown, table, told

SLOW = Result(what="scan", unit="s", ours=3.0, against="unpacking", other=1.5, most=1.8, of_ratio=True)
SMALL = Result(what="memory", unit="MiB", ours=64, most=128)
SHOWN = Result(what="time", unit="s", ours=0.0123, against="alone", other=0.01)


def test_every_bench_is_run() -> None:
    """A program of bench/ is one of `make bench`, or it is forgotten."""
    programs = {path.stem for path in (PROJECT / "bench").glob("*.py") if 'if __name__ == "__main__":' in path.read_text()}
    assert programs - {"__main__"} == {bench.file for bench in BENCHES.values()}


def test_a_budget_of_the_ratio_is_held_against_the_ratio() -> None:
    """What takes twice as long as its bound misses 1.8 times, however many seconds that are; a median of rounds goes before."""
    assert not SLOW.kept
    assert Result(what="scan", unit="s", ours=3.0, other=1.5, ratio=1.7, most=1.8, of_ratio=True).kept
    assert Result(what="rate", unit="/s", ours=90, other=100, least=0.4, of_ratio=True).kept


def test_without_a_bound_there_is_no_ratio_to_keep() -> None:
    """What was to be compared and was not is no budget that was kept."""
    assert not Result(what="scan", unit="s", ours=3.0, most=1.8, of_ratio=True).kept


def test_what_is_told_is_collected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Results of several benches end in one file; a missed budget is in the exit code."""
    collected = tmp_path / "results.jsonl"
    monkeypatch.setenv(COLLECTED, str(collected))
    assert told(SMALL, SHOWN) == 0
    assert told(SLOW) == 1
    assert collected_from(collected) == [SMALL, SHOWN, SLOW]
    assert "MISSED" in capsys.readouterr().out


def test_columns_stand_below_each_other() -> None:
    """One line for each result, with its bound, ratio and budget."""
    head, slow, small, shown = table([SLOW, SMALL, SHOWN])
    assert head.split() == list(filter(None, HEAD))
    assert slow.split() == ["scan", "3", "s", "1.50", "s", "unpacking", "2x", "≤", "1.80x", "MISSED"]
    assert small.split() == ["memory", "64", "MiB", "≤", "128", "MiB", "kept"]
    assert shown.split() == ["time", "0.0123", "s", "0.01", "s", "alone", "1.23x"]
    assert list(markdown([SMALL]))[2] == "| memory | 64 MiB |  |  | ≤ 128 MiB | kept |"
