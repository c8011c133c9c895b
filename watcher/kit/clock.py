"""The time, behind a seam that tests can hold still."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Gives the present as an aware UTC time."""


def utc_now() -> datetime:
    return datetime.now(UTC)


def iso(moment: datetime) -> str:
    """RFC 3339 with `Z`, whole seconds when there is no fraction."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
