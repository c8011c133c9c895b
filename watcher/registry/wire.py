"""One request to a registry and one answer, over connections to checked addresses, with aiohttp's exceptions turned into ours."""

import asyncio
import io
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from watcher.kit.http_trouble import SPEAKS_TLS, asked_in_plain
from watcher.kit.through_proxies import through
from watcher.kit.units import seconds
from watcher.kit.version import VERSION
from watcher.model.digest import Digest, digest_as
from watcher.model.errors import AuthenticationError, RegistryRefusedError, ThrottledError, WatcherError
from watcher.model.reference import Host
from watcher.registry.answers import MAX_ERROR_BYTES
from watcher.registry.bodies import decoded, read_body
from watcher.registry.pace import Pace
from watcher.registry.redirects import Guard
from watcher.registry.settings import RegistrySettings
from watcher.registry.tls import elsewhere_context, own_context
from watcher.registry.trouble import unreachable

USER_AGENT = f"registry-watcher/{VERSION}"
# More at once only queue up in the registry; layers have their own connections.
CONNECTIONS = 16
CONNECT_SECONDS = 10.0
PIECEWISE_BYTES = 1024 * 1024
# As the transfers of blobs have it: signed URLs and policies of content get long.
MAX_HEADER_BYTES = 64 * 1024

Sleep = Callable[[float], Awaitable[None]]
OnResponse = Callable[[Host, int], None]
"""`on_response(registry, status)`, once per answer, redirects and refusals included; status 0 is a request without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer read whole. `url` is where it finally came from, `headers` ignore case; `what` is the request, for people.

    `body` is what was meant, `received` what came: the same but where there is a `Content-Encoding` that holds.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    received: bytes = field(repr=False)
    url: URL
    what: str

    def bytes_of(self, digest: Digest) -> bytes | None:
        """Those that have this digest, as received or as meant; None when neither has."""
        return next((each for each in (self.received, self.body) if digest_as(each, digest) == digest), None)


class Wire:
    """The connections to one registry and to where it sends us, and the turns that all requests to it wait for."""

    def __init__(self, settings: RegistrySettings, *, on_response: OnResponse | None, sleep: Sleep) -> None:
        """Reads the authorities and certificates that the settings name. Raises ConfigurationError."""
        self.registry = settings.registry
        self.base_url = settings.base_url
        self.timeout_seconds = seconds(settings.timeout)
        self.guard = Guard(own=self.base_url, private_redirects=settings.private_redirects)
        self.pace = Pace(settings.requests_per_second, sleep=sleep)
        self._own_tls = own_context(settings)
        plain = settings.ca_file is None and settings.client_cert is None
        self._tls = self._own_tls if plain else elsewhere_context(settings)
        self._on_response = on_response
        self.proxies = settings.proxies()
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def close(self) -> None:
        while self._sessions:
            _, session = self._sessions.popitem()
            await session.close()

    async def send(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        data: bytes | Mapping[str, str] | None,
        limit_bytes: int,
        *,
        what: str = "",
    ) -> Response:
        """Exactly one request, after its turn. `what` is how errors call it, where the URL does not say all.

        Raises:
            RegistryUnavailableError, RegistryRefusedError, ForbiddenAddressError
            TooLargeError: the body of what is no error is longer than `limit_bytes`.
        """
        await self.pace.turn()
        proxy = self.proxies.of(url)
        what = what or f"{method} {url.authority}{url.path}"
        if proxy is not None:
            what = f"{what} through the proxy {proxy.name}"
        # aiohttp sends a file in pieces and lets the loop breathe; plain bytes above a megabyte it only warns about.
        body_sent = io.BytesIO(data) if isinstance(data, bytes) and len(data) > PIECEWISE_BYTES else data
        try:
            async with (
                asyncio.timeout(self.timeout_seconds),
                self._open(is_proxied=proxy is not None).request(
                    method, url, headers=headers, data=body_sent, allow_redirects=False, ssl=self.tls_of(url)
                ) as response,
            ):
                self.heard(response.status)
                failed = response.status >= 400
                limit_bytes = MAX_ERROR_BYTES if failed else limit_bytes
                received = await read_body(response, what, limit_bytes, cut=failed)
                body = decoded(received, response.headers.getall("Content-Encoding", ()), limit_bytes)
                if url.scheme == "http" and asked_in_plain(response.status, body):
                    raise unreachable(what, SPEAKS_TLS)
                return Response(status=response.status, headers=response.headers, body=body, received=received, url=url, what=what)
        except (aiohttp.InvalidURL, UnicodeError) as error:
            raise RegistryRefusedError(f"{self.registry}: led to a URL that cannot be requested") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self.unheard()
            raise unreachable(what, error, timeout_seconds=self.timeout_seconds) from error
        except ValueError:
            # Of all that we send, only a token is others' word for word. The library's text could quote it.
            raise AuthenticationError(f"{what}: the token that we are to show cannot be sent in a header") from None

    def heard(self, status: int) -> None:
        """Tell the metrics about one answer."""
        if self._on_response is not None:
            self._on_response(self.registry, status)

    def unheard(self) -> None:
        """Tell the metrics about a request that was not answered."""
        self.heard(0)

    def refused(self, error: WatcherError) -> WatcherError:
        """The error of an answer, after those who wait for their turn were told when it says that we ask too fast."""
        if isinstance(error, ThrottledError):
            self.pace.refused(error.retry_after_seconds)
        return error

    def tls_of(self, url: URL) -> ssl.SSLContext:
        """Our certificate is for the registry's own host, and its own authorities vouch for it alone; see ADR 0010."""
        return self._own_tls if url.raw_host == self.base_url.raw_host else self._tls

    def _open(self, *, is_proxied: bool) -> aiohttp.ClientSession:
        """A proxy resolves the names itself: what is resolved here is where it is, which no registry has chosen."""
        if is_proxied not in self._sessions:
            resolver = None if is_proxied else _GuardedResolver(self.guard)
            self._sessions[is_proxied] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS, resolver=resolver),
                cookie_jar=aiohttp.DummyCookieJar(),
                # Digests are over the bytes as stored, and what is decoded is bounded: see `bodies`.
                auto_decompress=False,
                headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
                max_line_size=MAX_HEADER_BYTES,
                max_field_size=MAX_HEADER_BYTES,
                requote_redirect_url=False,
                middlewares=(through(self.proxies),),
            )
        return self._sessions[is_proxied]


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
