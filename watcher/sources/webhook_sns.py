"""Amazon SNS over HTTPS: every message is signed by Amazon, and a subscription waits to be confirmed.

A valid signature says only that some topic of somebody sent the message, so the topic has to be one of ours. The certificate is
fetched from that topic's region alone, and a subscription is confirmed by the API: no URL of a message is ever requested.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

import asyncio
import base64
import binascii
import importlib
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import structlog

from watcher.dialects.fields import moment
from watcher.kit.clock import Clock
from watcher.model.errors import RetryableError
from watcher.model.strict_json import JsonBodyError, read_json
from watcher.sources.protocol import HookRequest
from watcher.sources.webhook_settings import SnsAuth
from watcher.sources.webhook_sns_certificates import Certificates, Fetch, is_of_region

log = structlog.get_logger(__name__)

# SNS signs when a message is published and delivers it for at most an hour; what is older is somebody's repetition.
OLDEST = timedelta(hours=1) + timedelta(seconds=3600)
# Ahead of us is only who has the better clock.
NEWEST = timedelta(hours=1)
CONNECT_SECONDS = 3.0
READ_SECONDS = 5.0
_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
# What is signed of each type of message, in this order. `Subject` may be missing.
SIGNED_KEYS: Mapping[str, tuple[str, ...]] = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": _CONFIRMATION,
    "UnsubscribeConfirmation": _CONFIRMATION,
}


class ConfirmationUnavailableError(RetryableError):
    """SNS could not be told that we want the subscription."""

    reason = "sns-unavailable"


Confirm = Callable[[str, str, str], str | None]
"""See `confirm_subscription`."""


class SnsDoorman:
    """Knows whose topics, and tells SNS that we are listening."""

    reads_body = True

    def __init__(
        self,
        auth: SnsAuth,
        fetch: Fetch,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
        confirm: Confirm | None = None,
    ) -> None:
        importlib.import_module("cryptography.x509")  # a tenth of a second, which no request should wait for
        self._topics = frozenset(auth.topics)
        self._endpoint_url = auth.endpoint_url
        self._clock = clock
        self._certificates = Certificates(fetch, clock, monotonic, endpoint_url=auth.endpoint_url)
        self._confirm = confirm or confirm_subscription
        self._confirming = asyncio.Lock()

    def admits(self, request: HookRequest) -> bool:
        """Whether the headers claim a signed message of a known topic. The body says the same again, and signed."""
        claimed = request.headers.get("x-amz-sns-topic-arn")
        is_raw = request.headers.get("x-amz-sns-rawdelivery", "").lower() == "true"
        return not is_raw and (claimed is None or claimed in self._topics)

    async def objection(self, request: HookRequest, signed: bytes) -> str | None:  # noqa: ARG002 -- the body says it all
        """Why the message is none of a listed topic: `malformed-message`, `foreign-topic`, `foreign-certificate`, `stale`,
        `no-certificate` or `bad-signature`. A subscription has been confirmed when this returns None.

        Raises:
            RetryableError: the certificate, or SNS itself, cannot be reached.
        """
        try:
            message = _message(signed)
        except (JsonBodyError, ValueError):
            return "malformed-message"
        topic, url = message["TopicArn"], message["SigningCertURL"]
        if topic not in self._topics:
            return "foreign-topic"
        if not is_of_region(url, topic):
            return "foreign-certificate"
        sent, now = moment(message["Timestamp"]), self._clock()
        if sent is None or not now - OLDEST <= sent <= now + NEWEST:
            return "stale"
        key = await self._certificates.key(url)
        if key is None:
            return "no-certificate"
        if not _is_signed_by(key, message):
            return "bad-signature"
        await self._heed(message)
        return None

    async def _heed(self, message: Mapping[str, str]) -> None:
        topic = message["TopicArn"]
        if message["Type"] == "UnsubscribeConfirmation":
            # Whoever ended it may have had a reason, so it is for a person to undo.
            log.error("subscription.ended", topic=topic)
        elif message["Type"] == "SubscriptionConfirmation":
            async with self._confirming:
                refusal = await asyncio.to_thread(self._confirm, topic, message["Token"], self._endpoint_url)
            if refusal is None:
                log.info("subscription.confirmed", topic=topic)
            else:
                # Sent again it would be refused again: the subscription has to be made anew.
                log.error("subscription.unconfirmed", topic=topic, code=refusal)


def _message(body: bytes) -> dict[str, str]:
    """The envelope, with every key that counts. Raises JsonBodyError or ValueError."""
    read = read_json(body)
    kind = read.get("Type") if isinstance(read, dict) else None
    if not isinstance(kind, str) or kind not in SIGNED_KEYS:
        raise ValueError("not a message of SNS")
    keys = {*SIGNED_KEYS[kind], "SignatureVersion", "Signature", "SigningCertURL"}
    found = {key: read[key] for key in keys if read.get(key) is not None}
    if keys - found.keys() - {"Subject"} or not all(isinstance(value, str) for value in found.values()):
        raise ValueError("keys are missing, or are no text")
    return found


def _is_signed_by(key: Any, message: Mapping[str, str]) -> bool:
    """Version 1 is SHA1withRSA, version 2 is SHA256withRSA."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA1, SHA256

    # Version 1 is what topics have unless they are told otherwise; nobody can find a second message with the hash of a first.
    algorithm = {"1": SHA1(), "2": SHA256()}.get(message["SignatureVersion"])  # noqa: S303 -- what SNS signs with
    if algorithm is None:
        return False
    text = "".join(f"{name}\n{message[name]}\n" for name in SIGNED_KEYS[message["Type"]] if name in message)
    try:
        signature = base64.b64decode(message["Signature"], validate=True)
        key.verify(signature, text.encode("utf-8", "surrogatepass"), PKCS1v15(), algorithm)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def confirm_subscription(topic: str, token: str, endpoint_url: str) -> str | None:
    """Blocking. The code that SNS refuses the token with, None when it is confirmed.

    Raises:
        ConfirmationUnavailableError: worth another try.
    """
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    config = Config(
        signature_version=UNSIGNED,  # the token is the proof; we need no credentials for it
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"total_max_attempts": 1},
    )
    try:
        # A session of its own: the default one must not be used by two threads.
        client = boto3.session.Session().client(
            "sns", region_name=topic.split(":")[3], endpoint_url=endpoint_url or None, config=config
        )
        client.confirm_subscription(TopicArn=topic, Token=token)
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
        code = str(error.response.get("Error", {}).get("Code", status))
        if status == 429 or status >= 500 or code == "Throttling":
            raise ConfirmationUnavailableError(f"{topic}: SNS answered {status} {code}") from error
        return code
    except (BotoCoreError, ResponseParserError, KeyError) as error:  # the last two: something else than SNS answered
        raise ConfirmationUnavailableError(f"{topic}: SNS was not reached: {type(error).__name__}") from error
    return None
