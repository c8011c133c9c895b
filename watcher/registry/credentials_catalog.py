"""Where the credentials of a registry come from, by what `auth` says, else by what the machine has."""

from collections.abc import Callable, Mapping
from typing import Any

from watcher.registry.credentials import Anonymous, CredentialSource, Fetch
from watcher.registry.credentials_acr import AcrSource
from watcher.registry.credentials_docker import DockerSource
from watcher.registry.credentials_ecr import EcrSource
from watcher.registry.credentials_first import FirstOf
from watcher.registry.credentials_gcp import GcpSource
from watcher.registry.credentials_password import Password
from watcher.registry.settings import (
    AcrAuth,
    AnonymousAuth,
    DockerConfigAuth,
    EcrAuth,
    GcpAuth,
    PasswordAuth,
    RegistrySettings,
    kind_of,
)

CREDENTIALS: Mapping[type, Callable[[Any, RegistrySettings, Fetch], CredentialSource]] = {
    AcrAuth: lambda auth, registry, fetch: AcrSource(registry.base_url, auth, fetch, needed=True),
    AnonymousAuth: lambda _auth, _registry, _fetch: Anonymous(),
    DockerConfigAuth: lambda auth, registry, _fetch: DockerSource(registry.registry, auth.path, needed=True),
    EcrAuth: lambda auth, registry, _fetch: EcrSource(registry.registry, auth, needed=True),
    GcpAuth: lambda auth, registry, _fetch: GcpSource(registry.registry, auth, needed=True),
    PasswordAuth: lambda auth, _registry, _fetch: Password(auth),
}

# What a cloud's own hosts are tried with when `auth` says nothing: whatever the machine has of that cloud.
AMBIENT: Mapping[str, Callable[[RegistrySettings, Fetch], CredentialSource]] = {
    "acr": lambda registry, fetch: AcrSource(registry.base_url, AcrAuth(), fetch, needed=False),
    "ecr": lambda registry, _fetch: EcrSource(registry.registry, EcrAuth(), needed=False),
    "gar": lambda registry, _fetch: GcpSource(registry.registry, GcpAuth(), needed=False),
}


def build_credentials(settings: RegistrySettings, fetch: Fetch) -> CredentialSource:
    """Where the credentials of one registry come from; `fetch` sends it a request that needs none. Nothing is asked yet.

    Raises:
        ConfigurationError: a secret is not there, or something is missing from the settings.
    """
    if settings.auth is not None:
        return CREDENTIALS[type(settings.auth)](settings.auth, settings, fetch)
    # By the host alone: a `kind` that is written for another host is no reason to send it a cloud's credentials.
    ambient = AMBIENT.get(kind_of(settings.registry))
    docker = DockerSource(settings.registry, None, needed=False)
    return FirstOf(sources=(docker, ambient(settings, fetch)) if ambient else (docker,))
