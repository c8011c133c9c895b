"""What may be wrong with a stream of messages, out of what gRPC and Google's libraries say."""

from typing import Any

from watcher.kit.cloud_trouble import Kind, Trouble
from watcher.kit.google_trouble import Asked, answered
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


_KINDS: dict[Kind, type[StreamError]] = {
    Kind.UNREACHABLE: UnreachableError,
    Kind.MISSING: MissingError,
    Kind.DENIED: DeniedError,
    Kind.CREDENTIALS: CredentialsError,
    Kind.CLOCK: ClockError,
}


def stream_trouble(trouble: Trouble) -> StreamError:
    return _KINDS.get(trouble.kind, StreamError)(trouble.text)


def stream_error(subscription: str, code: str, detail: str) -> StreamError:
    """`code` is the name of a gRPC status. The same trouble gives the same text, so that it can be told once."""
    asked = Asked(name=subscription, noun="subscription", verb="read", participle="read")
    return stream_trouble(answered(asked, code, detail))


def ended_by(subscription: str, error: Any, stream: Any) -> StreamError:
    """Why the SDK gave up. It may have lost what it knew of that; then its last stream, which has ended, says it."""
    status = getattr(error, "grpc_status_code", None)
    if status is not None:
        return stream_error(subscription, status.name, str(error.message))
    if stream is not None:
        return stream_error(subscription, stream.code().name, str(stream.details()))
    return UnreachableError(f"{subscription}: the SDK made no stream ({type(error).__name__})")
