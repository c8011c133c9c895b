"""What a registry's refusal means: status, headers and body as one of our errors. Pure."""

import re
from collections.abc import Mapping
from datetime import datetime

import msgspec

from watcher.kit.retry_after import asked_seconds
from watcher.model.errors import (
    AuthenticationError,
    NotFoundError,
    RegistryRefusedError,
    RegistryUnavailableError,
    ThrottledError,
    WatcherError,
)

# An error's body is read for its first sentence only.
MAX_ERROR_BYTES = 64 * 1024
RETRIED_STATUSES = frozenset({408, 429})
# Answers that do not change by asking again. Of what a registry need not have they say that it has none, or none for us.
STANDING_REFUSALS = frozenset({*range(400, 500), 501, 505}) - RETRIED_STATUSES
# All that say nothing but that it was asked in a way that is not answered, where there is another way.
REFUSALS = frozenset(range(400, 600)) - RETRIED_STATUSES

_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")


def is_throttle(status: int, pause_seconds: float | None, *, is_optional: bool = False) -> bool:
    """Whether an answer means that we ask too fast; `pause_seconds` is what it asks for. A 503 without that is an outage.

    GitHub says 403 and when to come back; other refusals have no such end. Where what was asked `is_optional`, a registry without
    it may say so with any header: whether everything else is to wait is heard from everything else.
    """
    return status == 429 or (status in {403, 503} and pause_seconds is not None and not is_optional)


def refusal(
    what: str, status: int, headers: Mapping[str, str], body: bytes, now: datetime, *, is_optional: bool = False
) -> WatcherError:
    """The error of an answer that is not what was asked for. `what` names the request; `headers` are case-insensitive."""
    sentence = f"{what}: answered {status}"
    detail = registry_message(body)
    if detail:
        sentence = f"{sentence}, {detail}"
    wait = asked_seconds(status, headers, now)
    if is_throttle(status, wait, is_optional=is_optional):
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
