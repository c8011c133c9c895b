"""docs/how-to/registries: a page for every kind of registry, on which everything can be typed as it stands."""

import json
import re
import shlex
from pathlib import Path

import msgspec
import pytest
import yaml
from click.testing import CliRunner

from watcher import settings
from watcher.cli.events import events
from watcher.dialects.catalog import DIALECTS
from watcher.registry.settings import RegistrySettings

ROOT = Path(__file__).parents[2]
HOW_TO = ROOT / "docs" / "how-to"
GOLDEN = ROOT / "tests" / "golden"
PAGES = {
    page.relative_to(HOW_TO).as_posix(): page.read_text()
    for page in [*HOW_TO.glob("registries/*.md"), HOW_TO / "watch-a-registry.md"]
}
PARSED = [line for page in PAGES.values() for line in re.findall(r"^\$ watcher (events parse .*)$", page, re.MULTILINE)]
REGISTRIES = [
    example
    for page in PAGES.values()
    for example in re.findall(r"```yaml\n(registries:.*?)```", page, re.DOTALL)
    if "sources:" not in example
]
WHOLE = [
    example
    for page in PAGES.values()
    for example in re.findall(r"```yaml\n(registries:.*?)```", page, re.DOTALL)
    if "sources:" in example
]


def test_every_dialect_is_set_up_and_described() -> None:
    """On a page, by what `watcher init` says of it, with what its events carry."""
    everything = "".join(PAGES.values())
    written = set(re.findall(r"^sources: \[\{type: \w+, dialect: (\w+),", everything, re.MULTILINE))
    assert written == DIALECTS.keys()
    # What `generic` carries is what its mapping says.
    assert set(re.findall(r"<!-- carries (\w+) -->", everything)) == DIALECTS.keys() - {"generic"}


def test_every_page_is_in_the_table() -> None:
    """Of the page that people choose from."""
    table = (HOW_TO / "sources.md").read_text().split("## Which source")[1].split("## ")[0]
    assert [name for name in PAGES if f"]({name})" not in table] == []


@pytest.mark.parametrize("name", sorted(PAGES))
def test_every_page_helps_when_nothing_comes(name: str) -> None:
    """It says how to see that it works, what is lost and what to look at."""
    assert "`watcher events list`" in PAGES[name] or "$ watcher events list" in PAGES[name]
    assert "type: sweep" in PAGES[name]
    assert re.search(r"^## (If nothing comes|What if)$", PAGES[name], re.MULTILINE)


@pytest.mark.parametrize("example", REGISTRIES)
def test_every_registry_that_is_shown_loads(example: str) -> None:
    """As it would be under `registries`."""
    (registries,) = yaml.safe_load(example).values()
    assert all(msgspec.convert(each, RegistrySettings).registry for each in registries)


@pytest.mark.parametrize("example", WHOLE)
def test_every_configuration_that_is_shown_loads(tmp_path: Path, example: str) -> None:
    """As the whole file."""
    path = tmp_path / "watcher.yaml"
    path.write_text(example)
    assert settings.load(path).sources


@pytest.mark.parametrize("command", PARSED)
def test_what_is_shown_of_captured_events_can_be_typed(tmp_path: Path, command: str) -> None:
    """Each on a recorded payload of its dialect."""
    arguments = shlex.split(command)[1:]
    suffix = arguments[-1].removeprefix("captured")
    dialect = arguments[arguments.index("--dialect") + 1]
    payload = next(
        path for path in sorted((GOLDEN / dialect).iterdir()) if path.name.endswith(suffix) and path.name != "expected.json"
    )
    captured = tmp_path / arguments[-1]
    captured.write_bytes(payload.read_bytes())
    ended = CliRunner().invoke(events, [*arguments[:-1], str(captured)], catch_exceptions=False)
    assert ended.exit_code == 0
    assert all(json.loads(line)["decision"] for line in ended.stdout.splitlines())
    assert ended.stdout
