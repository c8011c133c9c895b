"""docs/how-to/sources.md tells of every dialect; what it and the pages beside and below it show of sources loads."""

import json
import re
from pathlib import Path

import pytest

from watcher import settings
from watcher.dialects.catalog import DIALECTS, build_dialect
from watcher.dialects.protocol import Delivery
from watcher.model.push import Pushed
from watcher.model.reference import Host
from watcher.sources.binding import EventSourceSettings

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
PAGE = (HOW_TO / "sources.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
ELSEWHERE = [
    example
    for page in sorted(HOW_TO.rglob("*.md"))
    for example in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)
    if example.startswith("sources:") and page.name != "sources.md"
]


def test_every_dialect_has_its_line() -> None:
    """In the table of registries."""
    table = PAGE.split("## Which source")[1].split("## ")[0]
    assert {name for name in DIALECTS if f"`{name}`" not in table} == set()


@pytest.mark.parametrize("example", EXAMPLES + ELSEWHERE)
def test_every_example_loads(tmp_path: Path, example: str) -> None:
    """As the configuration of somebody with the registry that it names."""
    path = tmp_path / "watcher.yaml"
    path.write_text(f"registries: [{{host: registry.example.com}}]\n{example}")
    assert settings.load(path).sources


def test_the_mapping_reads_what_it_describes(tmp_path: Path) -> None:
    """Two tags of one event are two pushes; an event with another action is none."""
    path = tmp_path / "watcher.yaml"
    (example,) = [each for each in EXAMPLES if "mapping:" in each]
    path.write_text(example)
    (source,) = settings.load(path).sources
    assert isinstance(source, EventSourceSettings)
    repo = {"name": "team/app", "all-tags": ["a", "b"], "digest": None}
    body = json.dumps({"events": [{"id": 1, "action": "push", "repo": repo}, {"id": 2, "action": "pull", "repo": repo}]})
    delivery = Delivery(registry=Host(source.registry), headers={}, body=body.encode())
    decisions = build_dialect(source.dialect, source.mapping).read(delivery)
    assert [each.push.tag if isinstance(each, Pushed) else None for each in decisions] == ["a", "b", None]
