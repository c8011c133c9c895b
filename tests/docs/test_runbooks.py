"""Every alert has its runbook, and what a runbook tells to type exists."""

import contextlib
import re
import shlex
from pathlib import Path

import click
import pytest
import yaml

from watcher.cli.app import watcher

ROOT = Path(__file__).resolve().parents[2]
RUNBOOKS = ROOT / "docs" / "runbooks"
PAGES = sorted(path for path in RUNBOOKS.glob("*.md") if path.name != "README.md")
ALERTS = [
    rule["alert"]
    for group in yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
SOURCES = "\n".join(path.read_text() for path in (ROOT / "watcher").rglob("*.py"))
PATHS = [
    re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)) + "$")
    for path in re.findall(r"`(?:GET |POST )?(/[^`?]*)", (ROOT / "docs" / "reference" / "http.md").read_text())
]
METRICS = (ROOT / "docs" / "reference" / "metrics.md").read_text()
COMMANDS = {
    (page.stem, line)
    for page in PAGES
    for block in re.findall(r"```console\n(.*?)```", page.read_text(), re.DOTALL)
    for line in re.findall(r"^\$ (.+)$", block, re.MULTILINE)
}
INLINE = {(page.stem, line) for page in PAGES for line in re.findall(r"`(watcher [^`…]+)`", page.read_text())}


def test_every_alert_has_a_page_and_every_page_an_alert() -> None:
    """By its name, and in the list of all of them."""
    assert [page.stem for page in PAGES] == sorted(ALERTS)
    assert re.findall(r"^\| \[(\w+)\]\(\1\.md\)", (RUNBOOKS / "README.md").read_text(), re.MULTILINE) == ALERTS


def test_the_list_says_what_the_pages_say() -> None:
    """Their first sentence."""
    listed = dict(re.findall(r"^\| \[(\w+)\].*?\| \w+ \| (.*) \|$", (RUNBOOKS / "README.md").read_text(), re.MULTILINE))
    assert listed == {page.stem: page.read_text().split("\n")[2] for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_says_what_it_means_how_to_look_and_what_to_do(page: Path) -> None:
    """Under the alert's name: a person who was woken up looks for no other order."""
    text = page.read_text()
    assert re.findall(r"^#+ .+$", text, re.MULTILINE) == [f"# {page.stem}", "## Look", "## Do"]
    assert text.split("\n\n")[1], "what it means"
    assert "```console\n$ " in text.split("## Look")[1].split("## Do")[0]
    assert "\n- " in text.split("## Do")[1]


@pytest.mark.parametrize(("page", "line"), sorted(COMMANDS | INLINE))
def test_what_a_page_tells_to_type_exists(page: str, line: str) -> None:
    """Commands with their options, paths of the API, and events of the log."""
    del page
    words = shlex.split(line)
    match words:
        case ["watcher", *arguments]:
            parse(watcher, arguments)
        case ["curl", *_, "http://localhost:8080/metrics", "|", "grep", metric]:
            assert metric in METRICS, metric
        case ["curl", *_, url] if "localhost" in url:
            path = url.split("8080", 1)[1].split("?")[0]
            assert any(known.match(path) for known in PATHS), path
        case ["journalctl", "-u", "watcher", "|", "grep", event]:
            assert re.search(rf'"{re.escape(event)}[a-z_.]*"', SOURCES), event
        case _:
            assert words[0] in {"systemctl", "journalctl", "curl"}


def parse(command: click.Command, arguments: list[str]) -> None:
    """As the command line would, without running anything. What a text calls by its name alone may lack its arguments."""
    while isinstance(command, click.Group):
        _, found, arguments = command.resolve_command(click.Context(command), arguments)
        assert found is not None
        command = found
    with contextlib.suppress(click.MissingParameter):
        command.make_context(command.name, arguments)


@pytest.mark.parametrize("line", ["sweeps", "sweep --all-of-it", "dead-letters forget", "events list --limit many"])
def test_a_command_that_does_not_exist_is_seen(line: str) -> None:
    """The check above would be worth nothing otherwise."""
    with pytest.raises(click.UsageError):
        parse(watcher, line.split())
