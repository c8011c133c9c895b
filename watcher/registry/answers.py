"""What a registry's refusal means: status, headers and body as one of our errors. Pure."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec

from watcher.model.errors import (
    AuthenticationError,
    NotFoundError,
    RegistryRefusedError,
    RegistryUnavailableError,
    ThrottledError,
    WatcherError,
)
from watcher.registry.pace import pause_seconds

# An error's body is read for its first sentence only.
MAX_ERROR_BYTES = 64 * 1024
RETRIED_STATUSES = frozenset({408, 429})

_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")


def retry_after_seconds(value: str | None, now: datetime) -> float | None:
    """Read `Retry-After`: whole seconds or an HTTP date, as a pause that makes sense. None when absent or unreadable."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return pause_seconds(float(text[:9]))
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return pause_seconds((moment - now).total_seconds())


def is_throttle(status: int, asked_seconds: float | None) -> bool:
    """Whether an answer means that we ask too fast; `asked_seconds` is its Retry-After. A 503 without one is an outage."""
    return status == 429 or (status == 503 and asked_seconds is not None)


def refusal(what: str, status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> WatcherError:
    """The error of an answer that is not what was asked for. `what` names the request; `headers` are case-insensitive."""
    sentence = f"{what}: answered {status}"
    detail = registry_message(body)
    if detail:
        sentence = f"{sentence}, {detail}"
    wait = retry_after_seconds(headers.get("Retry-After"), now)
    if is_throttle(status, wait):
        return ThrottledError(sentence, retry_after_seconds=wait)
    if status >= 500 or status in RETRIED_STATUSES:
        return RegistryUnavailableError(sentence, retry_after_seconds=wait)
    if status in {401, 403, 407}:
        return AuthenticationError(sentence)
    if status == 404:
        return NotFoundError(sentence)
    return RegistryRefusedError(sentence)


def registry_message(body: bytes) -> str:
    """Code and message of the first error in a body of the specification's form, printable and short; else nothing.

    Spec: OCI distribution-spec v1.1 "Error Codes".
    """
    try:
        document = msgspec.json.decode(body)
        first = document["errors"][0]
        text = f"{first.get('code', '')} {first.get('message', '')}"
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, KeyError, IndexError, TypeError, AttributeError):
        return ""
    return _UNPRINTABLE.sub(" ", text).strip()[:200]
