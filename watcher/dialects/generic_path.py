"""JSON paths of the configuration: a small part of JSONPath (RFC 9535). Pure."""

import re
from collections.abc import Sequence
from typing import Any

# A member's name, an element's index, or None for every element.
Step = str | int | None
EACH: Step = None

_STEP = re.compile(
    r"""\.(?P<name>[^\W\d]\w*)|\[(?:"(?P<quoted>[^"\\]*)"|'(?P<single>[^'\\]*)'|(?P<index>\d{1,6})|(?P<each>\*))\]"""
)


def parse_path(text: str) -> tuple[Step, ...]:
    """The steps of `$.a["b-c"][0][*]`. `$` alone has none.

    Raises:
        ValueError: it is none of those, with the character where it stops being one.
    """
    if not text.startswith("$"):
        raise ValueError(f"{text!r:.100} is no path: it must begin with $")
    steps: list[Step] = []
    position = 1
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None:
            raise ValueError(f'{text!r:.100} at character {position + 1}: expected .name, ["any name"], [0] or [*]')
        if match["index"] is not None:
            steps.append(int(match["index"]))
        else:
            steps.append(match[match.lastgroup] if match.lastgroup and match["each"] is None else EACH)
        position = match.end()
    return tuple(steps)


def select(root: Any, steps: Sequence[Step]) -> list[Any]:
    """The values that a path finds, in the order of the document; none where a step leads nowhere. Visits each value once."""
    found = [root]
    for step in steps:
        found = [child for value in found for child in _children(value, step)]
    return found


def _children(value: Any, step: Step) -> Sequence[Any]:
    match step:
        case str() if isinstance(value, dict) and step in value:
            return [value[step]]
        case int() if isinstance(value, list) and step < len(value):
            return [value[step]]
        case None if isinstance(value, list):
            return value
        case _:
            return []
