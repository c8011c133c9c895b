"""What a page says of a key, an editor shows when it is typed."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from watcher import settings
from watcher.evaluation.policies.json_schemas import policy_schema, policy_test_schema

ROOT = Path(__file__).resolve().parents[2]
POLICY_PAGE = (ROOT / "docs" / "reference" / "policy.md").read_text()
SETTINGS_PAGE = (ROOT / "docs" / "reference" / "settings.md").read_text()


def keys_of(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key of every block, but for the one that says which block it is."""
    for definition in [schema, *schema["$defs"].values()]:
        for key, about in definition.get("properties", {}).items():
            if key != "type":
                yield key, about


@pytest.mark.parametrize(
    "schema", [settings.schema(), policy_schema(), policy_test_schema()], ids=["settings", "policy", "policytest"]
)
def test_every_key_is_described(schema: dict[str, Any]) -> None:
    """Each says what it is for, and not only which form it has."""
    assert [key for key, about in keys_of(schema) if not about.get("description")] == []


def test_the_page_of_policies_says_what_editors_show() -> None:
    """Word by word, of rules, of policies and of their tests."""
    described = {key: about["description"] for schema in (policy_test_schema(), policy_schema()) for key, about in keys_of(schema)}
    document, _, rest = POLICY_PAGE.partition("## When a rule cannot be decided")
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", document + rest.partition("## Tests")[2], re.MULTILINE)
    assert len(rows) > 25
    ambiguous = {"name", "kind"}  # of a policy, a case and a test
    assert {key: text for key, text in rows if key not in ambiguous and not described[key].startswith(text)} == {}


def test_the_page_of_settings_says_what_editors_show() -> None:
    """Both are written from what stands beside the declaration."""
    told = [about["description"].split(" (")[0] for _, about in keys_of(settings.schema())]
    assert [each for each in told if each.replace("|", "\\|") not in SETTINGS_PAGE] == []


def test_our_own_files_name_a_schema_that_is_there() -> None:
    """As the language server for YAML reads it, from the folder of the file."""
    for path in (ROOT / "config").rglob("*.yaml"):
        (named,) = re.findall(r"^# yaml-language-server: \$schema=(\S+)$", path.read_text(), re.MULTILINE)
        schema = json.loads((path.parent / named).read_text())
        kinds = {document.get("kind") for document in yaml.safe_load_all(path.read_text())}
        assert {schema["properties"]["kind"]["enum"][0] if "properties" in schema else None} == kinds, path
