"""Google's credentials: an access token that is good for an hour, shown as the password of `oauth2accesstoken`.

Permissions: roles/artifactregistry.reader, roles/artifactregistry.writer to publish referrers.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

import structlog

from watcher.kit.netrc import forget_netrc
from watcher.kit.secret import Secret, resolve
from watcher.model.errors import AuthenticationError, RegistryUnavailableError
from watcher.model.reference import Host
from watcher.registry.aside import Aside
from watcher.registry.credentials import Credentials
from watcher.registry.settings import GcpAuth

log = structlog.get_logger(__name__)

# Away from Google's machines the library looks for their metadata service for some ten seconds before it gives up.
ANSWER_SECONDS = 60.0
# Reading and writing artefacts has no narrower scope; what is allowed is the identity's roles.
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
# Every token we know of says when it ends; this is for one that does not.
LIFETIME_SECONDS = 600.0


class GcpSource:
    """Application Default Credentials, or a key file as it is. `needed` says whether none is an error."""

    def __init__(self, registry: Host, settings: GcpAuth, *, needed: bool, proxies: Mapping[str, str] | None = None) -> None:
        """Raises ConfigurationError where `key_file` cannot be read."""
        self._registry = registry
        self._settings = settings
        self._needed = needed
        self._proxies = proxies
        if settings.key_file is not None:
            resolve(f"file:{settings.key_file}")
        self._aside = Aside(self._look_up, name=f"google token of {registry}", timeout_seconds=ANSWER_SECONDS)

    async def fetch(self) -> Credentials | None:
        """See `CredentialSource`."""
        return await self._aside.ask()

    def _look_up(self) -> Credentials | None:
        if self._settings.key_file is not None:
            return Credentials(username="_json_key", password=resolve(f"file:{self._settings.key_file}"))
        return self._token()

    def _token(self) -> Credentials | None:
        import google.auth
        from google.auth.credentials import with_scopes_if_required
        from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, TransportError
        from google.auth.transport.requests import Request

        forget_netrc()
        request = Request()
        if self._proxies is not None:
            request.session.trust_env = False
            # The metadata of this machine are asked for in plain HTTP, and are nobody else's.
            request.session.proxies = {name: url for name, url in self._proxies.items() if name == "https"}
        try:
            # With scopes it would ask another API for the name of the project, which need not be reachable, nor allowed.
            found, _ = google.auth.default()
            found = with_scopes_if_required(found, [SCOPE])  # type: ignore[no-untyped-call]  # the library's own omission
            found.refresh(request)
        except DefaultCredentialsError as error:
            if not self._needed:
                return None
            raise AuthenticationError(f"{self._registry}: this machine has no Google credentials") from error
        except (TransportError, OSError) as error:
            raise RegistryUnavailableError(f"{self._registry}: Google's token service cannot be reached") from error
        except GoogleAuthError as error:
            # The library's text may quote what the token service answered.
            what = f"{self._registry}: Google gave no token ({type(error).__name__})"
            if not self._needed:
                log.warning("credentials.skipped", registry=self._registry, reason=what)
                return None
            raise AuthenticationError(what) from error
        finally:
            request.session.close()
        if not found.token:
            raise AuthenticationError(f"{self._registry}: Google gave no token")
        lifetime = LIFETIME_SECONDS
        if found.expiry is not None:
            # The library keeps naive times in UTC.
            lifetime = max((found.expiry.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds(), 0.0)
        return Credentials(username="oauth2accesstoken", password=Secret(found.token), lifetime_seconds=lifetime)
