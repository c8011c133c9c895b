"""Two families decide everything: try again later, or record and acknowledge.

Each leaf has a low-cardinality `reason` for metrics and dead letters; its text is a sentence for people that never holds a
secret, a token or a whole payload.
"""

from typing import ClassVar


class WatcherError(Exception):
    """Any error of ours. Nothing else may leave a room on purpose."""

    reason: ClassVar[str] = "internal"


class RetryableError(WatcherError):
    """The same call may succeed later: release the job and try again.

    `retry_after_seconds` is what the other side asked for, None when it said nothing. `outside` says that what is worked on has no
    part in it, so that it may last.
    """

    reason = "unavailable"
    outside: ClassVar[bool] = True

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class PermanentError(WatcherError):
    """The same call will fail the same way: record it and acknowledge."""

    reason = "permanent"


class ConfigurationError(WatcherError):
    """The operator must change something; the text says where and what."""

    reason = "configuration"


class BusyError(ConfigurationError):
    """Another process has what is needed. It passes by itself, so that whoever started us may start us again."""


class PolicyError(ConfigurationError):
    """A policy document cannot be loaded; one `file:line:column: what` per line."""

    reason = "policy"


class InvalidReferenceError(PermanentError):
    """An image name, tag, repository or digest breaks the distribution-spec grammar."""

    reason = "invalid-reference"


class RegistryUnavailableError(RetryableError):
    """The registry does not answer, or answers 5xx."""

    reason = "registry-unavailable"


class ThrottledError(RetryableError):
    """The registry answered 429 or 503 with Retry-After."""

    reason = "registry-throttled"


class AuthenticationError(RetryableError):
    """The registry refused our credentials. Never the image's fault, so never a verdict about it."""

    reason = "registry-authentication"


class NotFoundError(PermanentError):
    """The registry has no such manifest or blob."""

    reason = "not-found"


class RegistryRefusedError(PermanentError):
    """The registry refuses this request for good (4xx that is none of the above)."""

    reason = "registry-refused"


class ForbiddenAddressError(PermanentError):
    """A redirect or token realm leads where we do not go: a private address, plain HTTP, or too many hops."""

    reason = "forbidden-address"


class InvalidManifestError(PermanentError):
    """The manifest or configuration is not JSON, not an image, or beyond our limits."""

    reason = "invalid-manifest"


class AmbiguousManifestError(InvalidManifestError):
    """Programs that read the manifest or configuration disagree about what it says, so what we say of it need not hold for them."""

    reason = "ambiguous-manifest"


class NotAManifestError(InvalidManifestError):
    """Nothing in the bytes is that of a manifest: they are something else."""


class CannotRunError(PermanentError):
    """Nothing a runtime could start: a chart, a signature, an attestation, a build cache."""

    reason = "cannot-run"


class DigestMismatchError(PermanentError):
    """The bytes are not what their digest says. Permanent: they are wrong, not late."""

    reason = "digest-mismatch"


class TooLargeError(PermanentError):
    """More bytes than a limit allows; reading stopped there."""

    reason = "too-large"


class WorkerFailedError(PermanentError):
    """The confined child that analysed a layer died or broke the protocol."""

    reason = "worker-failed"


class TimedOutError(PermanentError):
    """An inspection took longer than its budget."""

    reason = "timed-out"


class OwnFaultError(PermanentError):
    """A mistake of ours, met again and again over the same image."""

    reason = "internal"
