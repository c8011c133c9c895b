"""docs/reference/policy.md says what the code does."""

from collections.abc import Iterator
from pathlib import Path

from watcher.evaluation.document.field_types import Field
from watcher.evaluation.document.fields import MESSAGES, SEVERITIES
from watcher.evaluation.document.variables import COLLECTIONS, VARIABLES
from watcher.evaluation.policies.shapes import PolicyDocument, PolicyTestDocument, RuleDocument

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "policy.md"


def field_lines() -> Iterator[str]:
    """The tables of the inspection document, as the page has them."""
    for message, fields in MESSAGES.items():
        yield f"### {message}"
        yield from (f"| `{field.name}` | {_kind(field)} | {_about(field)} |" for field in fields)


def _kind(field: Field) -> str:
    scalar = {"string": "text", "int64": "int", "map": "map of texts"}.get(field.type, field.type)
    return f"list of {scalar}" if field.repeated else scalar


def _about(field: Field) -> str:
    return f"{field.about} (may be unset)" if field.optional else field.about


def test_every_field_is_in_the_reference() -> None:
    """With its type and meaning, in the order of the table."""
    page = PAGE.read_text(encoding="utf-8")
    tables = page[page.index("### Event") : page.index("\n## Tests")]
    lines = [line for line in tables.splitlines() if line.startswith(("### ", "| `"))]
    assert lines == list(field_lines())


def test_every_name_is_in_the_reference() -> None:
    """Variables, collections and severities."""
    page = PAGE.read_text(encoding="utf-8")
    for name, variable in VARIABLES.items():
        assert f"| `{name}` | {variable.message} |" in page
    for name, collection in COLLECTIONS.items():
        key = collection.key.format("x")
        assert f"| `{name}` | {collection.message} | `{collection.section}` | `{key}` |" in page
    assert ", ".join(f"`{severity}`" for severity in SEVERITIES) in page


def test_every_key_is_in_the_reference() -> None:
    """Of policies, rules and tests."""
    page = PAGE.read_text(encoding="utf-8")
    for document in (PolicyDocument, RuleDocument, PolicyTestDocument):
        for key in document.__struct_encode_fields__:
            assert f"| `{key}` |" in page or f"`{key}:" in page or f"{key}:" in page, key
