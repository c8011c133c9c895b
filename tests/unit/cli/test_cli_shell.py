"""How much is said, which program says it, and what a shell completes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import BashComplete

from tests.doubles.pushing import write_layout
from tests.unit.cli.conftest import Run
from watcher.cli.app import watcher as root
from watcher.kit.version import VERSION
from watcher.testing.images import build_image, build_layer

CONFIGURATION = """
registries: [{host: registry.example.com}]
sources: [{name: main, type: webhook, dialect: distribution, auth: {type: none}}]
environments: [{name: production, images: ["**"]}]
publish: [{name: attached, type: referrer}]
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "watcher.yaml"
    path.write_text(CONFIGURATION)
    return path


def test_which_program_this_is(watcher: Run) -> None:
    """For people and for programs."""
    said = json.loads(watcher("version", "-o", "json").out)
    assert (said["version"], said["python"].split(".")) == (VERSION, list(map(str, sys.version_info[:3])))
    assert ["version", VERSION] in [line.split("\t") for line in watcher("version").out.splitlines()]


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["sc"], ["scan"]),
        (["scan", "--pack", "vul"], ["vulnerabilities"]),
        (["scan", "--environment", ""], ["production"]),
        (["init", "--dialect", "har"], ["harbor"]),
        (["notify", "test", ""], ["attached"]),
        (["sweep", "--registry", "reg"], ["registry.example.com"]),
        (["events", "replay", "--source", "m"], ["main"]),
        (["completion", "z"], ["zsh"]),
    ],
    ids="-".join,
)
def test_what_is_typed_is_completed(typed: list[str], offered: list[str], config: Path) -> None:
    """Commands, what is shipped, and what the configuration names."""
    assert config.exists()
    completing = BashComplete(root, {}, "watcher", "_WATCHER_COMPLETE")
    assert [each.value for each in completing.get_completions(typed[:-1], typed[-1])] == offered


def test_a_configuration_may_be_named_or_wrong(config: Path, tmp_path: Path) -> None:
    """The one that is named counts, and nothing is offered of one that cannot be read."""
    completing = BashComplete(root, {}, "watcher", "_WATCHER_COMPLETE")
    (tmp_path / "other.yaml").write_text(CONFIGURATION.replace("attached", "elsewhere"))
    named = completing.get_completions(["notify", "test", "-c", str(tmp_path / "other.yaml")], "")
    assert [each.value for each in named] == ["elsewhere"]
    config.write_text("publish: 7")
    assert completing.get_completions(["notify", "test"], "") == []


def test_bash_takes_the_script(tmp_path: Path) -> None:
    """It reads what is printed, and asks the program by it."""
    program = tmp_path / "watcher"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m watcher "$@"\n')
    program.chmod(0o755)
    typed = f"""
        source <({program} completion bash)
        COMP_WORDS=(watcher sw) COMP_CWORD=1
        _watcher_completion {program}
        echo "${{COMPREPLY[@]}}"
    """
    ended = subprocess.run(["bash", "-c", typed], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.stdout, ended.stderr) == ("sweep\n", "")


def test_verbose_shows_the_log_and_quiet_no_word(watcher: Run, tmp_path: Path) -> None:
    """On stderr both; what was asked for is on stdout either way."""
    layout = write_layout(tmp_path / "app", build_image([build_layer({"a": "b"})]))
    plain, quiet, verbose = (watcher(*flag, "scan", f"oci:{layout}") for flag in ((), ("-q",), ("-v",)))
    assert plain.out == quiet.out == verbose.out
    assert (plain.err, quiet.err) == ("", "")
    assert "layer.read" in verbose.err
    assert "layer.read" in watcher("scan", "--verbose", f"oci:{layout}").err
