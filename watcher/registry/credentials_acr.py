"""Azure Container Registry: an Entra token, exchanged for the registry's refresh token, good for about three hours.

The refresh token is an identity token like docker's: the registry's token service turns it into a token for each scope.
Roles: AcrPull; AcrPush to publish referrers; where repositories have roles of their own, Container Registry Repository Reader.
"""

import base64
import binascii
import time
from collections.abc import Callable
from typing import Any

import msgspec
import structlog
from yarl import URL

from watcher.kit.proxies import Proxies
from watcher.kit.secret import Secret, resolve
from watcher.model.errors import AuthenticationError, ConfigurationError, PermanentError
from watcher.registry.credentials import Credentials, Fetch
from watcher.registry.entra import NoIdentityError, entra_token, tenant_of
from watcher.registry.settings import AcrAuth

log = structlog.get_logger(__name__)

# For a refresh token that does not say when it ends; those of today say three hours.
LIFETIME_SECONDS = 3600.0
MAX_LIFETIME_SECONDS = 86_400.0


class AcrSource:
    """`fetch` reaches the registry. `needed` says whether having no identity is an error."""

    def __init__(
        self,
        base_url: URL,
        settings: AcrAuth,
        fetch: Fetch,
        *,
        needed: bool,
        proxies: Proxies,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Raises ConfigurationError where `client_secret` is not there."""
        if settings.client_secret is not None:
            resolve(settings.client_secret)
        self._base_url = base_url
        self._settings = settings
        self._fetch = fetch
        self._needed = needed
        self._proxies = proxies
        self._now = now

    async def fetch(self) -> Credentials | None:
        """See `CredentialSource`."""
        host = self._base_url.authority
        try:
            token = await entra_token(self._settings, self._proxies)
        except NoIdentityError as error:
            if not self._needed:
                return None
            raise AuthenticationError(f"{host}: {error}") from error
        except (AuthenticationError, ConfigurationError) as error:
            if self._needed:
                raise
            log.warning("credentials.skipped", registry=host, reason=str(error))
            return None
        form = {"grant_type": "access_token", "service": host, "access_token": token.reveal()}
        if tenant := tenant_of(self._settings):
            form["tenant"] = tenant
        try:
            body = await self._fetch("POST", self._base_url / "oauth2/exchange", {}, form)
        except (AuthenticationError, PermanentError) as error:
            if not self._needed:
                # An identity of another tenant may still pull what is public.
                log.warning("credentials.skipped", registry=host, reason=str(error))
                return None
            raise AuthenticationError(f"{host}: does not exchange our Entra token: {error}") from error
        return self._read(body)

    def _read(self, body: bytes) -> Credentials:
        try:
            answer: dict[str, Any] = msgspec.json.decode(body)
            refresh = answer["refresh_token"]
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, KeyError, TypeError):
            refresh = None
        if not isinstance(refresh, str) or not refresh:
            raise AuthenticationError(f"{self._base_url.authority}: exchanged our Entra token for nothing")
        return Credentials(identity_token=Secret(refresh), lifetime_seconds=self._lifetime(refresh))

    def _lifetime(self, token: str) -> float:
        """Until the `exp` of a JWT. Not verified: it is the registry's own, and only says when to ask again."""
        try:
            payload = token.split(".")[1]
            claims = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
            left = float(claims["exp"]) - self._now()
        except (IndexError, KeyError, TypeError, ValueError, OverflowError, binascii.Error, msgspec.DecodeError, RecursionError):
            return LIFETIME_SECONDS
        return min(max(left, 0.0), MAX_LIFETIME_SECONDS)
