"""What may be wrong with a service of AWS, out of what its SDK raises."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from watcher.kit.cloud_trouble import Kind, Raising, Trouble
from watcher.kit.retry_after import retry_after_seconds

_MISSING = frozenset(
    {"QueueDoesNotExist", "NonExistentQueue", "QueueDeletedRecently", "NotFound", "NotFoundException", "ResourceNotFoundException"}
)
_DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "AuthorizationErrorException",
        "NotAuthorizedForDetailTypeException",
        "NotAuthorizedForSourceException",
        "UnauthorizedOperation",
        "KmsAccessDenied",
        "KMSAccessDenied",
        "KMSAccessDeniedException",
        "KMS.AccessDeniedException",
    }
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
_PASSING = frozenset({"OverLimit", "InternalFailure", "InternalException", "InternalError", "ServiceUnavailable"})
# Of a message that is wrong, or too large.
_WRONG = frozenset(
    {
        "InvalidMessageContents",
        "InvalidParameter",
        "InvalidParameterException",
        "InvalidParameterValue",
        "InvalidParameterValueException",
        "InvalidArgument",
        "InvalidArgumentException",
        "MalformedDetail",
        "ValidationException",
        "BatchRequestTooLong",
    }
)
# Of what AWS says to a denied request: who was denied what. Other answers may repeat the request, and with it a session's token.
_DETAIL_CHARACTERS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked for something: its name, and what it is, as a noun."""

    name: str
    noun: str


@contextmanager
def translated(asked: Asked, operation: str, raising: Raising) -> Iterator[None]:
    """Turns every error of the SDK into one of ours."""
    import botocore.exceptions as sdk
    from botocore.parsers import ResponseParserError

    def trouble(kind: Kind, text: str) -> Exception:
        return raising(Trouble(kind=kind, text=f"{asked.name}: {text}"))

    unusable = (sdk.NoCredentialsError, sdk.PartialCredentialsError, sdk.CredentialRetrievalError, sdk.MetadataRetrievalError)
    try:
        yield
    except sdk.ClientError as error:
        answer = error.response.get("Error", {})
        metadata = error.response.get("ResponseMetadata", {})
        raise raising(
            answered(
                asked,
                operation,
                code=str(answer.get("Code", "")),
                detail=str(answer.get("Message", "")),
                status=metadata.get("HTTPStatusCode", 500),
                headers=metadata.get("HTTPHeaders", {}),
            )
        ) from error
    except (*unusable, sdk.SSOError, sdk.TokenRetrievalError, sdk.ProfileNotFound) as error:
        raise trouble(Kind.CREDENTIALS, f"this machine has no AWS credentials that work ({type(error).__name__})") from error
    except sdk.NoRegionError as error:
        raise trouble(Kind.OTHER, "its region is not known: set `region`") from error
    except (sdk.ConnectionError, sdk.HTTPClientError, ResponseParserError) as error:
        raise trouble(Kind.UNREACHABLE, f"cannot be reached ({type(error).__name__})") from error
    except (sdk.BotoCoreError, ValueError, LookupError) as error:  # the last two: settings and answers that the SDK did not expect
        raise trouble(Kind.OTHER, f"{operation} failed in the AWS SDK ({type(error).__name__})") from error


def answered(
    asked: Asked, operation: str, *, code: str, detail: str, status: int = 400, headers: Mapping[str, str] | None = None
) -> Trouble:
    """What a refusal says: of a whole request, or with `status` 400 of one entry in it.

    Codes come with a prefix from the older interface of SQS: `AWS.SimpleQueueService.NonExistentQueue`.
    """
    short = code.rpartition("#")[2].removeprefix("AWS.SimpleQueueService.")

    def trouble(kind: Kind, text: str) -> Trouble:
        wait = retry_after_seconds((headers or {}).get("retry-after"), datetime.now(UTC))
        return Trouble(kind=kind, text=f"{asked.name}: {text}", wait_seconds=wait)

    if short in _MISSING:
        return trouble(Kind.MISSING, f"there is no such {asked.noun}, or none that we may see")
    if short in _DENIED:
        return trouble(Kind.DENIED, f"we may not {operation}: {detail[:_DETAIL_CHARACTERS]}")
    wrong = next((how for text, how in _CLOCK_TEXTS.items() if detail.startswith(text)), "wrong" if short in _CLOCK else "")
    if wrong:
        return trouble(Kind.CLOCK, f"the clock of this machine is {wrong}: AWS does not accept its time ({short})")
    if short in _CREDENTIALS:
        return trouble(Kind.CREDENTIALS, f"AWS does not accept our credentials ({short})")
    if status == 429 or status >= 500 or "Throttl" in short or short in _PASSING:
        return trouble(Kind.UNREACHABLE, f"AWS answers {short or status} to {operation}")
    if status in {401, 403}:
        return trouble(Kind.DENIED, f"we may not {operation}: {short or status}")
    return trouble(Kind.WRONG if short in _WRONG else Kind.OTHER, f"AWS answers {short or status} to {operation}")
