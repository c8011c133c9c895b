"""When a server wants to be asked again."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from watcher.kit.retry_after import LONGEST_PAUSE_SECONDS, SHORTEST_PAUSE_SECONDS, asked_seconds, retry_after_seconds

NOW = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)
UNIX = int(NOW.timestamp())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("7", 7.0),
        (" 120 ", 120.0),
        ("Wed, 25 Nov 2026 12:00:30 GMT", 30.0),
        ("0", 1.0),
        ("900", 300.0),
        ("Wed, 25 Nov 2026 11:00:00 GMT", 1.0),
        ("99999999999999999999", LONGEST_PAUSE_SECONDS),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_PAUSE_SECONDS),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        (str(UNIX + 30), 30.0),
        (f"{UNIX + 30}000", 30.0),
        (str(UNIX - 3600), 1.0),
        ("4102444800", LONGEST_PAUSE_SECONDS),
        ("²", None),
    ],
)
def test_retry_after(value: str | None, expected: float | None) -> None:
    """Seconds, HTTP dates and Unix times are read, a second at least and five minutes at most; nonsense is as good as absent."""
    assert retry_after_seconds(value, NOW) == expected


@given(st.text(max_size=60))
def test_any_retry_after_is_bounded(value: str) -> None:
    """No header makes us wait for ever."""
    wait = retry_after_seconds(value, NOW)
    assert wait is None or SHORTEST_PAUSE_SECONDS <= wait <= LONGEST_PAUSE_SECONDS


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (429, {"x-retry-after": str(UNIX + 20)}, 20.0),
        (429, {"X-RateLimit-Reset": str(UNIX + 20)}, 20.0),
        (429, {"RateLimit-Reset": "20"}, 20.0),
        (429, {"RateLimit-Reset": "200", "Retry-After": "20"}, 20.0),
        (503, {"RateLimit-Reset": "200"}, None),
        (429, {"RateLimit-Limit": "100;w=21600"}, None),
        (429, {}, None),
    ],
)
def test_other_names_for_it(status: int, headers: dict[str, str], expected: float | None) -> None:
    """Docker Hub, GitHub and GitLab say when a limit ends under names of their own, which matters to who has hit it."""
    assert asked_seconds(status, CIMultiDict(headers), NOW) == expected


@pytest.mark.parametrize("value", [str(UNIX + 3630), "Wed, 25 Nov 2026 13:00:30 GMT"])
def test_whose_clock_is_wrong_does_not_matter(value: str) -> None:
    """A moment is held against the server's own clock, an hour before ours here."""
    assert asked_seconds(503, CIMultiDict({"Retry-After": value, "Date": "Wed, 25 Nov 2026 13:00:00 GMT"}), NOW) == 30.0
