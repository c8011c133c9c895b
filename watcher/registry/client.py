"""Requests to one registry: authentication, redirects and retries. The only asynchronous HTTP towards registries.

Everything here is small (manifests, tokens, referrers, our own uploads) and read whole; layers go through `blobs`.
"""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from types import TracebackType
from typing import Self

import tenacity
from multidict import CIMultiDictProxy
from yarl import URL

from watcher.kit.clock import Clock, since_boot, utc_now
from watcher.kit.retry_after import asked_seconds
from watcher.kit.secret import resolve
from watcher.model.errors import (
    AuthenticationError,
    ConfigurationError,
    PermanentError,
    RegistryRefusedError,
    RegistryUnavailableError,
    RetryableError,
    ThrottledError,
    WatcherError,
)
from watcher.model.image import ACCEPTED_TYPES
from watcher.registry.answers import MAX_ERROR_BYTES, RETRIED_STATUSES, is_throttle, refusal
from watcher.registry.auth import Authorizer
from watcher.registry.challenges import Challenge, Way, parse_challenges
from watcher.registry.credentials import CredentialProvider, CredentialSource, named
from watcher.registry.credentials_catalog import build_credentials, sources_of
from watcher.registry.elsewhere import Elsewhere
from watcher.registry.introduction import Introduction
from watcher.registry.pace import LONGEST_WAIT_SECONDS
from watcher.registry.redirects import REDIRECT_STATUSES, Hop, StrayedError, asked, check_realm, followed
from watcher.registry.settings import RegistrySettings
from watcher.registry.trouble import A_PAGE, is_page, unreachable
from watcher.registry.wire import OnResponse, Response, Sleep, Wire

# Of requests for manifests. One header, so that a registry that converts them never has a reason to.
ACCEPT = ", ".join(ACCEPTED_TYPES)
MAX_TOKEN_BYTES = 1024 * 1024
# Five tries over about four seconds ride out a restart; whatever lasts longer is for the backlog, not for a waiting worker.
ATTEMPTS = 5
# With a token, with one for what more it then asks for, and with a password.
MAX_ANSWERS = 3

_MANIFESTS = re.compile(r"^/v2/(_catalog|.+/manifests/[^/]+|.+/tags/list)?$")
_backoff = tenacity.wait_exponential_jitter(multiplier=0.25, max=3.0, jitter=0.1)


@dataclass(slots=True)
class ReferrersApi:
    """`is_there`: it has answered; False where all that came was a refusal that may pass. `silent_until` of the client's clock."""

    is_there: bool | None = None
    silent_until: float = 0.0


class RegistryClient:
    """One registry. Close it, or use it as an asynchronous context manager."""

    def __init__(
        self,
        settings: RegistrySettings,
        *,
        on_response: OnResponse | None = None,
        clock: Clock = utc_now,
        monotonic: Callable[[], float] = since_boot,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """Reads the authorities, certificates and secrets that the settings name. Raises ConfigurationError."""
        self.settings = settings
        self.registry = settings.registry
        self.base_url = settings.base_url
        self.wire = Wire(settings, on_response=on_response, sleep=sleep)
        self.guard = self.wire.guard
        self.clock = clock
        self.monotonic = monotonic
        # What is known of its Referrers API, for all that ask it. See `referrers`.
        self.referrers_api = ReferrersApi()
        self._sleep = sleep
        try:
            if settings.api_token is not None:
                resolve(settings.api_token)
            source = build_credentials(settings, self._fetch_token)
        except ConfigurationError as error:
            raise ConfigurationError(named(self.registry, error)) from error
        provider = CredentialProvider(self.registry, source, clock=monotonic)
        self._authorizer = Authorizer(self.registry, self.base_url, provider, self._fetch_token, token_hosts=settings.token_hosts)
        self._elsewhere = Elsewhere(self.registry, self._fetch_token)
        self._introduction = Introduction(self._authorizer, self._ping, clock=monotonic)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        await self.wire.close()

    async def as_stranger(self, path: str) -> tuple[Response, Sequence[Challenge]]:
        """GET a path without credentials, once: the answer whatever it is, and what its 401 asks for. Raises as `request`."""
        url = self.base_url.join(URL(path, encoded=True))
        response = await self._walk("GET", Hop(url=url, authorized=True), None, {}, None, MAX_ERROR_BYTES)
        return response, challenges_of(response)

    def credential_sources(self) -> Mapping[str, CredentialSource]:
        """Where credentials come from, by what a person calls it, in the order in which they are asked."""
        return sources_of(self.settings, self._fetch_token)

    async def pause(self, duration_seconds: float) -> None:
        """Wait as this client waits between attempts."""
        await self._sleep(duration_seconds)

    async def request(
        self,
        method: str,
        target: str | URL,
        *,
        scopes: frozenset[str] = frozenset(),
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
        limit_bytes: int = MAX_ERROR_BYTES,
        accept: frozenset[int] = frozenset({200}),
        attempts: int = ATTEMPTS,
        password: bool = False,
        is_optional: bool = False,
        check: Callable[[Response], None] | None = None,
    ) -> Response:
        """Send a request until it is answered with one of the statuses in `accept`, and read at most `limit_bytes` of it.

        `target` is a path of this registry, or a URL it gave us. Refusals that may pass (408, 429, 5xx, connection errors) are
        retried `attempts` times within a minute, as Retry-After says. GET and HEAD follow redirects, the others at the registry.
        `password` is for an API beside the registry's own, which takes `api_token`, or user name and password, if we have one, and
        never asks. What `is_optional` a registry may lack: nobody else waits for a refusal of it, but for 429. `check` raises
        RegistryUnavailableError for an answer that is none; it is asked for again.

        Raises:
            ThrottledError: with what the registry asked for, when that is longer than a minute or did not help.
            RegistryUnavailableError, AuthenticationError, NotFoundError, RegistryRefusedError, ForbiddenAddressError
            TooLargeError: the body is longer than `limit_bytes`.
        """
        url = target if isinstance(target, URL) else self.base_url.join(URL(target, encoded=True))
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(_passes),
            wait=_wait,
            stop=tenacity.stop_after_attempt(attempts) | tenacity.stop_before_delay(LONGEST_WAIT_SECONDS),
            sleep=self._sleep,
            reraise=True,
        )
        async for attempt in retrying:
            with attempt:
                response = await self._authorized(method, url, scopes, dict(headers or {}), data, limit_bytes, password=password)
                # Who is asked too often has answered nothing, whatever else the status could mean.
                pause_seconds = asked_seconds(response.status, response.headers, self.clock())
                if response.status not in accept or is_throttle(response.status, pause_seconds, is_optional=is_optional):
                    raise self._refusal(response, is_optional=is_optional)
                # Registries answer a page where they have no Referrers API, and others' content may be one.
                if _MANIFESTS.search(url.path) and response.status == 200 and is_page(response.headers, response.body):
                    raise unreachable(response.what, A_PAGE)
                if check is not None:
                    check(response)
                return response
        raise AssertionError("tenacity returns or raises")  # pragma: no cover

    async def authorization(self, scopes: frozenset[str]) -> str | None:
        """The Authorization header for requests made elsewhere; None while the registry has not asked for one."""
        return await self._authorizer.header(scopes)

    async def better(
        self, status: int, www_authenticate: list[str], scopes: frozenset[str], sent: str | None, tried: set[Way]
    ) -> str | None:
        """A new header after an answer that was received elsewhere; None when it stands. See `Authorizer.answer`."""
        challenges = parse_challenges(www_authenticate)
        # Twice what a token service is given, so that one which hangs leaves time for the next.
        async with asyncio.timeout(2 * self.wire.timeout_seconds):
            if status == 401 and challenges:
                return await self._authorizer.answer(challenges, scopes, sent, tried)
            return await self._introduction.header(status, scopes, sent)

    async def better_elsewhere(self, url: URL, www_authenticate: list[str]) -> str | None:
        """The same for where a redirect led to, of which we know nobody. See `Elsewhere.header`."""
        async with asyncio.timeout(2 * self.wire.timeout_seconds):
            return await self._elsewhere.header(url, parse_challenges(www_authenticate))

    async def _authorized(
        self,
        method: str,
        url: URL,
        scopes: frozenset[str],
        headers: dict[str, str],
        data: bytes | None,
        limit_bytes: int,
        *,
        password: bool,
    ) -> Response:
        """One attempt, repeated once when the registry does not know us yet, and with what it asks for as long as it names more."""
        own = url.origin() == self.base_url.origin()
        if not own:
            self.guard.check_literal(url.host or "")
        if not own:
            sent = None
        else:
            sent = await (self._own_api_header() if password else self._authorizer.header(scopes))
        response = await self._walk(method, Hop(url=url, authorized=own), sent, headers, data, limit_bytes)
        # Only the registry itself may ask: where a redirect led to gets nothing of ours.
        away = response.url.origin() != self.base_url.origin()
        if response.status == 401 and own and away and method in {"GET", "HEAD"}:
            strangers = await self._elsewhere.header(response.url, challenges_of(response))
            if strangers is not None:
                return await self._walk(method, Hop(url=response.url, authorized=True), strangers, headers, None, limit_bytes)
        if response.status == 403 and own and away:
            # The signature of the URL we were sent to has run out; the registry writes a new one.
            return await self._walk(method, Hop(url=url, authorized=own), sent, headers, data, limit_bytes)
        if own and not away and not password and not (response.status == 401 and challenges_of(response)):
            known = await self._introduction.header(response.status, scopes, sent)
            if known is not None:
                sent, response = known, await self._walk(method, Hop(url=url, authorized=own), known, headers, data, limit_bytes)
        tried: set[Way] = set()
        for _ in range(MAX_ANSWERS):
            away = response.url.origin() != self.base_url.origin()
            if response.status != 401 or not own or away or password or not (challenges := challenges_of(response)):
                break
            better = await self._authorizer.answer(challenges, scopes, sent, tried)
            if better is None:
                break
            sent, response = better, await self._walk(method, Hop(url=url, authorized=own), better, headers, data, limit_bytes)
        return response

    async def _own_api_header(self) -> str | None:
        if self.settings.api_token is None:
            return await self._authorizer.password_header()
        try:
            # Each time: whoever replaces the file need not tell us.
            return f"Bearer {resolve(self.settings.api_token).reveal()}"
        except ConfigurationError as error:
            raise AuthenticationError(f"{self.registry}: api_token: {error}") from error

    async def _ping(self, authorization: str | None) -> Sequence[Challenge]:
        """What the registry asks of whoever shows `authorization`; nothing when it is content, or not to be asked so."""
        url = self.base_url.join(URL("/v2/"))
        try:
            response = await self._walk("GET", Hop(url=url, authorized=True), authorization, {}, None, MAX_ERROR_BYTES)
        except (PermanentError, StrayedError):
            return []  # a page, or a way that leads nowhere: it asks for nothing
        if response.status >= 500 or response.status in RETRIED_STATUSES:
            raise self._refusal(response)
        away = response.url.origin() != self.base_url.origin()
        return [] if away or response.status != 401 else challenges_of(response)

    def _refusal(self, response: Response, *, is_optional: bool = False) -> WatcherError:
        now = self.clock()
        error = refusal(response.what, response.status, response.headers, response.body, now, is_optional=is_optional)
        return self.wire.refused(error)

    async def _walk(
        self,
        method: str,
        hop: Hop,
        authorization: str | None,
        headers: Mapping[str, str],
        data: bytes | Mapping[str, str] | None,
        limit_bytes: int,
        *,
        called: str = "",
        check: Callable[[URL], object] | None = None,
    ) -> Response:
        """One request and where it leads. `headers` go everywhere, which `check` may forbid, `authorization` to its own origin."""
        first = hop.url
        for hops in count():
            # The path is named, the query is not: it is long, and may be signed.
            what = asked(f"{called or method} {first.authority}{first.path}", first, hop.url)
            sent = dict(headers)
            if hop.authorized and authorization:
                sent["Authorization"] = authorization
            response = await self.wire.send(method, hop.url, sent, data, limit_bytes, what=what)
            if response.status not in REDIRECT_STATUSES:
                return response
            hop = followed(hop, response.status, response.headers.get("Location"), self.guard, hops=hops, what=what)
            if check is not None:
                check(hop.url)
            # What is written goes to the registry itself, by an answer that says to send the very same again.
            if method not in {"GET", "HEAD"} and not (hop.authorized and response.status in {307, 308}):
                raise RegistryRefusedError(f"{what}: answered with a redirect, not followed")
        raise AssertionError("a chain is answered or strays")  # pragma: no cover

    async def _fetch_token(self, method: str, url: URL, headers: Mapping[str, str], form: Mapping[str, str] | None) -> bytes:
        """A form stays with its origin; without one redirects are followed to where what is in `headers` may be shown too."""
        self.guard.check_literal(url.host or "")

        def check(led_to: URL) -> None:
            check_realm(str(led_to), self.base_url, shows=bool(headers), token_hosts=self.settings.token_hosts)

        start = Hop(url=url, authorized=True)
        response = await self._walk(method, start, None, headers, form, MAX_TOKEN_BYTES, called="token service", check=check)
        if not 200 <= response.status < 300:
            raise self._refusal(response)
        return response.body


def challenges_of(response: Response) -> list[Challenge]:
    """What an answer asks for."""
    headers = response.headers
    return parse_challenges(headers.getall("WWW-Authenticate", []) if isinstance(headers, CIMultiDictProxy) else [])


def _passes(error: BaseException) -> bool:
    """Whether trying again within this call makes sense: not when the registry wants to be left alone for longer, or errs."""
    if isinstance(error, StrayedError):
        return False
    if isinstance(error, ThrottledError | RegistryUnavailableError):
        return (error.retry_after_seconds or 0.0) <= LONGEST_WAIT_SECONDS
    return False


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, ThrottledError):
        return 0.0  # the next attempt waits for its turn like everybody else's
    asked = error.retry_after_seconds if isinstance(error, RetryableError) else None
    return _backoff(state) if asked is None else asked
