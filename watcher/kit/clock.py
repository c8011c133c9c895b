"""The time, behind a seam that tests can hold still."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Gives the present as an aware UTC time."""


def utc_now() -> datetime:
    return datetime.now(UTC)


def since_boot() -> float:
    """Seconds that never go back, and go on while the machine sleeps: for what ends by the clocks of others."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
