"""Deliveries by HTTP POST: `/hooks/NAME`, or `/hooks/NAME/TOKEN`.

One HTTP server serves every source and the API, so a webhook source does not listen by itself: the server hands it requests.
"""

import asyncio
import hashlib
from dataclasses import dataclass

import msgspec
import structlog
from aiohttp import ClientError, web

from watcher.dialects.protocol import Delivery
from watcher.model.errors import RetryableError
from watcher.model.reference import Host
from watcher.sources.protocol import Accepted, Intake
from watcher.sources.webhook_auth import Doorman, WebhookAuth

log = structlog.get_logger(__name__)

# A body that is too large is still read to its end, so that the sender sees our answer and not a broken connection, which a
# registry would answer by sending it again for ever. What is longer than this comes from no registry, and is cut off.
DRAIN_BYTES = 64 * 1024 * 1024
# Registries give up after one to ten seconds themselves; this ends senders that trickle.
READ_SECONDS = 10.0
RETRY_AFTER_SECONDS = 1
# What is kept of a body that is too large.
EXCERPT_BYTES = 4096
JSON = {"Content-Type": "application/json"}


class WebhookSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="webhook"):
    """One sender that posts to us."""

    auth: WebhookAuth  # no default: an open door has to be asked for with {type: none}
    dialect: str = "distribution"  # how the sender writes its events; never guessed from a request
    registry: str = ""  # whose events these are; empty: the only one under `registries`
    # Other host names that clients push to this registry under, as a proxy or a container network has them; "*" for any. An
    # event that names a host which is neither the registry's nor listed here is rejected.
    aliases: tuple[str, ...] = ()
    name: str = ""  # the NAME in /hooks/NAME; empty: the dialect's


@dataclass(frozen=True, slots=True)
class _Body:
    """What was read: everything, or the beginning of something too large with its size and hash."""

    content: bytes
    whole_bytes: int | None = None
    whole_sha256: str = ""
    ended: bool = True


class WebhookSource:
    """One configured sender."""

    def __init__(self, settings: WebhookSettings, *, max_body_bytes: int) -> None:
        self.name = settings.name or settings.dialect
        self._registry = Host(settings.registry)
        self._aliases = frozenset(settings.aliases)
        self._doorman = Doorman(settings.auth)
        self._max_body_bytes = max_body_bytes
        self._intake: Intake | None = None

    async def run(self, intake: Intake) -> None:
        """Take requests until cancelled; before and after that they are answered 503, which every sender repeats."""
        self._intake = intake
        try:
            await asyncio.Event().wait()
        finally:
            self._intake = None

    def admits(self, request: web.Request, path_token: str | None) -> bool:
        """Whether the sender has proved itself. Reads no body."""
        return self._doorman.admits(request.headers, path_token)

    async def receive(self, request: web.Request) -> web.Response:
        """Answer a request that was admitted: 202 once its events are on disk, 503 when they cannot be put there.

        A body that is too large or no JSON is answered 202 as well, and recorded: a registry repeats whatever else it is told
        for ever, and delivers nothing that comes after.
        """
        if self._intake is None:
            return _unavailable()
        try:
            body = await self._body(request)
        except TimeoutError:
            return _problem(408, "The body did not arrive in time", {"Connection": "close"})
        except ClientError as error:
            log.info("delivery.interrupted", source=self.name, error=type(error).__name__)
            return _problem(400, "The body could not be read", {"Connection": "close"})
        delivery = Delivery(
            registry=self._registry,
            headers=request.headers,  # compares without case
            body=body.content,
            method=request.method,
            aliases=self._aliases,
            whole_bytes=body.whole_bytes,
            whole_sha256=body.whole_sha256,
        )
        try:
            result = await self._intake(self.name, delivery)
        except RetryableError as error:
            log.warning("delivery.postponed", source=self.name, reason=error.reason)
            return _unavailable()
        answer = web.Response(body=msgspec.json.encode(_counts(result)), status=202, headers=JSON)
        if not body.ended:
            answer.force_close()
        return answer

    async def _body(self, request: web.Request) -> _Body:
        if request.content.is_eof() and (request.content_length or 0) <= self._max_body_bytes:
            # It is all here already, as a registry's few kilobytes mostly are: there is nothing to wait for.
            content = request.content.read_nowait()
            if len(content) <= self._max_body_bytes:
                return _Body(content=content)
            return _too_large(content, hashlib.sha256(content), len(content), ended=True)
        async with asyncio.timeout(READ_SECONDS):
            return await _read(request, self._max_body_bytes)


def _counts(result: Accepted) -> dict[str, int]:
    counts = {"accepted": result.accepted, "ignored": result.ignored, "duplicates": result.duplicates}
    return {**counts, "rejected": result.rejected} if result.rejected else counts


def _unavailable() -> web.Response:
    return _problem(503, "Events cannot be taken in now", {"Retry-After": str(RETRY_AFTER_SECONDS)})


def _problem(status: int, title: str, headers: dict[str, str]) -> web.Response:
    """Spec: RFC 9457."""
    body = {"type": "about:blank", "title": title, "status": status}
    return web.json_response(body, status=status, headers=headers, content_type="application/problem+json")


async def _read(request: web.Request, limit_bytes: int) -> _Body:
    """Read at most `limit_bytes`; hash and drop what comes after, up to DRAIN_BYTES in all."""
    kept: list[bytes] = []
    size = 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
        kept.append(chunk)
        if size > limit_bytes:
            break
    else:
        return _Body(content=b"".join(kept))
    beginning = b"".join(kept)
    hasher = hashlib.sha256(beginning)
    ended = False
    while size <= DRAIN_BYTES:
        chunk = await request.content.readany()
        if not chunk:
            ended = True
            break
        size += len(chunk)
        hasher.update(chunk)
    return _too_large(beginning, hasher, size, ended=ended)


def _too_large(beginning: bytes, hasher: "hashlib._Hash", size: int, *, ended: bool) -> _Body:
    return _Body(content=beginning[:EXCERPT_BYTES], whole_bytes=size, whole_sha256=hasher.hexdigest(), ended=ended)
