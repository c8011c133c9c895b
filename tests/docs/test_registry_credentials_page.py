"""docs/how-to/registry-credentials.md: it tells of every kind of credentials, and what it shows loads."""

import re
import typing
from pathlib import Path

import msgspec
import pytest
import yaml

from watcher.registry.settings import Auth
from watcher.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "registry-credentials.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_every_kind_of_credentials_is_shown() -> None:
    """In an example."""
    kinds = {kind.__struct_config__.tag for kind in typing.get_args(Auth)}
    assert {kind for kind in kinds if not any(re.search(rf"type: {kind}\b", example) for example in EXAMPLES)} == set()


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_loads(example: str) -> None:
    """As part of a configuration; registries are filled in as far as they say."""
    loaded = msgspec.convert(yaml.safe_load(example), Settings)
    assert all(each.registry for each in loaded.registries)
