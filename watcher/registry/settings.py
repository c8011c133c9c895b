"""How one registry is reached: the block under `registries` in the configuration."""

from collections.abc import Mapping
from typing import Literal

import msgspec
from yarl import URL

from watcher.kit.proxies import Proxies, parse_proxy
from watcher.kit.secret import Secret, SecretReference, SpokenSecretReference, resolve
from watcher.kit.units import Duration, refuse_nothing
from watcher.model.amazon import ECR_HOST
from watcher.model.errors import ConfigurationError, InvalidReferenceError
from watcher.model.reference import DOCKER_HUB, Host, is_this_machine, parse_host, parse_repository
from watcher.model.registry_kind import RegistryKind

# Docker Hub's name in references is not the host that serves its API.
DOCKER_HUB_API = "registry-1.docker.io"

# Of `proxy`: directly, whatever the environment says; and how a reference to a secret begins.
NO_PROXY = "none"
SECRET_PREFIXES = ("env:", "file:")

_WELL_KNOWN: tuple[tuple[str, RegistryKind], ...] = (
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
# They answer the catalogue for nobody, or for their own staff only.
KINDS_WITHOUT_CATALOG: frozenset[RegistryKind] = frozenset({"dockerhub", "ghcr"})


class AnonymousAuth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="anonymous"):
    """Send no credentials, whatever the machine has."""


class PasswordAuth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="basic"):
    """A user name and password, or a robot account and its token; also sent to the registry's token service."""

    username: str  # of the account, or what a token is used with
    password: SecretReference  # read again when the registry refuses it, and once an hour


class DockerConfigAuth(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="docker-config"
):
    """What `docker login` or `podman login` left behind, or the credential helper named there (`credHelpers`, `credsStore`) has.

    A helper is run as `docker-credential-NAME get`, without a shell, with the daemon's environment, for ten seconds at most.
    """

    # None: `$REGISTRY_AUTH_FILE` where it is set, then docker's (`$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`), then
    # podman's (`$XDG_RUNTIME_DIR/containers/auth.json`, `~/.config/containers/auth.json`)
    path: str | None = None


class EcrAuth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="ecr"):
    """A token of Amazon ECR, from the AWS chain of this machine: environment, profile, web identity, task or instance role."""

    region: str | None = None  # None: from the host; `public.ecr.aws` is always asked in us-east-1
    role_arn: str | None = None  # the role to assume first, for a registry of another account
    external_id: str | None = None  # what that role's trust policy asks for
    endpoint_url: str | None = None  # asked instead of ECR and STS; AWS_ENDPOINT_URL_ECR and its like are honoured as well


class GcpAuth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="gcp"):
    """Google's Application Default Credentials, as an access token: workload identity, metadata service, or a file."""

    key_file: str | None = None  # a service account's JSON key, sent as it is (`_json_key`) instead of a token


class AcrAuth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="acr"):
    """A Microsoft Entra identity with AcrPull (AcrPush to publish referrers), exchanged for the registry's own tokens.

    With `client_secret` it is an application; else a workload identity where there is a federated token; else the managed
    identity of this machine.
    """

    tenant: str | None = None  # id or domain; None: AZURE_TENANT_ID
    client_id: str | None = None  # the application, or a user-assigned managed identity; None: AZURE_CLIENT_ID
    client_secret: SecretReference | None = None  # of the application
    federated_token_file: str | None = None  # of a workload identity; None: AZURE_FEDERATED_TOKEN_FILE
    authority: str = "https://login.microsoftonline.com"  # of another cloud: https://login.chinacloudapi.cn
    identity_endpoint: str = "http://169.254.169.254"  # where the machine's managed identity is asked for
    audience: str = "https://containerregistry.azure.net"  # whom the Entra token is for; older clouds: their management endpoint

    def __post_init__(self) -> None:
        if self.client_secret is not None and not self.client_id:
            raise ValueError("client_secret needs client_id: they belong to one application")
        for name, value in (("authority", self.authority), ("audience", self.audience)):
            if not _is_https(value):
                raise ValueError(f"{name} must be an https URL")


Auth = AnonymousAuth | PasswordAuth | DockerConfigAuth | EcrAuth | GcpAuth | AcrAuth


class ClientCertificate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What we show a registry that asks for a certificate. Shown to its own host only, not where it redirects to."""

    cert: str  # PEM, with the intermediate certificates if there are any
    key: str  # PEM, not encrypted


class RegistrySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One registry."""

    host: str  # as in image references, with its port if it has one
    kind: RegistryKind | None = None  # None: from the host where it is well known, else distribution
    scheme: Literal["https", "http"] | None = None  # None: https, but plain HTTP for loopback hosts, as docker does
    # PEM. For the registry's own host these authorities replace the system's, for whom it leads us to they are added to them.
    ca_file: str | None = None
    client_cert: ClientCertificate | None = None  # for a registry that asks for one
    # `http://HOST:PORT`, or where such a URL with user and password is kept: `env:NAME`, `file:PATH`. It is for everything that is
    # asked on behalf of this registry. None: that of the environment (HTTP_PROXY, HTTPS_PROXY, NO_PROXY); `none`: none at all.
    proxy: str | None = None
    # Pull-through caches, `HOST[:PORT][/PREFIX]`: manifests and blobs named by digest are fetched there first, in this order; tags
    # are always asked of the registry itself. One that fails is left alone for a minute. Listed under `registries` as well, it is
    # reached as written there.
    mirrors: tuple[str, ...] = ()
    # Shared by everything this process asks of the registry. None: as fast as it answers. Either way it is slowed down when it
    # says that this is too fast.
    requests_per_second: float | None = None
    timeout: Duration = "30s"  # for one request, and the longest silence inside a blob
    # Redirects (to a blob store, say) may go to public addresses, and to private ones when the registry itself has one.
    # True allows private and loopback addresses always; link-local ones (cloud metadata) never.
    private_redirects: bool = False
    # Hosts beside the registry's own domain whose token service may see the credentials. Without any to show every public host may
    # be asked.
    token_hosts: tuple[str, ...] = ()
    # None: the docker configuration if it knows the host; else, for the well-known hosts of AWS, Google and Azure, what the machine
    # has there; else anonymous
    auth: Auth | None = None
    # Shown, as a bearer token, to the registry's own API beside the one of images, where that takes something else than `auth`: of
    # Quay, a token of an OAuth application.
    api_token: SpokenSecretReference | None = None

    def __post_init__(self) -> None:
        refuse_nothing(timeout=self.timeout)
        try:
            _ = self.base_url.port
        except InvalidReferenceError as error:
            raise ValueError(str(error)) from error
        if self.requests_per_second is not None and self.requests_per_second <= 0:
            raise ValueError("requests_per_second must be above 0")
        if self.proxy is not None and not self.proxy.startswith(SECRET_PREFIXES) and self.proxy != NO_PROXY:
            try:
                found = parse_proxy(self.proxy, "proxy")
            except ConfigurationError as error:
                raise ValueError(str(error)) from error
            if found.authorization is not None:
                raise ValueError("proxy: a URL with a password is a secret; keep it elsewhere and write env:NAME or file:PATH")
        for mirror in self.mirrors:
            try:
                host, _ = parse_mirror(mirror)
            except InvalidReferenceError as error:
                raise ValueError(f"mirrors: {error}") from error
            if host == self.registry:
                raise ValueError(f"mirrors: {mirror} is the registry itself")

    @property
    def registry(self) -> Host:
        """The host as references name it: lower case, Docker Hub under its one name."""
        return parse_host(self.host)

    def proxies(self) -> Proxies:
        """What requests go through. Reads the secret or the environment; raises ConfigurationError."""
        if self.proxy is None:
            return Proxies.of_environment()
        own = self.own_proxy()
        return Proxies.always(parse_proxy(own.reveal(), f"registry {self.registry}: proxy")) if own is not None else Proxies()

    def own_proxy(self) -> Secret | None:
        """The URL of `proxy`, perhaps with user and password; None where there is none. Raises ConfigurationError."""
        if self.proxy is None or self.proxy == NO_PROXY:
            return None
        return Secret((resolve(self.proxy).reveal() if self.proxy.startswith(SECRET_PREFIXES) else self.proxy).strip())

    def sdk_proxies(self) -> Mapping[str, str] | None:
        """`own_proxy` by scheme, as SDKs want it; None leaves it to them to read the environment. Raises ConfigurationError."""
        if self.proxy is None:
            return None
        own = self.own_proxy()
        return dict.fromkeys(("http", "https"), _with_scheme(own.reveal())) if own is not None else {}

    @property
    def registry_kind(self) -> RegistryKind:
        return self.kind or kind_of(self.registry)

    @property
    def base_url(self) -> URL:
        """Scheme and authority of the API; paths begin at `/v2/`."""
        scheme = self.scheme or ("http" if is_loopback(self.registry) else "https")
        return URL(f"{scheme}://{DOCKER_HUB_API if self.registry == DOCKER_HUB else self.registry}")


def _with_scheme(url: str) -> str:
    return url if "://" in url else f"http://{url}"


def parse_mirror(text: str) -> tuple[Host, str]:
    """`HOST[:PORT][/PREFIX]` as host and prefix; the prefix is the beginning of a repository name, or empty.

    Raises:
        InvalidReferenceError: either breaks the grammar.
    """
    host, slash, prefix = text.partition("/")
    return parse_host(host), parse_repository(prefix) if slash else ""


def kind_of(host: Host) -> RegistryKind:
    """What is known to run at a well-known host; `distribution`, the common ground, for any other."""
    name = host_name(host)
    for suffix, kind in _WELL_KNOWN:
        if name == suffix or name.endswith("." + suffix):
            return kind
    if ECR_HOST.fullmatch(name):
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
    return name.endswith(".localhost") or is_this_machine(name)


def _is_https(text: str) -> bool:
    """Whether this is an https URL, or plain http to this machine."""
    try:
        url = URL(text)
    except ValueError:
        return False
    return bool(url.host) and (url.scheme == "https" or (url.scheme == "http" and is_loopback(url.host or "")))
