"""When the clock was ahead and is set right: what was written in its future would wait, be joined or be kept until then."""

import sqlite3

from watcher.backlog.protocol import Lane

_LANES = ", ".join(f"'{lane.value}'" for lane in Lane)
# A delay that began in the future has no meaning now; one that is longer than any that we set was not set by this clock. What is
# due is not looked at: nothing of it is in the future.
_WAITING = f"""UPDATE job SET due_at = :now, waits_since = :now,
    put_at = CASE WHEN put_at > :now THEN min(:now, put_at - :back) ELSE put_at END,
    received_at = CASE WHEN received_at > :now THEN min(:now, received_at - :back) ELSE received_at END
    WHERE state = 'waiting' AND lane IN ({_LANES}) AND due_at > :now AND (waits_since > :now OR due_at > :now + :longest)"""  # noqa: S608 - words of ours
_LEASED = "UPDATE job SET lease_until = :until WHERE state = 'leased' AND lease_until > :until"
# From the newest back to the first that is not in the future.
_EVENTS = """UPDATE event SET put_at = :now, received_at = min(received_at, :now) WHERE id >
    coalesce((SELECT id FROM event WHERE put_at <= :now ORDER BY id DESC LIMIT 1), 0)"""


def set_right(raw: sqlite3.Connection, now: float, *, back: float, longest: float, lease: float) -> None:
    """Let nothing wait, or be held, for longer than it may from `now` on.

    `back` are the seconds by which the clock was seen to be set back, 0 where that is not known; `longest` is the longest delay
    there is, `lease` how long a lease is.
    """
    raw.execute(_WAITING, {"now": now, "back": back, "longest": longest})
    raw.execute(_LEASED, {"until": now + lease})


def set_events_right(raw: sqlite3.Connection, now: float) -> None:
    """Let no event be of the future: it would be kept, and taken for a deletion of now, until then."""
    raw.execute(_EVENTS, {"now": now})
