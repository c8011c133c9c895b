"""How a ticket is told from others by its text: a comment of HTML at its end, which Markdown does not show. Pure."""

import re

_MARKER = re.compile(r"<!-- registry-watcher:([0-9a-f]{64}) -->\s*\Z")


def marked(text: str, marker: str) -> str:
    return f"{text}\n\n<!-- registry-watcher:{marker} -->"


def marker_of(text: str | None) -> str | None:
    """None for a text of somebody else."""
    found = _MARKER.search(text or "")
    return found[1] if found else None
