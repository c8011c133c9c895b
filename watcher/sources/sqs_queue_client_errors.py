"""What may be wrong with a queue."""

from watcher.kit.cloud_trouble import Kind, Trouble
from watcher.sources.protocol import SourceError


class QueueError(SourceError):
    """The queue did not do what was asked, and may later."""

    reason = "queue-refused"
    for_a_person = True


class UnreachableError(QueueError):
    """No answer, or one that says: not now."""

    reason = "queue-unreachable"
    for_a_person = False


class MissingError(QueueError):
    """There is no such queue, or none that we may know of."""

    reason = "queue-missing"


class DeniedError(QueueError):
    """We are known, and may not."""

    reason = "queue-denied"


class CredentialsError(QueueError):
    """We have no credentials, or they are not accepted (any more)."""

    reason = "queue-credentials"


class ClockError(QueueError):
    """Our credentials may be good: what we sign with them has the wrong time."""

    reason = "queue-clock"


_KINDS: dict[Kind, type[QueueError]] = {
    Kind.UNREACHABLE: UnreachableError,
    Kind.MISSING: MissingError,
    Kind.DENIED: DeniedError,
    Kind.CREDENTIALS: CredentialsError,
    Kind.CLOCK: ClockError,
}


def queue_error(trouble: Trouble) -> QueueError:
    return _KINDS.get(trouble.kind, QueueError)(trouble.text)
