"""What may be wrong with a stream of messages, out of what gRPC and Google's libraries say."""

from typing import Any

from watcher.sources.protocol import SourceError


class StreamError(SourceError):
    """The stream ended, and may stand again later."""

    reason = "subscription-refused"
    for_a_person = True


class UnreachableError(StreamError):
    """No answer, or one that says: not now."""

    reason = "subscription-unreachable"
    for_a_person = False


class MissingError(StreamError):
    """There is no such subscription."""

    reason = "subscription-missing"


class DeniedError(StreamError):
    """We are known, and may not."""

    reason = "subscription-denied"


class CredentialsError(StreamError):
    """We have no credentials, or they are not accepted (any more)."""

    reason = "subscription-credentials"


class ClockError(StreamError):
    """Our credentials may be good: what we sign with them has the wrong time."""

    reason = "subscription-clock"


class UnsettledError(StreamError):
    """A message cannot be acknowledged (any more)."""

    reason = "message-unsettled"
    for_a_person = False


# What gRPC calls a connection that is not there, a service that is busy, and a stream that was simply ended.
_PASSING = frozenset(
    {"UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED", "INTERNAL", "RESOURCE_EXHAUSTED", "UNKNOWN", "CANCELLED", "OK"}
)
_DETAIL_CHARACTERS = 300
# A token that cannot be fetched is UNAVAILABLE to gRPC, which only sees that its plugin failed.
_NO_TOKEN = "Getting metadata from plugin failed"  # noqa: S105  a text of gRPC
# Google's token endpoint, to a request that was signed too early or too late by its clock.
_CLOCK = "reasonable timeframe"


def stream_error(subscription: str, code: str, detail: str) -> StreamError:
    """`code` is the name of a gRPC status. The same trouble gives the same text, so that it can be told once."""
    detail = " ".join(detail.split())[:_DETAIL_CHARACTERS] or "no reason given"
    if detail.startswith(_NO_TOKEN) and _CLOCK in detail:
        return ClockError(f"{subscription}: the clock of this machine is wrong, so no access token can be had: {detail}")
    if detail.startswith(_NO_TOKEN):
        return CredentialsError(f"{subscription}: no access token can be had with our credentials: {detail}")
    if code == "NOT_FOUND":
        return MissingError(f"{subscription}: there is no such subscription: {detail}")
    if code == "PERMISSION_DENIED":
        return DeniedError(f"{subscription}: we may not read it: {detail}")
    if code == "UNAUTHENTICATED":
        return CredentialsError(f"{subscription}: our credentials are not accepted: {detail}")
    if code in _PASSING:
        return UnreachableError(f"{subscription}: cannot be read now ({code}): {detail}")
    return StreamError(f"{subscription}: refused ({code}): {detail}")


def ended_by(subscription: str, error: Any, stream: Any) -> StreamError:
    """Why the SDK gave up. It may have lost what it knew of that; then its last stream, which has ended, says it."""
    status = getattr(error, "grpc_status_code", None)
    if status is not None:
        return stream_error(subscription, status.name, str(error.message))
    if stream is not None:
        return stream_error(subscription, stream.code().name, str(stream.details()))
    return UnreachableError(f"{subscription}: the SDK made no stream ({type(error).__name__})")
