"""The reference lists the rules there are."""

import re
from pathlib import Path

from watcher.inspection.image.config_secrets import VARIABLE_RULE, VARIABLE_TITLE
from watcher.inspection.secrets.rules import SecretRules

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "secrets.md"


def test_every_rule_is_documented_with_its_confidence() -> None:
    """Its title, what it catches, and both confidences, in the order of the file."""
    rows = re.findall(
        r"^\| `([a-z0-9-]+)` \| ([^|]+) \| ([^|]+) \| (high|medium|low) \| (\w*) ?\|$",
        REFERENCE.read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    expected = [(rule.id, rule.title, rule.confidence, rule.in_examples) for rule in SecretRules.load(b"x").rules]
    assert [(rule, title, confidence, in_examples) for rule, title, _, confidence, in_examples in rows] == [
        *expected,
        (VARIABLE_RULE, VARIABLE_TITLE, "medium", ""),
    ]
    assert all(catches.strip() for _, _, catches, _, _ in rows)
