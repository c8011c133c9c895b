"""What may be wrong with a queue, out of what the AWS SDK raises."""

from collections.abc import Iterator
from contextlib import contextmanager

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


_MISSING = frozenset({"QueueDoesNotExist", "NonExistentQueue", "QueueDeletedRecently"})
_DENIED = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "KmsAccessDenied", "KMS.AccessDeniedException"}
)
_CREDENTIALS = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "InvalidSecurity",
        "InvalidAccessKeyId",
        "AuthFailure",
        "SignatureDoesNotMatch",
        "InvalidSignatureException",
        "IncompleteSignature",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
    }
)
_CLOCK = frozenset({"RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture"})
# How the text begins that comes with the same codes as a wrong key. Compared are our clock and Amazon's.
_CLOCK_TEXTS = {"Signature expired": "slow", "Signature not yet current": "fast"}
# Of what AWS says to a denied request: who was denied what. Other answers may repeat the request, and with it a session's token.
_DETAIL_CHARACTERS = 300


@contextmanager
def translated(queue_url: str, operation: str) -> Iterator[None]:
    """Turns every error of the SDK into a QueueError. The same trouble gives the same text, so that it can be told once."""
    import botocore.exceptions as sdk
    from botocore.parsers import ResponseParserError

    unusable = (sdk.NoCredentialsError, sdk.PartialCredentialsError, sdk.CredentialRetrievalError, sdk.MetadataRetrievalError)
    try:
        yield
    except sdk.ClientError as error:
        answer = error.response.get("Error", {})
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
        raise _answered(queue_url, operation, str(answer.get("Code", "")), str(answer.get("Message", "")), status) from error
    except (*unusable, sdk.SSOError, sdk.TokenRetrievalError, sdk.ProfileNotFound) as error:
        raise CredentialsError(f"{queue_url}: this machine has no AWS credentials that work ({type(error).__name__})") from error
    except sdk.NoRegionError as error:
        raise QueueError(f"{queue_url}: its region is not known: set `region`") from error
    except (sdk.ConnectionError, sdk.HTTPClientError, ResponseParserError) as error:
        raise UnreachableError(f"{queue_url}: cannot be reached ({type(error).__name__})") from error
    except (sdk.BotoCoreError, ValueError, LookupError) as error:  # the last two: settings and answers that the SDK did not expect
        raise QueueError(f"{queue_url}: {operation} failed in the AWS SDK ({type(error).__name__})") from error


def _answered(queue_url: str, operation: str, code: str, detail: str, status: int) -> QueueError:
    """Codes come with a prefix from the service's older interface: `AWS.SimpleQueueService.NonExistentQueue`."""
    short = code.rpartition("#")[2].removeprefix("AWS.SimpleQueueService.")
    if short in _MISSING:
        return MissingError(f"{queue_url}: there is no such queue, or none that we may see")
    if short in _DENIED:
        return DeniedError(f"{queue_url}: we may not {operation}: {detail[:_DETAIL_CHARACTERS]}")
    wrong = next((how for text, how in _CLOCK_TEXTS.items() if detail.startswith(text)), "wrong" if short in _CLOCK else "")
    if wrong:
        return ClockError(f"{queue_url}: the clock of this machine is {wrong}: AWS does not accept its time ({short})")
    if short in _CREDENTIALS:
        return CredentialsError(f"{queue_url}: AWS does not accept our credentials ({short})")
    if status == 429 or status >= 500 or "Throttl" in short or short == "OverLimit":
        return UnreachableError(f"{queue_url}: AWS answers {short or status} to {operation}")
    if status in {401, 403}:
        return DeniedError(f"{queue_url}: we may not {operation}: {short or status}")
    return QueueError(f"{queue_url}: AWS answers {short or status} to {operation}")
