"""Deliveries by HTTP: `/hooks/NAME`, or `/hooks/NAME/TOKEN`.

One HTTP server serves every source and the API, so a webhook source does not listen by itself: the server hands it requests.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import msgspec
import structlog

from watcher.dialects.protocol import Delivery, lower_headers
from watcher.kit.backoff import Backoff
from watcher.kit.clock import Clock, utc_now
from watcher.kit.secret import Secret, resolve
from watcher.kit.seldom import Seldom
from watcher.model.errors import RetryableError
from watcher.sources.condition import Condition
from watcher.sources.patience import Patience
from watcher.sources.protocol import Accepted, Body, BodyUnreadError, HookRequest, Intake, Reply
from watcher.sources.webhook_auth import HeaderDoorman
from watcher.sources.webhook_fetch import fetch
from watcher.sources.webhook_oidc import TokenDoorman
from watcher.sources.webhook_senders import SENDERS, Sender, is_unknown_format, payload_of
from watcher.sources.webhook_settings import (
    BasicAuth,
    BearerAuth,
    HmacAuth,
    NoAuth,
    OidcAuth,
    PathTokenAuth,
    SnsAuth,
    WebhookAuth,
    WebhookSourceSettings,
)
from watcher.sources.webhook_signature import SignatureDoorman
from watcher.sources.webhook_sns import SnsDoorman

log = structlog.get_logger(__name__)

RETRY_AFTER_SECONDS = 1
# A sender that waits for its answer is answered soon after there is one. Each holds the body of its request in memory; whoever
# comes beyond is told at once.
PAUSES = Backoff(first_seconds=0.25, longest_seconds=0.25)
MAX_WAITING = 64
JSON = {"Content-Type": "application/json"}
PROBLEM = {"Content-Type": "application/problem+json"}


class StoppedError(Exception):
    """The source was stopped while a sender waited for its answer."""


class Doorman(Protocol):
    """Decides whether a request is one of the sender's. `reads_body` says that the proof is in the body, or signs it."""

    reads_body: bool

    def admits(self, request: HookRequest) -> bool:
        """Whether the request may go on, by its line and headers, in constant time."""
        ...

    async def objection(self, request: HookRequest, signed: bytes) -> str | None:
        """Why a request that was admitted proves nothing, as a low-cardinality word; None when it does.

        `signed` is what the sender signed, as it arrived; empty unless `reads_body`.

        Raises:
            RetryableError: it cannot be told now.
        """
        ...


class WebhookSource:
    """One configured sender. `waits_seconds` replaces how long it may be kept waiting for its answer.

    Raises:
        ConfigurationError: a secret is unset, unreadable or empty (on construction).
    """

    def __init__(
        self,
        settings: WebhookSourceSettings,
        *,
        max_body_bytes: int,
        clock: Clock = utc_now,
        waits_seconds: float | None = None,
    ) -> None:
        self.name = settings.name or settings.dialect
        self._condition = Condition(self.name, clock)
        self.health = self._condition.health
        self._settings = settings
        self._sender = SENDERS.get(settings.dialect, Sender())
        self._doormen = _doormen(settings.auth, self._sender, clock)
        self._reads_body = self._doormen[0].reads_body
        self._max_body_bytes = max_body_bytes
        self._intake: Intake | None = None
        self._said_previous = False
        self._seldom = Seldom()
        waits_seconds = self._sender.waits_seconds if waits_seconds is None else waits_seconds
        self._patience = Patience(self._condition, waits_seconds, pauses=PAUSES, most_waiting=MAX_WAITING)

    async def run(self, intake: Intake) -> None:
        """Take requests until cancelled; before and after that they are answered 503, which every sender repeats."""
        self._intake = intake
        with self._condition.listening(problem=""):
            try:
                await asyncio.Event().wait()
            finally:
                self._intake = None

    async def receive(self, request: HookRequest) -> Reply | None:
        """Success once the events are on disk, 503 when they cannot be put there; None for a sender that is not ours.

        A body that is too large or no JSON is a success as well, and recorded: a registry repeats whatever else it is told for
        ever, and delivers nothing that comes after. Of one that had to be signed nobody knows who sent it: 413.
        """
        if not self._admits(request):
            return None
        try:
            return await self._received(request)
        except RetryableError as error:
            if times := self._seldom.times(error.reason):
                log.warning("delivery.postponed", source=self.name, reason=error.reason, detail=str(error), times=times)
            return _unavailable(closes=isinstance(error, BodyUnreadError))

    def _admits(self, request: HookRequest) -> bool:
        """Whether the sender has proved itself, or may yet do so by the body."""
        admitted = [doorman.admits(request) for doorman in self._doormen]
        self._note_previous(current=admitted[0], previous=any(admitted))
        return any(admitted)

    async def _received(self, request: HookRequest) -> Reply | None:
        if self._intake is None:
            return _unavailable()
        if not self._reads_body and not await self._is_proven(request, b""):
            return None
        # Of a stranger's body no more is read than can be checked.
        body = await request.read(self._max_body_bytes, not self._reads_body)
        if self._reads_body:
            if body.whole_bytes is not None:
                if times := self._seldom.times("too-large"):
                    limit = self._max_body_bytes
                    log.error("delivery.refused", source=self.name, reason="too-large", limit_bytes=limit, times=times)
                return _problem(413, "The body is too large to check its signature", closes=True)
            if not await self._is_proven(request, self._signed(request, body.content)):
                return None
        if request.method not in self._sender.methods:
            return _problem(405, "Method Not Allowed", headers={"Allow": ", ".join(sorted(self._sender.methods))})
        delivery = self._delivery(request, body)
        try:
            result = await self._patience.stored(lambda: self._take_in(delivery))
        except StoppedError:
            return _unavailable(closes=not body.ended)
        except RetryableError as error:
            return _unavailable(error, closes=not body.ended)
        self._condition.stored()
        return replace(self._reply(request, result), closes=not body.ended)

    async def _take_in(self, delivery: Delivery) -> Accepted:
        if self._intake is None:
            raise StoppedError
        return await self._intake(self.name, delivery)

    def _reply(self, request: HookRequest, result: Accepted) -> Reply:
        if (shaken := result.handshake) is not None:
            return Reply(status=shaken.status, headers=shaken.headers, body=shaken.body)
        unread = result.rejected and not result.accepted
        if self._sender.refuses_formats and unread and is_unknown_format(request.headers.get("Content-Type", "")):
            return _problem(415, "Events are read as JSON only")
        if self._sender.status == 204:
            return Reply(status=204)
        return Reply(body=msgspec.json.encode(_counts(result)), status=self._sender.status, headers=JSON)

    async def _is_proven(self, request: HookRequest, signed: bytes) -> bool:
        objections = [await doorman.objection(request, signed) for doorman in self._doormen]
        if None not in objections:
            # Everybody outside gets the same 401; why is for whoever has to find out.
            if times := self._seldom.times(f"refused {objections[0]}"):
                log.warning("delivery.refused", source=self.name, reason=objections[0], times=times)
            return False
        self._note_previous(current=objections[0] is None, previous=True)
        return True

    def _note_previous(self, *, current: bool, previous: bool) -> None:
        if previous and not current and not self._said_previous:
            self._said_previous = True
            log.info("secret.outdated", source=self.name, detail="a sender still uses the previous one; said once")

    def _signed(self, request: HookRequest, body: bytes) -> bytes:
        """What the sender signed: the raw body, or the one field of a form that some sign instead."""
        payload = self._payload(request, body)
        return body if payload is None else payload

    def _payload(self, request: HookRequest, body: bytes) -> bytes | None:
        signature = self._sender.signature
        if signature is None or not signature.payload_field:
            return None
        return payload_of(
            signature.payload_field,
            body=body,
            content_type=request.headers.get("Content-Type", ""),
            query=request.query,
        )

    def _delivery(self, request: HookRequest, body: Body) -> Delivery:
        in_query = None if body.content else self._payload(request, b"")
        return self._settings.delivery(
            lower_headers(request.headers.items()),
            body.content if in_query is None else in_query,
            method=request.method,
            whole_bytes=body.whole_bytes,
            whole_sha256=body.whole_sha256,
        )


def _doormen(auth: WebhookAuth, sender: Sender, clock: Clock) -> Sequence[Doorman]:
    """The first knows the secret, the second, if any, the previous one. Secrets are resolved here, once."""
    match auth:
        case BearerAuth(secret=current, previous_secret=previous) | PathTokenAuth(secret=current, previous_secret=previous):
            return [HeaderDoorman(auth, resolve(each)) for each in (current, previous) if each]
        case BasicAuth(password=current, previous_password=previous):
            return [HeaderDoorman(auth, resolve(each)) for each in (current, previous) if each]
        case HmacAuth(secret=current, previous_secret=previous, header=header):
            assert sender.signature is not None
            prefixes = {header: "sha256="} if header else sender.signature.prefixes
            algorithm = sender.signature.algorithm
            return [SignatureDoorman(resolve(each), prefixes=prefixes, algorithm=algorithm) for each in (current, previous) if each]
        case OidcAuth():
            return [TokenDoorman(auth, fetch, clock)]
        case SnsAuth():
            return [SnsDoorman(auth, fetch, clock)]
        case NoAuth():
            return [HeaderDoorman(auth, Secret(""))]


def _counts(result: Accepted) -> dict[str, int]:
    counts = {"accepted": result.accepted, "ignored": result.ignored, "duplicates": result.duplicates}
    return {**counts, "rejected": result.rejected} if result.rejected else counts


def _unavailable(error: RetryableError | None = None, *, closes: bool = False) -> Reply:
    """503, which every sender repeats. Some take any 4xx for final. `error` is told, so only to who has proved itself."""
    why = {} if error is None else {"detail": str(error), "reason": error.reason}
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return _problem(503, "Events cannot be taken in now", why=why, headers=headers, closes=closes)


def _problem(
    status: int,
    title: str,
    *,
    why: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    closes: bool = False,
) -> Reply:
    """Spec: RFC 9457."""
    body = msgspec.json.encode({"type": "about:blank", "title": title, "status": status, **(why or {})})
    return Reply(status=status, headers={**PROBLEM, **(headers or {})}, body=body, closes=closes)
