"""How a registry comes to accept our requests: Basic, or a bearer token fetched from the service its challenge names.

Spec: distribution "Token Authentication Specification" and "OAuth2 Token Authentication".
"""

import asyncio
import base64
import codecs
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from yarl import URL

from watcher.kit.clock import since_boot
from watcher.kit.secret import Secret
from watcher.model.errors import AuthenticationError, PermanentError, RegistryUnavailableError, RetryableError, ThrottledError
from watcher.model.reference import Host
from watcher.registry.challenges import Challenge, Way, repository_of, union
from watcher.registry.credentials import REFRESH_AT, CredentialProvider, Credentials, Fetch
from watcher.registry.redirects import check_realm

CLIENT_ID = "registry-watcher"
# The specification's default, and the least it lets a service issue.
DEFAULT_EXPIRES_SECONDS = 60.0
MAX_EXPIRES_SECONDS = 86_400.0
# A registry has one token service; more than these are not asked, however many it names.
MAX_BEARERS = 4
# Of all scopes that one token is asked for, which go into a URL: a registry names one or two repositories.
MAX_SCOPES_LENGTH = 4096
# One entry per repository and action; a fleet of ten thousand repositories fits, a runaway does not.
MAX_TOKENS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A bearer token, and when to replace it on the monotonic clock."""

    value: Secret
    refresh_at: float


class Authorizer:
    """Makes the Authorization header of one registry. Used on one event loop.

    Nothing is sent before the registry asks: its first 401 says how, and is remembered. For one that hides instead of asking,
    see `introduction`.
    """

    def __init__(
        self,
        registry: Host,
        base_url: URL,
        provider: CredentialProvider,
        fetch: Fetch,
        *,
        token_hosts: Sequence[str] = (),
        clock: Callable[[], float] = since_boot,
    ) -> None:
        self.registry = registry
        self._base_url = base_url
        self._provider = provider
        self._fetch = fetch
        self._token_hosts = tuple(token_hosts)
        self._clock = clock
        # Those of the last challenge that we could answer, the one that we answered first.
        self._ways: Sequence[Challenge] = ()
        # By the scopes of the request, which say whose credentials are shown, and by those that the token is asked for.
        self._tokens: dict[tuple[frozenset[str], frozenset[str]], Token] = {}
        self._widened: dict[frozenset[str], frozenset[str]] = {}
        self._fetching = asyncio.Lock()

    async def header(self, scopes: frozenset[str]) -> str | None:
        """The header for a request that needs `scopes`; None before the first challenge.

        Raises:
            AuthenticationError, ThrottledError, RegistryUnavailableError: no token was to be had.
        """
        if not self._ways:
            return None
        try:
            return await self._first(self._ways, lambda way: self._give(way, scopes, self._widened.get(scopes, scopes)))
        except ThrottledError:
            raise
        except RetryableError:
            self._ways = ()  # perhaps it names another service by now: it will be asked
            raise

    async def has_credentials(self, scopes: frozenset[str]) -> bool:
        """Whether there is anything to show to a request that needs `scopes`. Raises as `header`."""
        return _narrowed(await self._provider.credentials(), scopes) is not None

    async def password_header(self, scopes: frozenset[str] = frozenset()) -> str | None:
        """Basic credentials, for an API beside the registry's too, which never asks; None without any. Raises as `header`."""
        return _basic(_narrowed(await self._provider.credentials(), scopes))

    async def answer(
        self, challenges: Sequence[Challenge], scopes: frozenset[str], sent: str | None, tried: set[Way] | None = None
    ) -> str | None:
        """A new header after a 401. `sent` is the one that was refused, if there was one.

        Tokens are tried before passwords, and whatever does not work is passed over for what does. `tried` is what this has already
        answered for the same request, and is added to; None when that is all there is: the refusal stands.
        A challenge that names more scopes than were asked for (`insufficient_scope`) gets a token for all of them together,
        and so does every later request of the same kind.

        Raises:
            AuthenticationError: there is nothing better to offer, or the token service is a stranger. Those of `header`.
        """
        tried = set() if tried is None else tried
        bearers = [way for way in challenges if way.scheme == "bearer"][:MAX_BEARERS]
        known = [*bearers, *(way for way in challenges if way.scheme == "basic")]
        if not known:
            offered = ", ".join(challenge.scheme[:20] for challenge in challenges) or "nothing"
            raise AuthenticationError(f"{self.registry}: asks for authentication we cannot give: {offered}")
        ways = tuple({each.way: each for each in known if each.way not in tried}.values())

        async def give(way: Challenge) -> str:
            tried.add(way.way)
            return await self._better(way, scopes, self._wider(way, scopes, sent), sent)

        return await self._first(ways, give) if ways else None

    async def replaced(self, scopes: frozenset[str], sent: str) -> str | None:
        """A header with a newer password than `sent` has, after a 403, by which Amazon says that it is over; None without one."""
        shown = await self._provider.credentials()
        if _basic(_narrowed(shown, scopes)) == sent:
            await self._provider.renew(shown)
        header = await self.password_header(scopes)
        return None if header == sent else header

    async def _first(self, ways: Sequence[Challenge], give: Callable[[Challenge], Awaitable[str | None]]) -> str | None:
        """What the first of them gives that works; those that came before it are remembered to come after it."""
        failures: list[RetryableError] = []
        for way in ways:
            try:
                header = await give(way)
            except RetryableError as error:
                failures.append(error)
                continue
            self._ways = (way, *(other for other in ways if other is not way))
            return header
        # In the words of all, as the one that says soonest when to come back.
        worst = min(failures, key=lambda error: (not isinstance(error, ThrottledError), isinstance(error, AuthenticationError)))
        if len(failures) == 1:
            raise worst
        said = "; ".join(dict.fromkeys(map(str, failures)))
        raise type(worst)(said, retry_after_seconds=worst.retry_after_seconds) from worst

    def _wider(self, way: Challenge, scopes: frozenset[str], sent: str | None) -> frozenset[str]:
        """The scopes to ask for instead of `scopes`, and no token kept for them that has been refused."""
        if way.scheme == "basic":
            return scopes
        asked_for = scopes | way.scopes
        together = union(asked_for | self._widened.get(scopes, frozenset()))
        # A registry that asks for something else each time is told no more than its last word.
        wider = frozenset(together if len(" ".join(together)) <= MAX_SCOPES_LENGTH else union(asked_for))
        if wider != scopes and len(self._widened) < MAX_TOKENS:
            self._widened[scopes] = wider
        known = self._tokens.get((scopes, wider))
        # Another request may have replaced the refused token meanwhile; only that very token is thrown away.
        if known is not None and sent == f"Bearer {known.value.reveal()}":
            del self._tokens[scopes, wider]
        return wider

    async def _better(self, challenge: Challenge, scopes: frozenset[str], wider: frozenset[str], sent: str | None) -> str:
        """A header that is not `sent`; credentials that are refused may have been replaced at their source."""
        header = await self._give(challenge, scopes, wider)
        if header in {None, sent}:
            shown = await self._provider.credentials()
            if await self._provider.renew(shown) is not shown:
                header = await self._give(challenge, scopes, wider)
        if header is None:
            raise AuthenticationError(f"{self.registry}: asks for a user name and password; none is configured (auth)")
        if header == sent:
            raise AuthenticationError(f"{self.registry}: the configured credentials are refused")
        return header

    async def _give(self, challenge: Challenge, scopes: frozenset[str], wider: frozenset[str]) -> str | None:
        return await (self.password_header(scopes) if challenge.scheme == "basic" else self._bearer(challenge, scopes, wider))

    async def _bearer(self, challenge: Challenge, scopes: frozenset[str], wider: frozenset[str]) -> str:
        """A token for `wider`, by the credentials for `scopes`: what else the registry asks for is not for it to choose them by."""
        token = self._tokens.get((scopes, wider))
        if token is None or token.refresh_at <= self._clock():
            credentials = await self._provider.credentials()
            narrowed = _narrowed(credentials, scopes)
            if narrowed is not None and narrowed.registry_token is not None:
                return f"Bearer {narrowed.registry_token.reveal()}"
            async with self._fetching:
                token = self._tokens.get((scopes, wider))
                if token is None or token.refresh_at <= self._clock():
                    token = await self._fetch_token(challenge, scopes, wider, credentials)
                    while len(self._tokens) >= MAX_TOKENS:
                        del self._tokens[next(iter(self._tokens))]
                    self._tokens[scopes, wider] = token
        return f"Bearer {token.value.reveal()}"

    async def _fetch_token(
        self, challenge: Challenge, scopes: frozenset[str], wider: frozenset[str], shown: Credentials | None
    ) -> Token:
        """With newer credentials once more when these are refused."""
        try:
            return await self._token_for(challenge, wider, _narrowed(shown, scopes))
        except AuthenticationError:
            fresh = await self._provider.renew(shown)
            if fresh is shown:
                raise
            return await self._token_for(challenge, wider, _narrowed(fresh, scopes))

    async def _token_for(self, challenge: Challenge, scopes: frozenset[str], credentials: Credentials | None) -> Token:
        started = self._clock()
        try:
            body = await self._ask(challenge, union(scopes), credentials)
        except PermanentError as error:
            # Whatever is wrong with a token service (a stranger, a 404, a body without end) says nothing about the image.
            raise AuthenticationError(f"{self.registry}: no token: {error}") from error
        return self._read_token(body, started)

    async def _ask(self, challenge: Challenge, scopes: Sequence[str], credentials: Credentials | None) -> bytes:
        # An anonymous token is no answer for those who have credentials: what it may not see is perhaps called 404.
        realm, shows = challenge.parameters.get("realm", ""), credentials is not None
        url = check_realm(realm, self._base_url, shows=shows, token_hosts=self._token_hosts)
        service = challenge.parameters.get("service", "")
        if credentials is not None and credentials.identity_token is not None:
            form = {
                "grant_type": "refresh_token",
                "service": service,
                "scope": " ".join(scopes),
                "client_id": CLIENT_ID,
                "refresh_token": credentials.identity_token.reveal(),
            }
            return await self._fetch("POST", url, {}, form)
        query = [("service", service)] if service else []
        query += [("scope", scope) for scope in scopes]
        basic = _basic(credentials)
        return await self._fetch("GET", url.extend_query(query), {"Authorization": basic} if basic else {}, None)

    def _read_token(self, body: bytes, started: float) -> Token:
        try:
            answer: dict[str, Any] = msgspec.json.decode(body.removeprefix(codecs.BOM_UTF8))
            value = answer.get("token") or answer.get("access_token")
            lifetime = answer.get("expires_in")
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, AttributeError):
            # The cause is left out: its text could quote the token.
            raise RegistryUnavailableError(f"{self.registry}: the token service's answer is not JSON") from None
        if not isinstance(value, str) or not value.isascii() or not value.isprintable() or not value:
            raise AuthenticationError(f"{self.registry}: the token service issued no token")
        known = isinstance(lifetime, int | float) and not isinstance(lifetime, bool) and lifetime > 0
        # A number of JSON may be beyond any float.
        seconds = float(min(lifetime, MAX_EXPIRES_SECONDS)) if known and lifetime is not None else DEFAULT_EXPIRES_SECONDS
        return Token(value=Secret(value), refresh_at=started + REFRESH_AT * seconds)


def _narrowed(credentials: Credentials | None, scopes: frozenset[str]) -> Credentials | None:
    """Those for the repository that the scopes are of, else those for the whole registry."""
    repositories = {found for each in scopes if (found := repository_of(each))}
    return None if credentials is None else credentials.of(repositories.pop() if len(repositories) == 1 else "")


def _basic(credentials: Credentials | None) -> str | None:
    if credentials is None or credentials.password is None:
        return None
    pair = f"{credentials.username}:{credentials.password.reveal()}"
    return "Basic " + base64.b64encode(pair.encode("utf-8", "surrogateescape")).decode()
