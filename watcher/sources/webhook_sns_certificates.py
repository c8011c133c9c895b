"""The certificates that SNS signs with, by the URL that a message names."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from watcher.kit.clock import Clock
from watcher.model.amazon import PARTITIONS
from watcher.model.errors import RetryableError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

Fetch = Callable[[str], Awaitable[tuple[int, Mapping[str, str], bytes]]]
"""`await fetch(url)`: status, headers and body. Raises RetryableError."""

# A URL's certificate never changes, but one that Amazon takes away should not be trusted for ever.
CERTIFICATE_SECONDS = 86400.0
# A region has one or two at a time.
MAX_CERTIFICATES = 32
# Names are cheap to invent: so many that we do not know are asked for in a minute.
FETCHES_A_MINUTE = 10
MIN_KEY_BITS = 2048
_PATH = r"/SimpleNotificationService-[0-9a-f]{32}\.pem"
_DOMAINS = {partition.name: partition.domain for partition in PARTITIONS}
_GONE = frozenset({403, 404, 410})


class CertificateUnavailableError(RetryableError):
    """The certificate cannot be had now, so no signature can be judged."""

    reason = "keys-unavailable"


def is_of_region(url: str, topic: str) -> bool:
    """Whether the certificate is served by SNS itself in the region of `topic`, whose ARN has been checked.

    Compared whole and exactly: `sns.s3-us-west-2.amazonaws.com` is a bucket of anybody that is named `sns`.
    """
    _, partition, _, region, _, _ = topic.split(":")
    return re.fullmatch(rf"https://sns\.{re.escape(region)}\.{re.escape(_DOMAINS[partition])}{_PATH}", url) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Certificate:
    key: "RSAPublicKey"
    not_before: datetime
    not_after: datetime
    fetched_at: float


class Certificates:
    """Fetches each certificate once a day, one at a time. `endpoint_url` replaces the host of every URL."""

    def __init__(self, fetch: Fetch, clock: Clock, monotonic: Callable[[], float], *, endpoint_url: str) -> None:
        self._fetch = fetch
        self._clock = clock
        self._monotonic = monotonic
        self._endpoint_url = endpoint_url.rstrip("/")
        self._lock = asyncio.Lock()
        self._kept: dict[str, _Certificate] = {}
        self._fetches: list[float] = []

    async def key(self, url: str) -> "RSAPublicKey | None":
        """The public key of the certificate at `url`, which `is_of_region`; None when it is none or not valid now.

        Raises:
            RetryableError: it cannot be fetched now.
        """
        if (found := self._fresh(url)) is None:
            async with self._lock:
                if (found := self._fresh(url)) is None:
                    found = await self._fetched(url)
        if found is None or not found.not_before <= self._clock() <= found.not_after:
            return None
        return found.key

    def _fresh(self, url: str) -> _Certificate | None:
        kept = self._kept.get(url)
        return kept if kept is not None and self._monotonic() < kept.fetched_at + CERTIFICATE_SECONDS else None

    async def _fetched(self, url: str) -> _Certificate | None:
        now = self._monotonic()
        self._fetches = [each for each in self._fetches if each > now - 60]
        if len(self._fetches) >= FETCHES_A_MINUTE:
            raise CertificateUnavailableError(f"{url}: too many unknown certificates in a minute")
        self._fetches.append(now)
        name = url.rpartition("/")[2]
        status, _, body = await self._fetch(f"{self._endpoint_url}/{name}" if self._endpoint_url else url)
        if status in _GONE:
            return None
        if status != 200:
            raise CertificateUnavailableError(f"{url}: answered {status}")
        found = _parsed(body, now)
        if found is not None:
            while len(self._kept) >= MAX_CERTIFICATES:
                del self._kept[next(iter(self._kept))]
            self._kept[url] = found
        return found


def _parsed(pem: bytes, now: float) -> _Certificate | None:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    try:
        certificate = x509.load_pem_x509_certificate(pem)
        key = certificate.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    if not isinstance(key, RSAPublicKey) or key.key_size < MIN_KEY_BITS:
        return None
    return _Certificate(
        key=key, not_before=certificate.not_valid_before_utc, not_after=certificate.not_valid_after_utc, fetched_at=now
    )
