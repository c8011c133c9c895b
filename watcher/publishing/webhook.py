"""POST verdicts as CloudEvents to one URL, signed as Standard Webhooks says.

Spec: standardwebhooks.com v1 (`webhook-id`, `webhook-timestamp`, `webhook-signature: v1,<base64 HMAC-SHA256>`, one for each key,
with spaces between them), CloudEvents HTTP protocol binding v1.0.2, structured mode.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac

import aiohttp
import structlog
from yarl import URL

from watcher.kit import tunnel
from watcher.kit.connector import believing
from watcher.kit.http_trouble import ProxyError, clause
from watcher.kit.retry_after import asked_seconds
from watcher.kit.secret import Secret, resolve
from watcher.model.verdict import Verdict
from watcher.publishing.cloudevent import CONTENT_TYPE, verdict_event
from watcher.publishing.context import PublisherContext
from watcher.publishing.protocol import Progress
from watcher.publishing.receiver import ReceiverRefusedError, ReceiverUnavailableError
from watcher.publishing.settings import WebhookPublisherSettings

log = structlog.get_logger(__name__)

# Receivers are told to answer before they work; ten seconds is what GitHub gives its own.
TIMEOUT_SECONDS = 10.0


class WebhookPublisher:
    """One URL that is told about verdicts."""

    def __init__(self, settings: WebhookPublisherSettings, context: PublisherContext) -> None:
        self.name = settings.name
        self._url = URL(settings.url)
        self._secrets = [resolve(each) for each in (settings.secret, settings.former_secret) if each]
        self._session = context.session
        self._proxies = context.proxies
        self._links = context.links
        self._clock = context.clock

    async def open(self) -> None:
        """Connect and hang up: what a receiver makes of an empty request is not known."""
        tls = believing() if self._url.scheme == "https" else None
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                _, writer = await tunnel.connect(self._url, self._proxies, tls)
        except (ProxyError, TimeoutError, OSError) as error:
            raise ReceiverUnavailableError(f"webhook {self.name}: {clause(error, timeout_seconds=TIMEOUT_SECONDS)}") from error
        writer.close()

    async def publish(self, verdict: Verdict, progress: Progress) -> None:  # noqa: ARG002  one step
        body = verdict_event(verdict, link=self._links.verdict(verdict))
        headers = {"Content-Type": CONTENT_TYPE, **self._signature(verdict.id, body)}
        try:
            async with (
                asyncio.timeout(TIMEOUT_SECONDS),
                self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as response,
            ):
                status = response.status
                wait = asked_seconds(status, response.headers, self._clock())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ReceiverUnavailableError(f"webhook {self.name}: {clause(error, timeout_seconds=TIMEOUT_SECONDS)}") from error
        if status < 300:
            return
        if status in (408, 425, 429) or status >= 500:
            raise ReceiverUnavailableError(f"webhook {self.name}: answered {status}", retry_after_seconds=wait)
        raise ReceiverRefusedError(f"webhook {self.name}: answered {status}")

    async def aclose(self) -> None:
        """The session belongs to the daemon."""

    def _signature(self, message_id: str, body: bytes) -> dict[str, str]:
        timestamp = str(int(self._clock().timestamp()))
        headers = {"webhook-id": message_id, "webhook-timestamp": timestamp}
        if self._secrets:
            headers["webhook-signature"] = " ".join(sign(each, message_id, timestamp, body) for each in self._secrets)
        return headers


def sign(secret: Secret, message_id: str, timestamp: str, body: bytes) -> str:
    """`v1,<base64>` over `id.timestamp.body`. A secret with the prefix `whsec_` is base64, any other is used as it is."""
    text = secret.reveal()
    key = text.encode()
    if text.startswith("whsec_"):
        try:
            key = base64.b64decode(text.removeprefix("whsec_"), validate=True)
        except binascii.Error:
            key = text.encode()
    signed = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(signed).decode()
