"""What a refusal means."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from watcher.model.errors import (
    AuthenticationError,
    NotFoundError,
    RegistryRefusedError,
    RegistryUnavailableError,
    ThrottledError,
    WatcherError,
)
from watcher.registry.answers import refusal, registry_message

NOW = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (401, {}, AuthenticationError),
        (403, {}, AuthenticationError),
        (407, {}, AuthenticationError),
        (404, {}, NotFoundError),
        (408, {}, RegistryUnavailableError),
        (412, {}, RegistryRefusedError),
        (429, {}, ThrottledError),
        (500, {}, RegistryUnavailableError),
        (503, {}, RegistryUnavailableError),
        (503, {"retry-after": "5"}, ThrottledError),
        (503, {"x-ratelimit-reset": "5"}, RegistryUnavailableError),
        (403, {"retry-after": "5"}, ThrottledError),
        (302, {}, RegistryRefusedError),
        (418, {}, RegistryRefusedError),
    ],
)
def test_status_decides_the_error(status: int, headers: dict[str, str], kind: type[WatcherError]) -> None:
    """Each status belongs to one family: later, never, or not with these credentials."""
    error = refusal("GET r.example.com/v2/", status, CIMultiDict(headers), b"", NOW)
    assert type(error) is kind
    assert str(status) in str(error)


def test_the_wait_travels_with_the_error() -> None:
    """The backlog learns when to come back."""
    error = refusal("x", 429, {"Retry-After": "90"}, b"", NOW)
    assert isinstance(error, ThrottledError)
    assert error.retry_after_seconds == 90


def test_the_registry_s_sentence_is_shown_printable_and_short() -> None:
    """An error's text comes from outside: one line, no control characters, no novel."""
    body = b'{"errors": [{"code": "DENIED", "message": "no\\u001b[31m\\nway' + b"x" * 500 + b'"}]}'
    text = registry_message(body)
    assert text.startswith("DENIED no [31m way")
    assert len(text) <= 200
    assert text.isprintable()


@given(st.binary(max_size=200))
def test_any_body_gives_a_sentence_or_nothing(body: bytes) -> None:
    """A body that is not an error document says nothing."""
    assert registry_message(body).isprintable()


@pytest.mark.parametrize("body", [b"[]", b'{"errors": []}', b'{"errors": [3]}', b'{"errors": {"0": 1}}', b"[" * 100_000])
def test_odd_bodies_say_nothing(body: bytes) -> None:
    """JSON of another shape is passed over."""
    assert registry_message(body) == ""
