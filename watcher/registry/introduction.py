"""Registries that hide from strangers what they hold, and say only at `/v2/` how to become known to them.

To somebody whom a registry does not know, 401 without a challenge, 403 and 404 are no answers. Docker, skopeo and containerd never
see them: they ping first. We ping when it matters.

Spec: OCI distribution-spec v1.1 "Determining Support" (end-1); distribution "API Version Check".
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from watcher.model.errors import AuthenticationError
from watcher.registry.auth import Authorizer
from watcher.registry.challenges import Challenge

HIDING_STATUSES = frozenset({401, 403, 404})
# A registry whose `/v2/` asks nothing of strangers is believed for so long; a registry is reconfigured more rarely than that.
# So is one that is content with the tokens that anybody is given.
OPEN_SECONDS = 300.0

Ping = Callable[[str | None], Awaitable[Sequence[Challenge]]]
"""`await ping(authorization)`: what `/v2/` asks of whoever shows that header; nothing when it is content."""


class Introduction:
    """Gets us known to one registry. Used on one event loop."""

    def __init__(self, authorizer: Authorizer, ping: Ping, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._authorizer = authorizer
        self._ping = ping
        self._clock = clock
        self._hides = False
        # By whether there are no credentials, and whether nothing was shown: what one is told says nothing about the others.
        self._open_until: dict[tuple[bool, bool], float] = {}
        self._pinging = asyncio.Lock()

    async def header(self, status: int, scopes: frozenset[str], sent: str | None) -> str | None:
        """What to ask once more with, after `status` without a challenge in answer to `sent`; None when the answer stands.

        It stands for those who are known: where nothing is hidden by whoever has shown a header, else by whoever is not asked for a
        better one. Who has no credentials becomes known by a token that anybody is given, and by nothing else. But 403 is also what
        some say to a password that is over.

        Raises:
            AuthenticationError, ThrottledError, RegistryUnavailableError: we are not known, and cannot be now.
        """
        if status not in HIDING_STATUSES:
            return None
        if sent is not None and status != 401 and not self._hides:
            return await self._authorizer.replaced(scopes, sent) if status == 403 and sent.startswith("Basic ") else None
        async with self._pinging:
            # Perhaps somebody else has been told meanwhile.
            known = await self._authorizer.header(scopes)
            if known not in {None, sent}:
                return known
            anonymous = not await self._authorizer.has_credentials(scopes)
            # What credentials brought is looked at each time: once it is over, what is there is called gone.
            believed = (anonymous, sent is None) if anonymous or sent is None else None
            if believed is not None and self._clock() < self._open_until.get(believed, 0.0):
                return None
            challenges = [each for each in await self._ping(sent) if not anonymous or each.scheme == "bearer"]
            if not challenges:
                if believed is not None:
                    self._open_until[believed] = self._clock() + OPEN_SECONDS
                return None
            self._hides = True
            better = await self._authorizer.answer(challenges, scopes, sent)
            # A token service has looked at what we showed it; a password nobody has looked at yet, and a wrong one is hidden from.
            if better is not None and better.startswith("Basic ") and await self._ping(better):
                raise AuthenticationError(f"{self._authorizer.registry}: the configured credentials are refused, says GET /v2/")
            return better
