"""What may be wrong with a topic, queue or bus of a cloud, and whether trying again helps.

What a person changes at the cloud, a right or a topic, helps without touching the publication: so it is tried again. Only a message
that is itself wrong is not.
"""

from watcher.kit.cloud_trouble import Kind, Trouble
from watcher.model.errors import PermanentError, RetryableError


class DestinationUnreachableError(RetryableError):
    """No answer, or one that says: not now."""

    reason = "destination-unreachable"


class DestinationMissingError(RetryableError):
    """There is no such topic, queue or bus, or none that we may know of."""

    reason = "destination-missing"


class DestinationDeniedError(RetryableError):
    """We are known, and may not."""

    reason = "destination-denied"


class DestinationCredentialsError(RetryableError):
    """We have no credentials, or they are not accepted (any more)."""

    reason = "destination-credentials"


class DestinationClockError(RetryableError):
    """Our credentials may be good: what we sign with them has the wrong time."""

    reason = "destination-clock"


class DestinationRefusedError(RetryableError):
    """It is refused for a reason that has nothing to do with the message: a key that is switched off, a missing setting."""

    reason = "destination-refused"


class MessageRefusedError(PermanentError):
    """The message itself will never be taken."""

    reason = "message-refused"


_KINDS: dict[Kind, type[RetryableError]] = {
    Kind.UNREACHABLE: DestinationUnreachableError,
    Kind.MISSING: DestinationMissingError,
    Kind.DENIED: DestinationDeniedError,
    Kind.CREDENTIALS: DestinationCredentialsError,
    Kind.CLOCK: DestinationClockError,
    Kind.OTHER: DestinationRefusedError,
}


def destination_error(trouble: Trouble) -> RetryableError | PermanentError:
    if trouble.kind is Kind.WRONG:
        return MessageRefusedError(trouble.text)
    return _KINDS[trouble.kind](trouble.text, retry_after_seconds=trouble.wait_seconds)
