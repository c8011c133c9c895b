"""Tokens of Amazon ECR: good for twelve hours, for every registry that the identity may use, shown as a password.

Permissions: ecr:GetAuthorizationToken; for the public gallery ecr-public:GetAuthorizationToken and sts:GetServiceBearerToken.
"""

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import structlog

from watcher.kit.secret import Secret
from watcher.model.errors import AuthenticationError
from watcher.model.reference import Host
from watcher.registry.aside import Aside
from watcher.registry.credentials import Credentials
from watcher.registry.ecr_api import DeniedError, NoIdentityError, ecr_client, region_of
from watcher.registry.settings import EcrAuth

log = structlog.get_logger(__name__)

# Loading the SDK takes a second, each of up to three services answers within ten or is tried again.
ANSWER_SECONDS = 60.0


class EcrSource:
    """The AWS chain of this machine, perhaps as another role. `needed` says whether an empty chain is an error."""

    def __init__(self, registry: Host, settings: EcrAuth, *, needed: bool, proxies: Mapping[str, str] | None = None) -> None:
        """Raises ConfigurationError: the region is neither in the host nor in the settings."""
        self._region = region_of(registry, settings)
        self._registry = registry
        self._settings = settings
        self._needed = needed
        self._proxies = proxies
        self._aside = Aside(self._token, name=f"ecr token of {registry}", timeout_seconds=ANSWER_SECONDS)

    async def fetch(self) -> Credentials | None:
        """See `CredentialSource`."""
        return await self._aside.ask()

    def _token(self) -> Credentials | None:
        try:
            with ecr_client(self._registry, self._settings, self._region, self._proxies) as ecr:
                return _credentials(ecr.get_authorization_token(), self._registry)
        except NoIdentityError:
            if self._needed:
                raise
            return None
        except DeniedError as error:
            if self._needed:
                raise
            # Whoever has an identity for something else may still pull what is public.
            log.warning("credentials.skipped", registry=self._registry, reason=str(error))
            return None


def _credentials(answer: dict[str, Any], registry: Host) -> Credentials:
    """The token is `AWS:<password>` in base64; the public gallery gives one, private registries a list of one."""
    try:
        data = answer["authorizationData"]
        data = data[0] if isinstance(data, list) else data
        username, colon, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
        expires: datetime = data["expiresAt"]
    except (KeyError, IndexError, binascii.Error, UnicodeDecodeError):
        colon = ""
    if not colon:
        # The cause is left out: its text could quote the token.
        raise AuthenticationError(f"{registry}: AWS gave a token that is none")
    lifetime = (expires - datetime.now(UTC)).total_seconds()
    return Credentials(username=username, password=Secret(password), lifetime_seconds=max(lifetime, 0.0))
