"""How long a server wants to be left alone, in whichever way it says so. Pure.

Spec: RFC 9110 §10.2.3 `Retry-After`. Besides it, what is met: Docker Hub says `X-Retry-After` and `X-RateLimit-Reset` as
Unix times, GitHub and GitLab `RateLimit-Reset` with and without the `X-`; the IETF's draft means seconds from now by that name.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# Below a second a pause is no pause. Above five minutes one answer, from a proxy or with a wrong clock, would silence a server for
# a day; one that means it says so again.
SHORTEST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 300.0
# Nobody asks for thirty years: from here on a number is a moment, and from there on one in milliseconds.
UNIX_TIMES_FROM = 1e9
MILLISECONDS_FROM = 1e12

WISHES = ("Retry-After", "X-Retry-After")
# When a limit ends, which matters to who has hit it.
LIMITS = ("RateLimit-Reset", "X-RateLimit-Reset")


def pause_seconds(asked_seconds: float) -> float:
    """How long a server is left alone that asks for so long."""
    return min(max(asked_seconds, SHORTEST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)


def asked_seconds(status: int, headers: Mapping[str, str], now: datetime) -> float | None:
    """What an answer asks for, as a pause that makes sense; None when it asks for nothing that can be read.

    `headers` ignore case. A moment is held against the answer's own `Date`, where it has one: whose clock is wrong does not matter.
    """
    sent_at = moment_of(headers.get("Date") or "") or now
    for name in (*WISHES, *(LIMITS if status == 429 else ())):
        found = retry_after_seconds(headers.get(name), sent_at)
        if found is not None:
            return found
    return None


def retry_after_seconds(value: str | None, now: datetime) -> float | None:
    """Read `Retry-After`: whole seconds, an HTTP date or a Unix time, as a pause that makes sense. None when unreadable."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        number = float(text[:20])
        if number >= MILLISECONDS_FROM:
            number /= 1000
        return pause_seconds(number - now.timestamp() if number >= UNIX_TIMES_FROM else number)
    moment = moment_of(text)
    return None if moment is None else pause_seconds((moment - now).total_seconds())


def moment_of(text: str) -> datetime | None:
    """An HTTP date, in UTC where it names no zone; None when unreadable."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
