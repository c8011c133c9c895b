"""Acknowledging and keeping: what is tried again, for how long, and what is said of it."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from google.api_core import exceptions
from google.pubsub_v1.services.subscriber import SubscriberClient

from watcher.sources.pubsub_stream_client_calls import Settler, refusal
from watcher.sources.pubsub_stream_client_errors import (
    ClockError,
    CredentialsError,
    DeniedError,
    MissingError,
    StreamError,
    UnreachableError,
    ended_by,
    stream_error,
)

INVALID = "PERMANENT_FAILURE_INVALID_ACK_ID"
LATER = "TRANSIENT_FAILURE_SERVICE_UNAVAILABLE"
# As google-auth repeats Google's token endpoint.
EARLY = (
    "('invalid_grant: Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat "
    "and exp values in the JWT claim.', {'error': 'invalid_grant'})"
)
errors: Any = exceptions  # its classes have no annotations


class Service:
    """Answers each call with the next of `answers`: nothing, an error, or what failed by id. Then with success."""

    def __init__(self, *answers: Exception | Mapping[str, str] | None) -> None:
        self._answers = list(answers)
        self.asked: list[list[str]] = []

    def __call__(self, *, ack_ids: list[str], **_how: Any) -> None:
        self.asked.append(list(ack_ids))
        answer = self._answers.pop(0) if self._answers else None
        if isinstance(answer, Mapping):
            raise refusal(answer)
        if answer is not None:
            raise answer


def settler(service: Callable[..., Any], *, closing: bool = False, limit_seconds: float = 5.0) -> Settler:
    event = threading.Event()
    if closing:
        event.set()
    return Settler(service, closing=event, limit_seconds=limit_seconds)


def test_a_service_that_is_away_for_a_moment_is_asked_again() -> None:
    """For all of it: nothing is known of what it did."""
    service = Service(errors.ServiceUnavailable("later"))
    assert settler(service).failures(["a", "b"]) == {}
    assert service.asked == [["a", "b"], ["a", "b"]]


def test_only_what_may_yet_succeed_is_asked_for_again() -> None:
    """Of one call some ids may have failed for good."""
    service = Service({"a": LATER, "b": INVALID})
    assert settler(service).failures(["a", "b"]) == {"b": INVALID}
    assert service.asked == [["a", "b"], ["a"]]


def test_what_does_not_pass_is_said_at_once() -> None:
    """Permission does not come back within seconds."""
    service = Service(errors.PermissionDenied("no"))
    assert settler(service).failures(["a"]) == {"a": "PERMISSION_DENIED"}
    assert len(service.asked) == 1


def test_nobody_waits_longer_than_the_limit() -> None:
    """Then it is said why."""
    service = Service(*[errors.ServiceUnavailable("later")] * 50)
    started = time.monotonic()
    assert settler(service, limit_seconds=0.35).failures(["a"]) == {"a": "UNAVAILABLE"}
    assert time.monotonic() - started < 10


def test_one_attempt_is_made_while_closing() -> None:
    """The last acknowledgements go out, and nothing is waited for."""
    service = Service(errors.ServiceUnavailable("later"))
    assert settler(service, closing=True).failures(["a"]) == {"a": "UNAVAILABLE"}


def test_a_closed_channel_is_a_failure_like_others() -> None:
    """There a ValueError is raised."""
    assert settler(Service(ValueError("Cannot invoke RPC on closed channel!"))).failures(["a"]) == {"a": "CLOSED"}


def test_the_client_still_has_the_calls_that_are_replaced() -> None:
    """Their names are public API, and with them the seam."""
    assert {"streaming_pull", "acknowledge", "modify_ack_deadline"} <= set(dir(SubscriberClient))


@pytest.mark.parametrize(
    ("code", "detail", "kind", "for_a_person"),
    [
        ("NOT_FOUND", "Resource not found", MissingError, True),
        ("PERMISSION_DENIED", "User not authorized", DeniedError, True),
        ("UNAUTHENTICATED", "Request had invalid authentication credentials", CredentialsError, True),
        ("UNAVAILABLE", "Getting metadata from plugin failed with error: invalid_grant", CredentialsError, True),
        ("UNAVAILABLE", f"Getting metadata from plugin failed with error: {EARLY}", ClockError, True),
        ("UNAVAILABLE", "failed to connect to all addresses", UnreachableError, False),
        ("INVALID_ARGUMENT", "the subscription has a push endpoint", StreamError, True),
    ],
)
def test_what_grpc_says_has_a_name_of_ours(code: str, detail: str, kind: type[StreamError], *, for_a_person: bool) -> None:
    """And it is known whether a person must act."""
    error = stream_error("news", code, f"{detail}\n  at length")
    assert type(error) is kind
    assert error.for_a_person is for_a_person
    assert str(error).startswith("news: ")
    assert "\n" not in str(error)


def test_a_detail_is_cut() -> None:
    """A proxy's error page is no message."""
    assert len(str(stream_error("news", "UNAVAILABLE", "x" * 100_000))) < 400


def test_a_stream_that_nobody_made_is_a_failure_too() -> None:
    """Of the SDK's own making."""
    assert "ValueError" in str(ended_by("news", ValueError("?"), None))
