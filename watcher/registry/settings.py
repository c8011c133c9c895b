"""How one registry is reached: the block under `registries` in the configuration."""

import ipaddress
from typing import Literal

import msgspec
from yarl import URL

from watcher.kit.secret import SecretReference
from watcher.kit.units import Duration
from watcher.model.errors import InvalidReferenceError
from watcher.model.reference import DOCKER_HUB, Host, parse_host

Kind = Literal["distribution", "harbor", "ecr", "acr", "gar", "quay", "artifactory", "zot", "ghcr", "dockerhub"]

# Docker Hub's name in references is not the host that serves its API.
DOCKER_HUB_API = "registry-1.docker.io"

_WELL_KNOWN: tuple[tuple[str, Kind], ...] = (
    ("docker.io", "dockerhub"),
    ("ghcr.io", "ghcr"),
    ("quay.io", "quay"),
    ("gcr.io", "gar"),
    ("pkg.dev", "gar"),
    ("azurecr.io", "acr"),
    ("azurecr.cn", "acr"),
    ("azurecr.us", "acr"),
    ("public.ecr.aws", "ecr"),
    ("jfrog.io", "artifactory"),
)


class AnonymousAuth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="anonymous"):
    """Send no credentials, whatever the machine has."""


class BasicAuth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="basic"):
    """A user name and password, or a robot account and its token; also sent to the registry's token service."""

    username: str
    password: SecretReference


class DockerConfigAuth(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="docker-config"
):
    """What `docker login` left behind. `path` None is `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`."""

    path: str | None = None


Auth = AnonymousAuth | BasicAuth | DockerConfigAuth


class RegistrySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One registry."""

    host: str  # as in image references, with its port if it has one
    kind: Kind | None = None  # None: from the host where it is well known, else distribution
    scheme: Literal["https", "http"] | None = None  # None: https, but plain HTTP for loopback hosts, as docker does
    ca_file: str | None = None  # PEM; added to nothing: it replaces the system's authorities for this registry
    requests_per_second: float | None = None  # None: as fast as the registry answers
    timeout: Duration = "30s"  # for one request, and the longest silence inside a blob
    # Redirects (to a blob store, say) may go to public addresses, and to private ones when the registry itself has one.
    # True allows private and loopback addresses always; link-local ones (cloud metadata) never.
    private_redirects: bool = False
    token_hosts: tuple[str, ...] = ()  # hosts beside the registry's own domain whose token service may see the credentials
    auth: Auth | None = None  # None: the docker configuration if it knows the host, else anonymous

    def __post_init__(self) -> None:
        try:
            _ = self.base_url.port
        except InvalidReferenceError as error:
            raise ValueError(str(error)) from error
        if self.requests_per_second is not None and self.requests_per_second <= 0:
            raise ValueError("requests_per_second must be above 0")

    @property
    def registry(self) -> Host:
        """The host as references name it: lower case, Docker Hub under its one name."""
        return parse_host(self.host)

    @property
    def registry_kind(self) -> Kind:
        return self.kind or kind_of(self.registry)

    @property
    def base_url(self) -> URL:
        """Scheme and authority of the API; paths begin at `/v2/`."""
        scheme = self.scheme or ("http" if is_loopback(self.registry) else "https")
        return URL(f"{scheme}://{DOCKER_HUB_API if self.registry == DOCKER_HUB else self.registry}")


def kind_of(host: Host) -> Kind:
    """What is known to run at a well-known host; `distribution`, the common ground, for any other."""
    name = host_name(host)
    for suffix, kind in _WELL_KNOWN:
        if name == suffix or name.endswith("." + suffix):
            return kind
    if ".dkr.ecr" in name and name.endswith((".amazonaws.com", ".amazonaws.com.cn", ".on.aws")):
        return "ecr"
    return "distribution"


def host_name(host: str) -> str:
    """`host` without its port and without the brackets of an IPv6 address."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def is_loopback(host: str) -> bool:
    """Whether `host` names this machine: `localhost`, `*.localhost`, 127.0.0.0/8 or ::1."""
    name = host_name(host)
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
