"""What a registry may be shown, and who keeps it fresh: asked for when needed, again before it ends, and once when refused."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from yarl import URL

from watcher.kit.clock import since_boot
from watcher.kit.secret import Secret
from watcher.model.errors import AuthenticationError, ConfigurationError, RetryableError
from watcher.model.reference import Host

log = structlog.get_logger(__name__)

# Renewed before they end, so that nothing expires between here and the registry.
REFRESH_AT = 0.8
# What does not say how long it is good for is looked up again now and then: files and keychains are rotated, and some registries
# answer 403 to an expired password, which looks like any other 403.
RECHECK_SECONDS = 3600.0
# A registry that refuses what we have just been given refuses it for good; programs and cloud services are not asked in a loop.
RENEW_SECONDS = 120.0
# A source that fails is left alone for so long: a hundred jobs that wait for it must not ask it a hundred times.
FAILED_SECONDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A user name with its password, an identity token for the token service, or a finished bearer token.

    `lifetime_seconds` counts from the moment they were given; None is unknown. `narrower` are for those repositories whose names
    begin so, and are shown instead; with those alone there may be none of its own. `malformed` says why some cannot be read: it
    is raised when they are the ones to show, and the others are none the worse.
    """

    username: str = ""
    password: Secret | None = None
    identity_token: Secret | None = None
    registry_token: Secret | None = None
    lifetime_seconds: float | None = None
    narrower: Mapping[str, "Credentials"] = field(default_factory=dict)
    malformed: str = ""

    @property
    def are_for_all(self) -> bool:
        """Whether they say anything of the registry as a whole."""
        return bool(self.password or self.identity_token or self.registry_token or self.malformed)

    @property
    def are_damaged(self) -> bool:
        """Whether any of them cannot be read, which somebody will mend."""
        return any(each.malformed for each in (self, *self.narrower.values()))

    def of(self, repository: str) -> "Credentials | None":
        """Those to show for a repository, or for the registry as a whole where that is empty; None is anonymous.

        Raises:
            AuthenticationError: there are some, and they are malformed.
        """
        parts = repository.split("/")
        beginnings = ("/".join(parts[:count]) for count in range(len(parts), 0, -1))
        found = next((self.narrower[each] for each in beginnings if each in self.narrower), self)
        if found.malformed:
            raise AuthenticationError(found.malformed)
        return found if found.are_for_all else None


# `await fetch(method, url, headers, form)` gives the body of a 200; raises one of our errors for anything else.
Fetch = Callable[[str, URL, Mapping[str, str], Mapping[str, str] | None], Awaitable[bytes]]


class CredentialSource(Protocol):
    """Where the credentials of one registry come from."""

    async def fetch(self) -> Credentials | None:
        """Those that are good now; None is anonymous.

        Raises:
            ConfigurationError: the operator must change something.
            AuthenticationError, ThrottledError, RegistryUnavailableError: it may go better later.
        """
        ...


def named(registry: Host, error: ConfigurationError) -> str:
    """What is wrong with the settings of a registry, which is named."""
    return str(error) if registry in str(error) else f"registry {registry}: {error}"


class CredentialProvider:
    """Keeps what a source gave. Whoever asks while it is being asked waits for the same answer. Used on one event loop."""

    def __init__(self, registry: Host, source: CredentialSource, *, clock: Callable[[], float] = since_boot) -> None:
        self._registry = registry
        self._source = source
        self._clock = clock
        self._asking = asyncio.Lock()
        self._held: Credentials | None = None
        self._asked_at = float("-inf")
        self._refresh_at = float("-inf")
        self._ends_at = float("-inf")
        self._failure: RetryableError | None = None
        self._failed_until = float("-inf")

    async def credentials(self) -> Credentials | None:
        """What to show now; None is anonymous.

        Raises:
            AuthenticationError, ThrottledError, RegistryUnavailableError: what the source raised. A job under way is none the
            wiser for a ConfigurationError: a secret that is missing now may be there in a minute.
        """
        if self._clock() >= self._refresh_at:
            async with self._asking:
                if self._clock() >= self._refresh_at:
                    await self._ask()
        return self._held

    async def renew(self, refused: Credentials | None) -> Credentials | None:
        """What to show instead of `refused`; that very object again when there is nothing newer to be had now."""
        async with self._asking:
            if self._held is refused and self._clock() >= self._asked_at + RENEW_SECONDS:
                await self._ask()
            return self._held

    async def _ask(self) -> None:
        started = self._clock()
        if self._failure is None or started >= self._failed_until:
            try:
                found = await self._source.fetch()
            except (RetryableError, ConfigurationError) as error:
                self._failure = error if isinstance(error, RetryableError) else AuthenticationError(named(self._registry, error))
                asked_seconds = error.retry_after_seconds if isinstance(error, RetryableError) else None
                self._failed_until = self._clock() + max(FAILED_SECONDS, asked_seconds or 0.0)
                log.warning("credentials.unavailable", registry=self._registry, reason=error.reason, error=str(error))
            else:
                self._keep(found, started)
                return
        if started >= self._ends_at:
            # Another object each time: one that many raise would collect all their tracebacks.
            failure = self._failure
            raise type(failure)(str(failure), retry_after_seconds=failure.retry_after_seconds) from failure
        # What we hold is good for a while yet.
        self._refresh_at = min(started + FAILED_SECONDS, self._ends_at)

    def _keep(self, found: Credentials | None, started: float) -> None:
        lifetime = found.lifetime_seconds if found is not None else None
        self._failure, self._held, self._asked_at = None, found, started
        good_seconds = RECHECK_SECONDS if lifetime is None else lifetime * REFRESH_AT
        if found is not None and found.are_damaged:
            good_seconds = min(good_seconds, RENEW_SECONDS)
        self._refresh_at = started + good_seconds
        self._ends_at = float("inf") if lifetime is None else started + lifetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Anonymous:
    """Nothing, whatever the machine has."""

    async def fetch(self) -> Credentials | None:
        return None
