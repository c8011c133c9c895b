"""Which jobs of the embedded backlog wait, are worked on or were given up, by the place of their image."""

import sqlite3
from collections.abc import Sequence

# One state at a time: each has an index of its own, which holds nothing else.
_UNSETTLED = " UNION ALL ".join(
    f"SELECT * FROM job WHERE state = '{state}' AND (registry, repository) IN (VALUES {{places}})"  # noqa: S608 - words of ours
    for state in ("waiting", "leased", "dead")
)


def unsettled_of(raw: sqlite3.Connection, places: Sequence[tuple[str, str]]) -> Sequence[sqlite3.Row]:
    """Those of these (registry, repository)."""
    if not places:
        return []
    cursor = raw.cursor()
    cursor.row_factory = sqlite3.Row
    named = [name for place in places for name in place]
    return cursor.execute(_UNSETTLED.format(places=", ".join(["(?, ?)"] * len(places))), named * 3).fetchall()
