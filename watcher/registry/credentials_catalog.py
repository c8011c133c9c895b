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
    AcrAuth: lambda auth, registry, fetch: AcrSource(registry.base_url, auth, fetch, needed=True, proxies=registry.proxies()),
    AnonymousAuth: lambda _auth, _registry, _fetch: Anonymous(),
    DockerConfigAuth: lambda auth, registry, _fetch: DockerSource(registry.registry, auth.path, needed=True),
    EcrAuth: lambda auth, registry, _fetch: EcrSource(registry.registry, auth, needed=True, proxies=registry.sdk_proxies()),
    GcpAuth: lambda auth, registry, _fetch: GcpSource(registry.registry, auth, needed=True, proxies=registry.sdk_proxies()),
    PasswordAuth: lambda auth, _registry, _fetch: Password(auth),
}

# What a cloud's own hosts are tried with when `auth` says nothing: what the machine has of that cloud, and what that is called.
AMBIENT: Mapping[str, tuple[str, Callable[[RegistrySettings, Fetch], CredentialSource]]] = {
    "acr": (
        "the Microsoft Entra identity of this machine",
        lambda registry, fetch: AcrSource(registry.base_url, AcrAuth(), fetch, needed=False, proxies=registry.proxies()),
    ),
    "ecr": (
        "the AWS chain of this machine",
        lambda registry, _fetch: EcrSource(registry.registry, EcrAuth(), needed=False, proxies=registry.sdk_proxies()),
    ),
    "gar": (
        "Google's default credentials",
        lambda registry, _fetch: GcpSource(registry.registry, GcpAuth(), needed=False, proxies=registry.sdk_proxies()),
    ),
}


def build_credentials(settings: RegistrySettings, fetch: Fetch) -> CredentialSource:
    """Where the credentials of one registry come from; `fetch` sends it a request that needs none. Nothing is asked yet.

    Raises:
        ConfigurationError: a secret is not there, or something is missing from the settings.
    """
    sources = tuple(sources_of(settings, fetch).values())
    return sources[0] if len(sources) == 1 and settings.auth is not None else FirstOf(sources=sources)


def sources_of(settings: RegistrySettings, fetch: Fetch) -> Mapping[str, CredentialSource]:
    """The same one by one, by what a person calls them, in the order in which they are asked. Raises as `build_credentials`."""
    if settings.auth is not None:
        called = f"auth: {{type: {settings.auth.__struct_config__.tag}}}"
        return {called: CREDENTIALS[type(settings.auth)](settings.auth, settings, fetch)}
    docker: Mapping[str, CredentialSource] = {"docker's configuration": DockerSource(settings.registry, None, needed=False)}
    # By the host alone: a `kind` that is written for another host is no reason to send it a cloud's credentials.
    ambient = AMBIENT.get(kind_of(settings.registry))
    return {**docker, ambient[0]: ambient[1](settings, fetch)} if ambient else docker
