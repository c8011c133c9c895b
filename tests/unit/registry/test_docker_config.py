"""Reading what `docker login` left behind."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from watcher.model.errors import ConfigurationError
from watcher.model.reference import DOCKER_HUB, Host
from watcher.registry.credentials import Credentials
from watcher.registry.credentials_catalog import build_credentials
from watcher.registry.docker_config import parse_docker_config
from watcher.registry.settings import AnonymousAuth, DockerConfigAuth, PasswordAuth, RegistrySettings

HOST = Host("registry.example.com")


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def read(document: object, host: Host = HOST) -> tuple[str, str, str, str]:
    found = parse_docker_config(json.dumps(document).encode(), host, "config.json").credentials
    assert found is not None
    secrets = (found.password, found.identity_token, found.registry_token)
    first, second, third = ("" if secret is None else secret.reveal() for secret in secrets)
    return found.username, first, second, third


@pytest.mark.parametrize("key", ["registry.example.com", "https://registry.example.com", "https://registry.example.com/v2/"])
def test_a_host_is_found_however_it_is_written(key: str) -> None:
    """Docker writes hosts, older tools wrote URLs."""
    assert read({"auths": {key: {"auth": encoded("user:pa:ss")}}}) == ("user", "pa:ss", "", "")


def test_docker_hub_has_a_key_of_its_own() -> None:
    """`https://index.docker.io/v1/` is Docker Hub."""
    assert read({"auths": {"https://index.docker.io/v1/": {"auth": encoded("u:p")}}}, DOCKER_HUB)[:2] == ("u", "p")


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_line_breaks_within_base64_are_skipped(ending: str) -> None:
    """As Go skips them: tools that wrap long lines write files that docker reads."""
    text = encoded("user:" + "x" * 90)
    assert read({"auths": {HOST: {"auth": text[:76] + ending + text[76:] + ending}}}) == ("user", "x" * 90, "", "")


def test_tokens() -> None:
    """An identity token and a finished bearer token are credentials without a password."""
    entry = {"auth": encoded("<token>:"), "identitytoken": "refresh"}
    assert read({"auths": {HOST: entry}}) == ("<token>", "", "refresh", "")
    assert read({"auths": {HOST: {"registrytoken": "bearer"}}}) == ("", "", "", "bearer")


def test_a_helper_is_named() -> None:
    """The registry's own before the one for all; what stands in the file itself before the one for all, and not before its own."""
    document = {"auths": {HOST: {}}, "credsStore": "desktop", "credHelpers": {HOST: "ecr-login"}}
    found = parse_docker_config(json.dumps(document).encode(), HOST, "x")
    assert (found.credentials, found.helper) == (None, "docker-credential-ecr-login")
    other = parse_docker_config(json.dumps(document).encode(), Host("other.example.com"), "x")
    assert other.helper == "docker-credential-desktop"
    written = {"auths": {HOST: {"auth": encoded("u:p")}}, "credsStore": "desktop"}
    assert parse_docker_config(json.dumps(written).encode(), HOST, "x").helper is None
    written["credHelpers"] = {HOST: "ecr-login"}
    assert parse_docker_config(json.dumps(written).encode(), HOST, "x").helper == "docker-credential-ecr-login"


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"[]",
        b'{"auths": [1]}',
        b'{"auths": {"registry.example.com": 3}}',
        b'{"auths": {"registry.example.com": {"auth": "%%%"}}}',
        b'{"auths": {"registry.example.com": {"auth": "c2VjcmV0dmFsdWU="}}}',
        b'{"auths": {"registry.example.com": {"auth": 7}}}',
    ],
)
def test_damage_is_a_configuration_error_that_quotes_nothing(raw: bytes) -> None:
    """The operator learns which file and host; the file's content stays in it."""
    with pytest.raises(ConfigurationError, match=r"config\.json.*malformed") as caught:
        parse_docker_config(raw, HOST, "config.json")
    assert "secretvalue" not in str(caught.value)
    assert caught.value.__cause__ is None


@given(st.binary(max_size=300))
def test_any_file_is_read_or_refused(raw: bytes) -> None:
    """No content makes another exception than ours."""
    try:
        parse_docker_config(raw, HOST, "config.json")
    except ConfigurationError:
        return


async def nothing(method: str, url: URL, headers: Mapping[str, str], form: Mapping[str, str] | None) -> bytes:
    raise AssertionError(f"{method} {url}: nothing is asked")


async def credentials_of(settings: RegistrySettings) -> Credentials | None:
    return await build_credentials(settings, nothing).fetch()


def log_in(docker_config: Path) -> None:
    docker_config.parent.mkdir()
    docker_config.write_text(json.dumps({"auths": {HOST: {"auth": encoded("u:p")}}}))


async def test_credentials_of_settings(docker_config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `auth` the docker configuration is asked and may have nothing; with it, what is written must be there."""
    monkeypatch.setenv("REGISTRY_PASSWORD", "p")
    assert await credentials_of(RegistrySettings(host=HOST)) is None
    basic = await credentials_of(RegistrySettings(host=HOST, auth=PasswordAuth(username="u", password="env:REGISTRY_PASSWORD")))
    assert basic is not None
    assert basic.username == "u"
    with pytest.raises(ConfigurationError, match="has nothing for this registry"):
        await credentials_of(RegistrySettings(host=HOST, auth=DockerConfigAuth()))
    log_in(docker_config)
    ambient = await credentials_of(RegistrySettings(host=HOST))
    assert ambient is not None
    assert ambient.username == "u"
    assert "p" not in repr(ambient.password)
    assert await credentials_of(RegistrySettings(host=HOST, auth=AnonymousAuth())) is None
    assert await credentials_of(RegistrySettings(host="other.example.com")) is None


async def test_a_secret_that_is_missing_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at the first push."""
    monkeypatch.delenv("REGISTRY_PASSWORD", raising=False)
    with pytest.raises(ConfigurationError, match="REGISTRY_PASSWORD"):
        build_credentials(RegistrySettings(host=HOST, auth=PasswordAuth(username="u", password="env:REGISTRY_PASSWORD")), nothing)


async def test_an_unreadable_file_is_said_so(tmp_path: Path) -> None:
    """A directory where a file should be is the operator's to fix."""
    with pytest.raises(ConfigurationError, match="cannot be read"):
        await credentials_of(RegistrySettings(host=HOST, auth=DockerConfigAuth(path=str(tmp_path))))
