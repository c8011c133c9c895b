"""What commands print where there is no terminal: a record a line, whole; and a reader that goes away."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest

from tests.doubles.databases import open_database
from tests.doubles.routes import nobody
from tests.doubles.terminal import at_a_terminal
from tests.doubles.verdicts import FINDING, MOMENT, SUBJECT, a_verdict
from tests.unit.cli.conftest import Run
from watcher.backlog.protocol import Arrival, Dead, Lane
from watcher.backlog.sqlite import SqliteBacklog
from watcher.cli.app import watcher as root
from watcher.kit.clock import utc_now
from watcher.model.digest import Digest
from watcher.model.push import Push, Pushed
from watcher.model.quarantine import Quarantine, QuarantineState
from watcher.model.reference import RepositoryName
from watcher.store.protocol import Judged
from watcher.store.quarantines import StoredQuarantines
from watcher.store.verdicts import StoredVerdicts

# Names as long as they may be, and sentences that no terminal has room for.
LONG = RepositoryName("/".join(["team-with-a-rather-long-name"] * 8))
DIGEST = Digest("sha256:" + "d" * 64)
SENTENCE = " ".join(["one sentence after another"] * 40)
IMAGE = f"{SUBJECT.registry}/{LONG}@{DIGEST}"
# What they print is for programs already, is a page to look at, or runs until it is ended.
NO_JSON = {"run", "demo", "completion", "config schema", "policy schema", "events parse"}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    (tmp_path / "watcher.yaml").write_text(
        f"store: {{url: 'sqlite:///{tmp_path}/watcher.db'}}\nregistries: [{{host: {SUBJECT.registry}}}]\n"
    )
    asyncio.run(_fill(tmp_path / "watcher.db"))
    return tmp_path


async def _fill(path: Path) -> None:
    subject = replace(SUBJECT, repository=LONG, digest=DIGEST)
    finding = replace(FINDING, message=SENTENCE, remediation=f"First {SENTENCE}\n  then stop.")
    async with open_database(path) as database:
        verdict = a_verdict(subject=subject, tag=None, findings=(finding, replace(finding, key="2", message="another")))
        await StoredVerdicts(database, utc_now).record([Judged(verdict=verdict)], nobody)
        await StoredQuarantines(database).keep(_quarantine())
        backlog = SqliteBacklog(database, utc_now)
        push = Push(registry=SUBJECT.registry, repository=LONG, digest=DIGEST)
        await backlog.put([Arrival(source="main", decision=Pushed(push=push), delivery_key="k", received_at=utc_now(), job_id="j")])
        for job in await backlog.lease(list(Lane), 1):
            await backlog.settle(job, Dead(reason="registry-refused", detail=SENTENCE))


def _quarantine() -> Quarantine:
    return Quarantine(
        publisher="block",
        registry=SUBJECT.registry,
        repository=LONG,
        digest=DIGEST,
        state=QuarantineState.IN_FORCE,
        reason=SENTENCE,
        verdict_id="v-1",
        began_at=MOMENT,
        changed_at=MOMENT,
    )


@pytest.mark.parametrize(
    ("command", "whole"),
    [
        (("events", "list"), (IMAGE,)),
        (("dead-letters", "list"), (IMAGE, SENTENCE)),
        (("quarantine", "list"), (str(LONG), DIGEST, SENTENCE)),
        (("ledger", f"{SUBJECT.registry}/{LONG}", "--all"), ()),
        (("verdict", "show", IMAGE), (SENTENCE, "then stop.", DIGEST)),
    ],
    ids=lambda each: "-".join(each[:2]),
)
def test_a_record_is_a_line_and_whole(command: tuple[str, ...], whole: tuple[str, ...], watcher: Run, store: Path) -> None:
    """Nothing is wrapped, padded, drawn or cut, whatever the width that the environment names."""
    ended = watcher(*command, "-c", store / "watcher.yaml")
    lines = ended.out.splitlines()
    for expected in whole:
        assert any(expected in line for line in lines)
    assert [line for line in lines if line != line.rstrip() or "  " in line.strip() or not line.strip()] == []
    assert not {"…", "│", "─", "━", "\x1b"} & set(ended.out)


def test_a_list_has_its_headings_and_a_line_for_each(watcher: Run, store: Path) -> None:
    """With a tab between fields, in the order of the headings."""
    heading, row = (line.split("\t") for line in watcher("events", "list", "-c", store / "watcher.yaml").out.splitlines())
    assert heading == ["ID", "received", "source", "fate", "image", "job", "became"]
    assert dict(zip(heading, row, strict=True))["image"] == IMAGE


def test_a_finding_is_a_line(watcher: Run, store: Path) -> None:
    """Below its verdict, whose outcome is in capitals: `grep ^fail` has findings, `grep ^FAIL` images."""
    shown = watcher("verdict", "show", IMAGE, "-c", store / "watcher.yaml").out
    verdict, *findings = (line.split("\t") for line in shown.splitlines())
    assert verdict[:1] + verdict[3:] == ["FAIL", DIGEST]
    assert [fields[:2] for fields in findings] == [["fail", FINDING.rule], ["fail", FINDING.rule]]


def test_colours_that_are_asked_for_change_no_line(watcher: Run, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FORCE_COLOR makes no terminal of a pipe, as in the logs of CI."""
    command = ("verdict", "show", IMAGE, "-c", store / "watcher.yaml")
    plain = watcher(*command).out
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "40")
    coloured = watcher(*command).out
    assert "\x1b[" in coloured
    assert len(coloured.splitlines()) == len(plain.splitlines())


def test_a_terminal_has_columns_that_fit(store: Path) -> None:
    """What is too long for one is wrapped there, and a digest shown by its beginning."""
    command = [sys.executable, "-m", "watcher", "dead-letters", "list", "-c", str(store / "watcher.yaml")]
    code, shown = at_a_terminal(command, columns=80)
    assert code == 0
    assert max(map(len, shown.splitlines())) <= 80
    assert DIGEST not in shown
    assert "─" in shown


def test_a_reader_that_goes_away_changes_no_exit_code(store: Path) -> None:
    """`| head -1` of an image that fails: 1 as ever, and no word about the pipe."""
    watcher = [sys.executable, "-m", "watcher", "verdict", "show", IMAGE, "-c", str(store / "watcher.yaml")]
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(watcher, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (1, "")


@pytest.mark.parametrize("command", [["--version"], ["verdict", "show", IMAGE, "-c", "watcher.yaml"]])
def test_what_cannot_be_written_is_no_outcome(store: Path, command: list[str]) -> None:
    """Of a disk that is full one line is said, and 3 whatever was found; where that cannot be said either, 3 all the same."""
    watcher = [sys.executable, "-m", "watcher", *command]
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        ended = subprocess.run(watcher, cwd=store, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        silent = subprocess.run(watcher, cwd=store, stdout=full, stderr=full, timeout=60, check=False)
    assert ended.stderr == "watcher: standard output cannot be written: No space left on device\n"
    assert (ended.returncode, silent.returncode) == (3, 3)


def test_what_is_printed_for_people_is_printed_for_programs() -> None:
    """Every command has `-o json`, but for those that print nothing else."""
    without = {
        name
        for name, command in _commands(root, ())
        if not any("--output" in each.opts and "json" in _choices(each) for each in command.params)
    }
    assert without == NO_JSON


def test_one_module_knows_what_is_printed_to() -> None:
    """Whoever made a console of its own would wrap at 80 columns where there is no terminal."""
    modules = Path(root.callback.__code__.co_filename).parent.glob("*.py") if root.callback else ()
    assert [each.name for each in modules if "Console(" in each.read_text(encoding="utf-8")] == ["terminal.py"]


def test_settings_and_copies_are_told_to_programs(watcher: Run, store: Path) -> None:
    """What was written and what is configured, as one object."""
    config = ("-c", store / "watcher.yaml")
    assert json.loads(watcher("config", "check", "-o", "json", *config).out)["registries"] == [SUBJECT.registry]
    backup = json.loads(watcher("store", "backup", store / "copy.db", "-o", "json", *config).out)
    assert backup == {"file": str(store / "copy.db"), "bytes": (store / "copy.db").stat().st_size}
    assert json.loads(watcher("dead-letters", "replay", "--all", "-o", "json", *config).out) == {"replayed": 1}
    replayed = json.loads(watcher("events", "replay", "1", "-o", "json", *config).out)
    assert replayed == {"accepted": 0, "duplicates": 1, "ignored": 0, "rejected": 0, "cut": 0}


def _commands(group: click.Group, path: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


def _choices(option: click.Parameter) -> Any:
    return option.type.choices if isinstance(option.type, click.Choice) else ()
