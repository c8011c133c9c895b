"""`watcher advisories`: data in, and what is there."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.doubles.advisory_data import at, encoded, osv, until
from watcher.cli.app import watcher

CURL = osv("CVE-2026-1", at("Debian:12", "curl", *until("7")))


@pytest.fixture
def configured(tmp_path: Path) -> list[str]:
    """A configuration whose data are beside it, not beside whoever calls."""
    (tmp_path / "watcher.yaml").write_text("advisories: {path: data.db, max_age: 24h}\n")
    return ["-c", str(tmp_path / "watcher.yaml"), "advisories"]


def test_without_data_the_status_says_what_to_do(configured: list[str]) -> None:
    result = CliRunner().invoke(watcher, [*configured, "status"])
    assert "watcher advisories update" in result.output


def test_the_table_of_distributions_has_an_age_without_data_too(configured: list[str]) -> None:
    """It comes along with the program."""
    assert "distributions: a table of 20" in CliRunner().invoke(watcher, [*configured, "status"]).output
    result = CliRunner().invoke(watcher, [*configured, "status", "-o", "json"])
    assert json.loads(result.output)["lifecycles"]["distributions"] > 10


def test_what_is_imported_has_a_status(configured: list[str], tmp_path: Path) -> None:
    """What is covered, how old it is, and whether that is too old."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(encoded(CURL) + b"{\n")
    result = CliRunner().invoke(watcher, [*configured, "import", str(path)])
    assert result.exit_code == 0, result.output
    assert "1 record of osv:Debian: 1 new" in result.output
    assert f"skipped {path}:2" in result.output
    assert (tmp_path / "data.db").is_file()
    shown = json.loads(CliRunner().invoke(watcher, [*configured, "status", "-o", "json"]).output)
    assert [(each["covers"], each["advisories"], each["stale"]) for each in shown["feeds"]] == [("Debian", 1, False)]
    assert shown["ecosystems"] == {"Debian:12": 1}


def test_old_data_are_stale(configured: list[str], tmp_path: Path) -> None:
    """A file is as old as its time of change says, and --as-of says it better."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(encoded(CURL))
    os.utime(path, (0, 0))
    CliRunner().invoke(watcher, [*configured, "import", str(path)])
    assert "stale" in CliRunner().invoke(watcher, [*configured, "status"]).output
    result = CliRunner().invoke(watcher, [*configured, "import", str(path), "--as-of", "2026-01-01", "-o", "json"])
    assert json.loads(result.output)["unchanged"] == 1
    shown = json.loads(CliRunner().invoke(watcher, [*configured, "status", "-o", "json"]).output)
    assert shown["feeds"][0]["as_of"] == "2026-01-01T00:00:00Z"
