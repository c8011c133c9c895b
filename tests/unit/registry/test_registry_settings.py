"""Settings of one registry."""

import msgspec
import pytest

from watcher.model.reference import Host
from watcher.registry.settings import DockerConfigAuth, PasswordAuth, RegistrySettings, is_loopback, kind_of, parse_mirror


@pytest.mark.parametrize(
    ("host", "kind"),
    [
        ("docker.io", "dockerhub"),
        ("registry-1.docker.io", "dockerhub"),
        ("ghcr.io", "ghcr"),
        ("quay.io", "quay"),
        ("eu.gcr.io", "gar"),
        ("europe-docker.pkg.dev", "gar"),
        ("team.azurecr.io", "acr"),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "ecr"),
        ("public.ecr.aws", "ecr"),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "ecr"),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "ecr"),
        ("123456789012.dkr-ecr.eu-west-1.on.aws", "ecr"),
        ("x.dkr.ecr.evil.example.com", "distribution"),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.test", "distribution"),
        ("team.jfrog.io", "artifactory"),
        ("registry.example.com:5000", "distribution"),
        ("evilghcr.io", "distribution"),
    ],
)
def test_kind_follows_from_well_known_hosts(host: str, kind: str) -> None:
    """A well-known host says what runs there; any other is plain distribution."""
    assert RegistrySettings(host=host).registry_kind == kind


def test_a_written_kind_wins() -> None:
    """What the operator writes is not second-guessed."""
    assert RegistrySettings(host="ghcr.io", kind="harbor").registry_kind == "harbor"
    assert kind_of(Host("registry.example.com")) == "distribution"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("registry.example.com", "https://registry.example.com"),
        ("localhost:5000", "http://localhost:5000"),
        ("127.1.2.3:5000", "http://127.1.2.3:5000"),
        ("[::1]:5000", "http://[::1]:5000"),
        ("10.0.0.1:5000", "https://10.0.0.1:5000"),
        ("docker.io", "https://registry-1.docker.io"),
        ("index.docker.io", "https://registry-1.docker.io"),
    ],
)
def test_scheme_is_https_but_for_loopback(host: str, url: str) -> None:
    """Plain HTTP is spoken to loopback hosts only, and Docker Hub's API has a host of its own."""
    assert str(RegistrySettings(host=host).base_url).rstrip("/") == url


def test_a_written_scheme_wins() -> None:
    """`scheme` overrides the default both ways."""
    assert RegistrySettings(host="registry.example.com", scheme="http").base_url.scheme == "http"
    assert RegistrySettings(host="localhost:5000", scheme="https").base_url.scheme == "https"


@pytest.mark.parametrize(
    "document",
    [
        {"host": "https://registry.example.com"},
        {"host": ""},
        {"host": "registry.example.com:99999"},
        {"host": "r.example.com", "requests_per_second": 0},
        {"host": "r.example.com", "timeout": "30"},
        {"host": "r.example.com", "kind": "nexus4"},
        {"host": "r.example.com", "auth": {"type": "basic", "username": "a", "password": "plain"}},
        {"host": "r.example.com", "auth": {"type": "basic", "username": "a"}},
        {"host": "r.example.com", "pasword": "x"},
        {"host": "r.example.com", "mirrors": ["https://cache.example.com"]},
        {"host": "r.example.com", "mirrors": ["cache.example.com/UPPER"]},
        {"host": "r.example.com", "mirrors": ["R.example.com"]},
        {"host": "r.example.com", "client_cert": {"cert": "a.pem"}},
        {"host": "r.example.com", "auth": {"type": "acr", "client_secret": "env:S"}},
        {"host": "r.example.com", "auth": {"type": "acr", "authority": "http://login.example.com"}},
        {"host": "r.example.com", "auth": {"type": "acr", "audience": "registry"}},
        {"host": "r.example.com", "auth": {"type": "gcp", "key": "x"}},
    ],
)
def test_mistakes_are_refused_when_read(document: dict[str, object]) -> None:
    """A malformed host, unit, kind or secret never reaches the first request."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(document, RegistrySettings)


def test_auth_is_told_apart_by_type() -> None:
    """`auth.type` selects the kind of credentials."""
    basic = msgspec.convert(
        {"host": "r.example.com", "auth": {"type": "basic", "username": "a", "password": "env:P"}}, RegistrySettings
    )
    assert basic.auth == PasswordAuth(username="a", password="env:P")
    docker = msgspec.convert({"host": "r.example.com", "auth": {"type": "docker-config"}}, RegistrySettings)
    assert docker.auth == DockerConfigAuth()


def test_a_mirror_is_a_host_and_perhaps_a_prefix() -> None:
    """The beginning of a repository's name follows the slash."""
    assert parse_mirror("cache.example.com:5000/proxy/hub") == ("cache.example.com:5000", "proxy/hub")
    assert parse_mirror("cache.example.com") == ("cache.example.com", "")


def test_loopback_is_decided_by_name_or_address() -> None:
    """A name that only looks like localhost is not."""
    assert is_loopback("localhost")
    assert is_loopback("app.localhost:1")
    assert is_loopback("[::1]:1")
    assert not is_loopback("localhost.example.com")
    assert not is_loopback("128.0.0.1")
