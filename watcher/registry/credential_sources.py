"""Which source a registry's credentials come from: what `auth` says, else what the machine has."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from watcher.kit.secret import resolve
from watcher.registry.credentials import Anonymous, Credentials, CredentialSource, Fetch
from watcher.registry.credentials_acr import AcrSource
from watcher.registry.credentials_docker import DockerSource
from watcher.registry.credentials_ecr import EcrSource
from watcher.registry.credentials_gcp import GcpSource
from watcher.registry.settings import (
    AcrAuth,
    AnonymousAuth,
    BasicAuth,
    DockerConfigAuth,
    EcrAuth,
    GcpAuth,
    RegistrySettings,
    kind_of,
)


def source_of(settings: RegistrySettings, fetch: Fetch) -> CredentialSource:
    """The source of one registry; `fetch` sends it a request that needs no credentials. Nothing is asked yet.

    Raises:
        ConfigurationError: a secret is not there, or something is missing from the settings.
    """
    registry = settings.registry
    match settings.auth:
        case AnonymousAuth():
            return Anonymous()
        case BasicAuth() as basic:
            return Password(basic)
        case DockerConfigAuth(path=path):
            return DockerSource(registry, path, needed=True)
        case EcrAuth() as ecr:
            return EcrSource(registry, ecr, needed=True)
        case GcpAuth() as gcp:
            return GcpSource(registry, gcp, needed=True)
        case AcrAuth() as acr:
            return AcrSource(settings.base_url, acr, fetch, needed=True)
        case _:
            return FirstOf(sources=(DockerSource(registry, None, needed=False), *_ambient(settings, fetch)))


def _ambient(settings: RegistrySettings, fetch: Fetch) -> Sequence[CredentialSource]:
    """The cloud's own chain, for its own hosts only: a `kind` that is written for another host is no reason to send it there."""
    match kind_of(settings.registry):
        case "ecr":
            return (EcrSource(settings.registry, EcrAuth(), needed=False),)
        case "gar":
            return (GcpSource(settings.registry, GcpAuth(), needed=False),)
        case "acr":
            return (AcrSource(settings.base_url, AcrAuth(), fetch, needed=False),)
        case _:
            return ()


class Password:
    """A user name and a password that is kept somewhere; read anew each time, since files are rotated."""

    def __init__(self, settings: BasicAuth) -> None:
        """Raises ConfigurationError: at once, not at the first push."""
        resolve(settings.password)
        self._settings = settings

    async def fetch(self) -> Credentials | None:
        """See `CredentialSource`."""
        password = await asyncio.to_thread(resolve, self._settings.password)
        return Credentials(username=self._settings.username, password=password)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstOf:
    """The first of several that has something."""

    sources: Sequence[CredentialSource]

    async def fetch(self) -> Credentials | None:
        """See `CredentialSource`."""
        for source in self.sources:
            found = await source.fetch()
            if found is not None:
                return found
        return None
