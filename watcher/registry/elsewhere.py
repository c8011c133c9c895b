"""A registry that leads to another: a domain of one's own before a public one, which gives its tokens to anybody.

What is shown there is what a stranger gets, never anything of ours. Spec: distribution "Token Authentication Specification".
"""

from collections.abc import Sequence

from yarl import URL

from watcher.model.errors import AuthenticationError
from watcher.model.reference import Host
from watcher.registry.auth import Authorizer
from watcher.registry.challenges import Challenge
from watcher.registry.credentials import Anonymous, CredentialProvider, Fetch

# A registry stands before one other, or one for each region; one that leads everywhere finds the oldest forgotten.
MAX_ORIGINS = 16


class Elsewhere:
    """Anonymous tokens for where one registry redirects reads to. Used on one event loop."""

    def __init__(self, registry: Host, fetch: Fetch) -> None:
        self._registry = registry
        self._fetch = fetch
        self._authorizers: dict[URL, Authorizer] = {}

    async def header(self, url: URL, challenges: Sequence[Challenge]) -> str | None:
        """What to ask once more with after a 401 at `url`; None where a stranger gets nothing, and the refusal stands.

        The scopes are those that are asked for there: what we call a repository may have another name.

        Raises:
            ThrottledError, RegistryUnavailableError: the token service there may answer later.
        """
        bearers = [each for each in challenges if each.scheme == "bearer"]
        if not bearers:
            return None
        try:
            return await self._authorizer(url.origin()).answer(bearers, bearers[0].scopes, None)
        except AuthenticationError:
            return None

    def _authorizer(self, origin: URL) -> Authorizer:
        if origin not in self._authorizers:
            while len(self._authorizers) >= MAX_ORIGINS:
                del self._authorizers[next(iter(self._authorizers))]
            strangers = CredentialProvider(self._registry, Anonymous())
            self._authorizers[origin] = Authorizer(self._registry, origin, strangers, self._fetch)
        return self._authorizers[origin]
