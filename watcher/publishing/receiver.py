"""How somebody who is told a verdict over HTTP says no."""

from watcher.model.errors import PermanentError, RetryableError


class ReceiverRefusedError(PermanentError):
    """The receiver answered that this request will never be right."""

    reason = "receiver-refused"


class ReceiverUnavailableError(RetryableError):
    """The receiver did not take the message this time."""

    reason = "receiver-unavailable"
