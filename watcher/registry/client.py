"""Requests to one registry: authentication, redirects, retries and limits. The only asynchronous HTTP towards registries.

Everything here is small (manifests, tokens, referrers, our own uploads) and read whole; layers go through `blobs`.
"""

import asyncio
import io
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import aiohttp
import tenacity
from aiohttp.abc import AbstractResolver, ResolveResult
from multidict import CIMultiDictProxy
from yarl import URL

from watcher.kit.clock import Clock, utc_now
from watcher.kit.retry_after import asked_seconds
from watcher.kit.secret import resolve
from watcher.kit.units import seconds
from watcher.kit.version import VERSION
from watcher.model.errors import (
    AuthenticationError,
    ConfigurationError,
    ForbiddenAddressError,
    RegistryRefusedError,
    RegistryUnavailableError,
    RetryableError,
    ThrottledError,
)
from watcher.model.image import ACCEPTED_TYPES
from watcher.model.reference import Host
from watcher.registry.answers import MAX_ERROR_BYTES, RETRIED_STATUSES, is_throttle, refusal
from watcher.registry.auth import Authorizer
from watcher.registry.bodies import read_body
from watcher.registry.challenges import Challenge, parse_challenges
from watcher.registry.credentials import CredentialProvider, CredentialSource
from watcher.registry.credentials_catalog import build_credentials, sources_of
from watcher.registry.introduction import Introduction
from watcher.registry.pace import LONGEST_WAIT_SECONDS, Pace
from watcher.registry.redirects import MAX_REDIRECTS, REDIRECT_STATUSES, Guard, Hop, next_hop
from watcher.registry.settings import RegistrySettings
from watcher.registry.tls import own_context, server_context

USER_AGENT = f"registry-watcher/{VERSION}"
# Of requests for manifests. One header, so that a registry that converts them never has a reason to.
ACCEPT = ", ".join(ACCEPTED_TYPES)
MAX_TOKEN_BYTES = 1024 * 1024
# Five tries over about four seconds ride out a restart; whatever lasts longer is for the backlog, not for a waiting worker.
ATTEMPTS = 5
# More at once only queue up in the registry; layers have their own connections.
CONNECTIONS = 16
CONNECT_SECONDS = 10.0
PIECEWISE_BYTES = 1024 * 1024

Sleep = Callable[[float], Awaitable[None]]
OnResponse = Callable[[Host, int], None]
"""`on_response(registry, status)`, once per answer, redirects and refusals included; status 0 is a request without one."""

_backoff = tenacity.wait_exponential_jitter(multiplier=0.25, max=3.0, jitter=0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer read whole. `url` is where it finally came from, `headers` ignore case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    url: URL


class RegistryClient:
    """One registry. Close it, or use it as an asynchronous context manager."""

    def __init__(
        self,
        settings: RegistrySettings,
        *,
        on_response: OnResponse | None = None,
        clock: Clock = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """Reads the authorities, certificates and secrets that the settings name. Raises ConfigurationError."""
        self.settings = settings
        self.registry = settings.registry
        self.base_url = settings.base_url
        self.timeout_seconds = seconds(settings.timeout)
        self.guard = Guard(own=self.base_url, private_redirects=settings.private_redirects)
        if settings.api_token is not None:
            resolve(settings.api_token)
        self._tls = server_context(settings)
        self._own_tls = self._tls if settings.client_cert is None else own_context(settings)
        self.pace = Pace(settings.requests_per_second, sleep=sleep)
        self.clock = clock
        self._on_response = on_response
        self._sleep = sleep
        provider = CredentialProvider(self.registry, build_credentials(settings, self._fetch_token), clock=monotonic)
        self._authorizer = Authorizer(self.registry, self.base_url, provider, self._fetch_token, token_hosts=settings.token_hosts)
        self._introduction = Introduction(self._authorizer, self._ping, clock=monotonic)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

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
    ) -> Response:
        """Send a request until it is answered with one of the statuses in `accept`, and read at most `limit_bytes` of it.

        `target` is a path of this registry, or a URL it gave us. Refusals that may pass (408, 429, 5xx, connection errors) are
        retried `attempts` times within a minute, as Retry-After says. GET and HEAD follow redirects. `password` is for an API
        beside the registry's own, which takes `api_token`, or user name and password, if we have one, and never asks.

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
                if response.status not in accept:
                    what = f"{method} {url.authority}{url.path}"
                    raise refusal(what, response.status, response.headers, response.body, self.clock())
                return response
        raise AssertionError("tenacity returns or raises")  # pragma: no cover

    async def authorization(self, scopes: frozenset[str]) -> str | None:
        """The Authorization header for requests made elsewhere; None while the registry has not asked for one."""
        return await self._authorizer.header(scopes)

    async def better(self, status: int, www_authenticate: list[str], scopes: frozenset[str], sent: str | None) -> str | None:
        """A new header after an answer that was received elsewhere; None when it stands. Raises as `request` does."""
        challenges = parse_challenges(www_authenticate)
        async with asyncio.timeout(self.timeout_seconds):
            if status == 401 and challenges:
                return await self._authorizer.answer(challenges, scopes, sent)
            return await self._introduction.header(status, scopes, sent)

    def heard(self, status: int, headers: Mapping[str, str]) -> None:
        """Tell the metrics about one answer, and those who wait for their turn when it says that we ask too fast."""
        if self._on_response is not None:
            self._on_response(self.registry, status)
        pause_seconds = asked_seconds(status, headers, self.clock())
        if is_throttle(status, pause_seconds):
            self.pace.refused(pause_seconds)

    def unheard(self) -> None:
        """Tell the metrics about a request that was not answered."""
        if self._on_response is not None:
            self._on_response(self.registry, 0)

    def tls_of(self, url: URL) -> ssl.SSLContext:
        """Our certificate is for the registry's own host; a blob store that a redirect leads to is not shown it."""
        return self._own_tls if url.raw_host == self.base_url.raw_host else self._tls

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
        """One attempt, repeated once when the registry does not know us yet, and once with the credentials that it asks for."""
        own = url.origin() == self.base_url.origin()
        if not own:
            self.guard.check_literal(url.host or "")
        if not own:
            sent = None
        else:
            sent = await (self._own_api_header() if password else self._authorizer.header(scopes))
        response = await self._walk(method, Hop(url=url, authorized=own), sent, headers, data, limit_bytes)
        # Only the registry itself may ask: a blob store that a redirect led to gets nothing.
        away = response.url.origin() != self.base_url.origin()
        if response.status == 403 and own and away:
            # The signature of the URL we were sent to has run out; the registry writes a new one.
            return await self._walk(method, Hop(url=url, authorized=own), sent, headers, data, limit_bytes)
        if own and not away and not password and not (response.status == 401 and challenges_of(response)):
            known = await self._introduction.header(response.status, scopes, sent)
            if known is not None:
                sent, response = known, await self._walk(method, Hop(url=url, authorized=own), known, headers, data, limit_bytes)
                away = response.url.origin() != self.base_url.origin()
        if response.status == 401 and own and not away and not password and (challenges := challenges_of(response)):
            better = await self._authorizer.answer(challenges, scopes, sent)
            response = await self._walk(method, Hop(url=url, authorized=own), better, headers, data, limit_bytes)
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
        response = await self._walk("GET", Hop(url=url, authorized=True), authorization, {}, None, MAX_ERROR_BYTES)
        if response.status >= 500 or response.status in RETRIED_STATUSES:
            raise refusal(f"GET {url.authority}{url.path}", response.status, response.headers, response.body, self.clock())
        away = response.url.origin() != self.base_url.origin()
        return [] if away or response.status != 401 else challenges_of(response)

    async def _walk(
        self, method: str, hop: Hop, authorization: str | None, headers: dict[str, str], data: bytes | None, limit_bytes: int
    ) -> Response:
        for _ in range(MAX_REDIRECTS + 1):
            sent = dict(headers)
            if hop.authorized and authorization:
                sent["Authorization"] = authorization
            response = await self._send(method, hop.url, sent, data, limit_bytes)
            location = response.headers.get("Location")
            if response.status not in REDIRECT_STATUSES or location is None:
                return response
            if method not in {"GET", "HEAD"}:
                raise RegistryRefusedError(f"{method} {hop.url.authority}{hop.url.path}: answered with a redirect, not followed")
            hop = next_hop(hop, location, self.guard)
        raise ForbiddenAddressError(f"{self.registry}: more than {MAX_REDIRECTS} redirects")

    async def _send(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        data: bytes | Mapping[str, str] | None,
        limit_bytes: int,
    ) -> Response:
        """Exactly one request, with aiohttp's exceptions turned into ours."""
        await self.pace.turn()
        what = f"{method} {url.authority}{url.path}"
        # aiohttp sends a file in pieces and lets the loop breathe; plain bytes above a megabyte it only warns about.
        body_sent = io.BytesIO(data) if isinstance(data, bytes) and len(data) > PIECEWISE_BYTES else data
        try:
            async with (
                asyncio.timeout(self.timeout_seconds),
                self._open().request(
                    method, url, headers=headers, data=body_sent, allow_redirects=False, ssl=self.tls_of(url)
                ) as response,
            ):
                self.heard(response.status, response.headers)
                failed = response.status >= 400
                body = await read_body(response, what, MAX_ERROR_BYTES if failed else limit_bytes, cut=failed)
                return Response(status=response.status, headers=response.headers, body=body, url=url)
        except TimeoutError as error:
            self.unheard()
            raise RegistryUnavailableError(f"{what}: no answer within {self.timeout_seconds:g} s") from error
        except aiohttp.ClientConnectorCertificateError as error:
            self.unheard()
            raise RegistryUnavailableError(f"{what}: its certificate is not trusted; see ca_file") from error
        except (aiohttp.InvalidURL, ValueError) as error:
            raise RegistryRefusedError(f"{self.registry}: led to a URL that cannot be requested") from error
        except (aiohttp.ClientError, OSError) as error:
            self.unheard()
            raise RegistryUnavailableError(f"{what}: {_cause(error)}") from error

    async def _fetch_token(self, method: str, url: URL, headers: Mapping[str, str], form: Mapping[str, str] | None) -> bytes:
        self.guard.check_literal(url.host or "")
        response = await self._send(method, url, headers, form, MAX_TOKEN_BYTES)
        if response.status != 200:
            # The path is named, the query is not: it holds nothing secret, but it is long.
            raise refusal(
                f"token service {url.authority}{url.path}", response.status, response.headers, response.body, self.clock()
            )
        return response.body

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=CONNECTIONS, resolver=_GuardedResolver(self.guard))
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                # Digests are over the bytes as stored; nothing here is worth a decompression bomb.
                auto_decompress=False,
                headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
                requote_redirect_url=False,
            )
        return self._session


class _GuardedResolver(AbstractResolver):
    """Resolves as aiohttp does, and lets only addresses through that the guard allows."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._inner = aiohttp.ThreadedResolver()

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        self._guard.check(host, [entry["host"] for entry in found])
        return found

    async def close(self) -> None:
        await self._inner.close()


def challenges_of(response: Response) -> list[Challenge]:
    """What an answer asks for."""
    headers = response.headers
    return parse_challenges(headers.getall("WWW-Authenticate", []) if isinstance(headers, CIMultiDictProxy) else [])


def _passes(error: BaseException) -> bool:
    """Whether trying again within this call makes sense: not when the registry wants to be left alone for longer."""
    if isinstance(error, ThrottledError | RegistryUnavailableError):
        return (error.retry_after_seconds or 0.0) <= LONGEST_WAIT_SECONDS
    return False


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, ThrottledError):
        return 0.0  # the next attempt waits for its turn like everybody else's
    asked = error.retry_after_seconds if isinstance(error, RetryableError) else None
    return _backoff(state) if asked is None else asked


def _cause(error: Exception) -> str:
    """What happened to the connection, without what aiohttp knows about us."""
    inner = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror
    return f"connection failed ({type(inner).__name__})"
