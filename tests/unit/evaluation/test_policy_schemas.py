"""JSON Schemas: an editor and this program agree on what a document may hold."""

from importlib import resources
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from watcher.evaluation.policies.json_schemas import policy_schema, policy_test_schema
from watcher.evaluation.policies.loading import pack_names
from watcher.kit.yaml_source import parse_yaml


def values(file: str) -> list[Any]:
    text = (resources.files("watcher.packs") / file).read_text(encoding="utf-8")
    return [source.value for source in parse_yaml(text, file)]


@pytest.mark.parametrize("pack", pack_names())
@pytest.mark.parametrize(("schema", "suffix"), [(policy_schema(), ""), (policy_test_schema(), "_test")])
def test_shipped_documents_are_valid(schema: dict[str, Any], suffix: str, pack: str) -> None:
    """A pack and its tests."""
    Draft202012Validator.check_schema(schema)
    for value in values(f"{pack}{suffix}.yaml"):
        Draft202012Validator(schema).validate(value)


@pytest.mark.parametrize(
    "rule",
    [
        {"id": "a"},
        {"id": "a", "when": "x", "require": "y", "each": "files as f"},
        {"id": "a", "when": "x", "path": "**"},
        {"id": "a", "when": "x", "acton": "fail"},
        {"id": "a", "when": "x", "action": "block"},
        {"id": "A", "when": "x"},
        {"id": "a", "when": "x", "each": "things as t"},
        {"id": "a", "when": "x", "max": -1, "each": "files as f"},
        {"id": "a", "when": None},
    ],
)
def test_what_is_refused_at_load_is_marked_in_the_editor(rule: dict[str, Any]) -> None:
    """Unknown keys, wrong values, keys that do not go together."""
    document = {"apiVersion": "watcher/v1", "kind": "Policy", "metadata": {"name": "p"}, "rules": [rule]}
    assert not Draft202012Validator(policy_schema()).is_valid(document)
    sound = {**document, "rules": [{"id": "a", "when": "x"}]}
    assert Draft202012Validator(policy_schema()).is_valid(sound)
