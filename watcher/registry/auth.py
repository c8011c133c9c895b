"""How a registry comes to accept our requests: Basic, or a bearer token fetched from the service its challenge names.

Spec: distribution "Token Authentication Specification" and "OAuth2 Token Authentication".
"""

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import structlog
from yarl import URL

from watcher.kit.secret import Secret, resolve
from watcher.model.errors import AuthenticationError, ConfigurationError, RegistryUnavailableError
from watcher.model.reference import Host
from watcher.registry.challenges import Challenge, union
from watcher.registry.docker_config import Credentials, default_path, read_docker_config
from watcher.registry.redirects import check_realm
from watcher.registry.settings import AnonymousAuth, BasicAuth, DockerConfigAuth, RegistrySettings

log = structlog.get_logger(__name__)

CLIENT_ID = "registry-watcher"
# The specification's default, and the least it lets a service issue.
DEFAULT_EXPIRES_SECONDS = 60.0
MAX_EXPIRES_SECONDS = 86_400.0
# Renewed before it ends, so that a token never expires between here and the registry.
REFRESH_AT = 0.8
# One entry per repository and action; a fleet of ten thousand repositories fits, a runaway does not.
MAX_TOKENS = 20_000

# `await fetch(method, url, headers, form)` gives the body of a 200; raises one of our errors for anything else.
Fetch = Callable[[str, URL, Mapping[str, str], Mapping[str, str] | None], Awaitable[bytes]]


def credentials_of(settings: RegistrySettings) -> Credentials | None:
    """Read what `auth` refers to; None is anonymous. Blocking: small files.

    Raises:
        ConfigurationError: a secret that is not there, or credentials kept by a helper program, which is not run.
    """
    match settings.auth:
        case AnonymousAuth():
            return None
        case BasicAuth(username=username, password=reference):
            return Credentials(username=username, password=resolve(reference))
        case DockerConfigAuth(path=path):
            where = Path(path) if path else default_path()
            config = read_docker_config(where, settings.registry)
            if config.credentials is None:
                found = f"asks the program {config.helper}, which is not run" if config.helper else "has nothing"
                hint = "use auth: {type: basic}"
                raise ConfigurationError(f"registry {settings.registry}: {where} {found} for this registry; {hint}")
            return config.credentials
        case _:
            config = read_docker_config(default_path(), settings.registry)
            if config.helper:
                log.warning("credentials.skipped", registry=settings.registry, helper=config.helper, reason="helpers are not run")
            return config.credentials


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A bearer token, and when to replace it on the monotonic clock."""

    value: Secret
    refresh_at: float


class Authorizer:
    """Makes the Authorization header of one registry. Used on one event loop.

    Nothing is sent before the registry asks: its first 401 says how, and is remembered.
    """

    def __init__(
        self,
        registry: Host,
        base_url: URL,
        credentials: Credentials | None,
        fetch: Fetch,
        *,
        token_hosts: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._base_url = base_url
        self._credentials = credentials
        self._fetch = fetch
        self._token_hosts = tuple(token_hosts)
        self._clock = clock
        self._challenge: Challenge | None = None
        self._tokens: dict[frozenset[str], Token] = {}
        self._widened: dict[frozenset[str], frozenset[str]] = {}
        self._fetching = asyncio.Lock()

    async def header(self, scopes: frozenset[str]) -> str | None:
        """The header for a request that needs `scopes`; None before the first challenge.

        Raises:
            AuthenticationError, ForbiddenAddressError, ThrottledError, RegistryUnavailableError: no token was to be had.
        """
        if self._challenge is None:
            return None
        if self._challenge.scheme == "basic":
            return self._basic()
        return await self._bearer(self._challenge, self._widened.get(scopes, scopes))

    async def answer(self, challenges: Sequence[Challenge], scopes: frozenset[str], sent: str | None) -> str:
        """A new header after a 401. `sent` is the one that was refused, if there was one.

        A challenge that names more scopes than were asked for (`insufficient_scope`) gets a token for all of them together,
        and so does every later request of the same kind.

        Raises:
            AuthenticationError: there is nothing better to offer. ForbiddenAddressError: the token service is a stranger.
        """
        bearer = next((challenge for challenge in challenges if challenge.scheme == "bearer"), None)
        basic = next((challenge for challenge in challenges if challenge.scheme == "basic"), None)
        if bearer is not None:
            self._challenge = bearer
            wider = frozenset(union(scopes | self._widened.get(scopes, frozenset()) | bearer.scopes))
            if wider != scopes and len(self._widened) < MAX_TOKENS:
                self._widened[scopes] = wider
            known = self._tokens.get(wider)
            # Another request may have replaced the refused token meanwhile; only that very token is thrown away.
            if known is not None and sent == f"Bearer {known.value.reveal()}":
                del self._tokens[wider]
            header = await self._bearer(bearer, wider)
        elif basic is not None:
            self._challenge = basic
            basic_header = self._basic()
            if basic_header is None:
                raise AuthenticationError(f"{self._registry}: asks for a user name and password; none is configured (auth)")
            header = basic_header
        else:
            offered = ", ".join(challenge.scheme[:20] for challenge in challenges) or "nothing"
            raise AuthenticationError(f"{self._registry}: asks for authentication we cannot give: {offered}")
        if header == sent:
            raise AuthenticationError(f"{self._registry}: the configured credentials are refused")
        return header

    def _basic(self) -> str | None:
        if self._credentials is None or self._credentials.password is None:
            return None
        pair = f"{self._credentials.username}:{self._credentials.password.reveal()}"
        return "Basic " + base64.b64encode(pair.encode()).decode()

    async def _bearer(self, challenge: Challenge, scopes: frozenset[str]) -> str:
        if self._credentials is not None and self._credentials.registry_token is not None:
            return f"Bearer {self._credentials.registry_token.reveal()}"
        async with self._fetching:
            token = self._tokens.get(scopes)
            if token is None or token.refresh_at <= self._clock():
                token = await self._fetch_token(challenge, scopes)
                while len(self._tokens) >= MAX_TOKENS:
                    del self._tokens[next(iter(self._tokens))]
                self._tokens[scopes] = token
        return f"Bearer {token.value.reveal()}"

    async def _fetch_token(self, challenge: Challenge, scopes: frozenset[str]) -> Token:
        url = check_realm(challenge.parameters.get("realm", ""), self._base_url, token_hosts=self._token_hosts)
        service = challenge.parameters.get("service", "")
        asked = union(scopes)
        started = self._clock()
        if self._credentials is not None and self._credentials.identity_token is not None:
            form = {
                "grant_type": "refresh_token",
                "service": service,
                "scope": " ".join(asked),
                "client_id": CLIENT_ID,
                "refresh_token": self._credentials.identity_token.reveal(),
            }
            body = await self._fetch("POST", url, {}, form)
        else:
            query = [("service", service)] if service else []
            query += [("scope", scope) for scope in asked]
            basic = self._basic()
            headers = {"Authorization": basic} if basic else {}
            body = await self._fetch("GET", url.extend_query(query), headers, None)
        return self._read_token(body, started)

    def _read_token(self, body: bytes, started: float) -> Token:
        try:
            answer: dict[str, Any] = msgspec.json.decode(body)
            value = answer.get("token") or answer.get("access_token")
            lifetime = answer.get("expires_in")
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, AttributeError):
            # The cause is left out: its text could quote the token.
            raise RegistryUnavailableError(f"{self._registry}: the token service's answer is not JSON") from None
        if not isinstance(value, str) or not value.isascii() or not value.isprintable() or not value:
            raise AuthenticationError(f"{self._registry}: the token service issued no token")
        known = isinstance(lifetime, int | float) and not isinstance(lifetime, bool) and lifetime > 0
        seconds = min(float(lifetime), MAX_EXPIRES_SECONDS) if known and lifetime is not None else DEFAULT_EXPIRES_SECONDS
        return Token(value=Secret(value), refresh_at=started + REFRESH_AT * seconds)
