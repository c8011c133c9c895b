"""What events of the embedded backlog say of a tag.

No index is made for it, which every event would pay for: events are in order of time, so that those since a moment are a range.
"""

import sqlite3
from collections.abc import Sequence

from watcher.backlog.protocol import FOUND

# Of one tag; who asks wants the newest.
MOST = 200

_FROM = "SELECT id, put_at FROM event WHERE id >= ? ORDER BY id LIMIT 1"
_RANGE = "SELECT coalesce(min(id), 0), coalesce(max(id), 0) + 1 FROM event"
# What its own event made of a job is in the job; of an event that joined one it is not known when it occurred. CI only asks, and
# who looks again at a tag because something was deleted has heard of no push. A sweep says where a tag leads, not who led it there.
_PUSHES = f"""SELECT event.digest, event.received_at, event.job_id,
    CASE WHEN fate = 'accepted' THEN job.occurred_at END AS occurred_at,
    fate = 'duplicate' OR event.reason <> '{FOUND}' AND coalesce(job.lane, 'push') <> 'sweep' AS is_heard
    FROM event LEFT JOIN job ON job.id = event.job_id
    WHERE event.id >= ? AND event.registry = ? AND event.repository = ? AND event.tag = ? AND event.received_at >= ?
    AND (fate = 'accepted' AND coalesce(job.lane, 'push') IN ('push', 'sweep')
        OR fate = 'duplicate' AND (event.digest <> '' OR coalesce(job.lane, 'push') <> 'reevaluate'))
    ORDER BY event.id DESC LIMIT {MOST}"""  # noqa: S608 - a word and a number of ours


def pushes_of(raw: sqlite3.Connection, registry: str, repository: str, tag: str, since: float) -> Sequence[sqlite3.Row]:
    """The events of pushes by the tag that were received since, the newest first."""
    cursor = raw.cursor()
    cursor.row_factory = sqlite3.Row
    return cursor.execute(_PUSHES, (_first(raw, since), registry, repository, tag, since)).fetchall()


def _first(raw: sqlite3.Connection, since: float) -> int:
    """The id of the first event that was put since. It was received before it was put."""
    low, high = raw.execute(_RANGE).fetchone()
    while low < high:
        middle = (low + high) // 2
        found = raw.execute(_FROM, (middle,)).fetchone()
        if found is None or found[1] >= since:
            high = middle
        else:
            low = found[0] + 1
    return int(low)
