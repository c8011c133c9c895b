"""The JSON Schemas of policy documents, for editors: made from the structs that read them."""

from typing import Any

import msgspec

from watcher.evaluation.policies.shapes import PolicyDocument, PolicyTestDocument
from watcher.kit.field_comments import described_schema

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def policy_schema() -> dict[str, Any]:
    """Policy, `watcher/v1`. What depends on another key is there too, but for the expressions themselves."""
    built = _schema(PolicyDocument, "policy", "Image policy, version 1")
    rule = built["$defs"]["RuleDocument"]
    rule["oneOf"] = [{"required": ["when"]}, {"required": ["require"]}]
    rule["dependentRequired"] = {key: ["each"] for key in ("path", "require", "max", "key")}
    return built


def policy_test_schema() -> dict[str, Any]:
    """PolicyTest, `watcher/v1`."""
    return _schema(PolicyTestDocument, "policytest", "Tests of image policies, version 1")


def _schema(shape: type[msgspec.Struct], name: str, title: str) -> dict[str, Any]:
    referred, definitions = described_schema(shape)
    root = definitions.pop(referred["$ref"].rpartition("/")[2])
    return {
        "$schema": _DRAFT,
        "$id": f"urn:registry-watcher:schema:{name}:v1",
        **_without_defaults(root),
        "title": title,
        "$defs": {key: _without_defaults(value) for key, value in definitions.items()},
    }


def _without_defaults(value: Any) -> Any:
    """Take out `"default": null`: leaving a key out and writing null are not the same here."""
    if isinstance(value, dict):
        kept = {key: _without_defaults(item) for key, item in value.items() if not (key == "default" and item is None)}
        alternatives = kept.get("anyOf")
        if isinstance(alternatives, list) and {"type": "null"} in alternatives and len(alternatives) == 2:
            (only,) = (each for each in alternatives if each != {"type": "null"})
            del kept["anyOf"]
            kept = {**only, **kept}
        return kept
    if isinstance(value, list):
        return [_without_defaults(item) for item in value]
    return value
