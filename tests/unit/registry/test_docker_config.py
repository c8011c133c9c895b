"""Reading what `docker login` left behind."""

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from watcher.model.errors import AuthenticationError, ConfigurationError
from watcher.model.reference import DOCKER_HUB, Host
from watcher.registry.client import RegistryClient
from watcher.registry.credentials import FAILED_SECONDS, RENEW_SECONDS, CredentialProvider, Credentials
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


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ('{"AUTHS": {"%s": {"Auth": "dTpw"}}}', ("u", "p", "", "")),
        ('{"auths": {"x": 1}, "auths": {"%s": {"auth": "dTpw"}}}', ("u", "p", "", "")),
        ('{"auths": {"%s": {"auth": "bad"}, "%s": {"auth": "dTpw"}}}', ("u", "p", "", "")),
        ('{"auths": {"%s": {"auth": "bad", "auth": "dTpw", "AUTH": null}}}', ("u", "p", "", "")),
        ('{"auths": {"%s": {"auth": "dTpw"}}, "auths": {"other": {"auth": "%%%%"}}} and more', ("u", "p", "", "")),
        ('{"auths": {"%s": {"identityToken": "r"}}, "HttpHeaders": {"X": [1e999, NaN]}}', ("", "", "r", "")),
        ('{"auths": {"%s": {"username": "u", "PASSWORD": "p"}}}', ("u", "p", "", "")),
        ('{"auths": {"%s": {"auth": "dTpwAAA="}}}', ("u", "p", "", "")),
        ('{"auths": {"%s": {"auth": "d\\r\\nT\\npw\\n"}}}', ("u", "p", "", "")),
        ('{"auths": {"%s": {"auth": "dTpwcA=\\n=\\n"}}}', ("u", "pp", "", "")),
        ('{"auths": {"https://%s/v1/": {"auth": "dTpw"}, "%s": {}}}', ("u", "p", "", "")),
        ('{"auths": {"%s/v1/": {"auth": "eDp4"}, "%s": {"auth": "dTpw"}}}', ("u", "p", "", "")),
        ('{"auths": {"HTTP://%s/anything": {"auth": "dTpw"}}}', ("u", "p", "", "")),
        ('{"auths": {"Registry.Example.COM": {"auth": "dTpw"}}, "credsStore": null, "credHelpers": null}', ("u", "p", "", "")),
    ],
)
def test_a_file_is_read_as_programs_in_go_read_it(raw: str, expected: tuple[str, str, str, str]) -> None:
    """Fields without case, the last of two keys, maps put together, and nothing that is another registry's."""
    found = parse_docker_config(raw.replace("%%", "\0").replace("%s", HOST).replace("\0", "%").encode(), HOST, "x").credentials
    assert found is not None
    secrets = (found.password, found.identity_token, found.registry_token)
    assert (found.username, *("" if each is None else each.reveal() for each in secrets)) == expected


def test_a_password_of_any_bytes() -> None:
    """It is sent as it was kept, whatever it was encoded in."""
    kept = b"u:p\xe4ss"
    found = parse_docker_config(json.dumps({"auths": {HOST: {"auth": base64.b64encode(kept).decode()}}}).encode(), HOST, "x")
    assert found.credentials is not None
    assert found.credentials.password is not None
    assert found.credentials.password.reveal().encode("utf-8", "surrogateescape") == kept[2:]


def test_repositories_may_have_their_own() -> None:
    """As podman writes them: the longest beginning of a name that somebody has logged in to, else the host's, else nobody's."""
    auths = {
        f"{HOST}/team": {"auth": encoded("team:t")},
        f"{HOST}/team/app/": {"auth": encoded("app:a")},
        f"https://{HOST}/team/other": {"auth": encoded("all:o")},
        "other.example.com/team": {"auth": encoded("x:x")},
        f"{HOST}/team/empty": {},
    }
    for host, others in ((f"{HOST}/v2/", "host"), ("elsewhere", "all")):
        found = parse_docker_config(json.dumps({"auths": {host: {"auth": encoded("host:h")}, **auths}}).encode(), HOST, "x")
        shown = replace(found.credentials or Credentials(), narrower=found.narrower)
        expected = {"team": "team", "team/app": "app", "team/app/x": "app", "team/apple": "team", "teams": others, "": others}
        for repository, name in {**expected, "team/empty": "team"}.items():
            whose = shown.of(repository)
            assert whose is not None
            assert whose.username == name
    assert Credentials(narrower=found.narrower).of("teams") is None


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
        b'{"auths": "secretvalue"}',
        b'{"credsStore": [7]}',
        b'{"credHelpers": {"registry.example.com": {}}}',
    ],
)
def test_damage_is_a_configuration_error_that_quotes_nothing(raw: bytes) -> None:
    """The operator learns which file and host; the file's content stays in it."""
    with pytest.raises(ConfigurationError, match=r"config\.json.*malformed") as caught:
        parse_docker_config(raw, HOST, "config.json")
    assert "secretvalue" not in str(caught.value)
    assert caught.value.__cause__ is None


DAMAGED = [3, [], {"auth": "%%%"}, {"auth": "c2VjcmV0dmFsdWU="}, {"auth": 7}, {"auth": "/zp4"}, {"identitytoken": {}}]


@pytest.mark.parametrize("damaged", DAMAGED)
def test_a_damaged_entry_is_nobody_else_s(damaged: object) -> None:
    """Whoever would be shown it learns which file and entry, and none of its content; all others get what is theirs."""
    good = {"auth": encoded("user:pa")}
    for bad, places in (
        ("other.example.com", {HOST: "", f"{HOST}/team": ""}),
        (f"{HOST}/team/app", {HOST: "", f"{HOST}/team": "", f"{HOST}/team/app/x": "team/app is malformed"}),
        (HOST, {HOST: f"{HOST} is malformed", f"{HOST}/team": ""}),
    ):
        auths = {HOST: good, f"{HOST}/team": good, bad: damaged}
        found = parse_docker_config(json.dumps({"auths": auths}).encode(), HOST, "config.json")
        shown = replace(found.credentials or Credentials(), narrower=found.narrower)
        for place, expected in places.items():
            repository = place.partition("/")[2]
            if expected:
                with pytest.raises(AuthenticationError, match=rf"config\.json.*{expected}$"):
                    shown.of(repository)
            else:
                own = shown.of(repository)
                assert own is not None
                assert own.username == "user"


async def test_a_damaged_entry_is_read_again_before_long(docker_config: Path) -> None:
    """It is not passed over for what stands elsewhere, nor for nothing; once it is mended nobody has to restart."""
    now = [0.0]
    log_in(docker_config, "%%%")
    provider = CredentialProvider(HOST, build_credentials(RegistrySettings(host=HOST), nothing), clock=lambda: now[0])
    damaged = await provider.credentials()
    assert damaged is not None
    with pytest.raises(AuthenticationError, match="malformed"):
        damaged.of("")
    log_in(docker_config, encoded("u:p"))
    now[0] = RENEW_SECONDS
    mended = await provider.credentials()
    assert mended is not None
    assert mended.of("") is mended


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


def log_in(docker_config: Path, auth: str) -> None:
    docker_config.parent.mkdir(exist_ok=True)
    docker_config.write_text(json.dumps({"auths": {HOST: {"auth": auth}}}))


async def test_credentials_of_settings(docker_config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `auth` the docker configuration is asked and may have nothing; with it, what is written must be there."""
    monkeypatch.setenv("REGISTRY_PASSWORD", "p")
    assert await credentials_of(RegistrySettings(host=HOST)) is None
    basic = await credentials_of(RegistrySettings(host=HOST, auth=PasswordAuth(username="u", password="env:REGISTRY_PASSWORD")))
    assert basic is not None
    assert basic.username == "u"
    with pytest.raises(ConfigurationError, match="has nothing for this registry"):
        await credentials_of(RegistrySettings(host=HOST, auth=DockerConfigAuth()))
    log_in(docker_config, encoded("u:p"))
    ambient = await credentials_of(RegistrySettings(host=HOST))
    assert ambient is not None
    assert ambient.username == "u"
    assert "p" not in repr(ambient.password)
    assert await credentials_of(RegistrySettings(host=HOST, auth=AnonymousAuth())) is None
    assert await credentials_of(RegistrySettings(host="other.example.com")) is None


async def test_podman_s_files_are_asked_after_docker_s(
    docker_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has set `REGISTRY_AUTH_FILE` means that; for a repository it goes before what a later file has for all."""

    def write(path: Path, key: str, name: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"auths": {key: {"auth": encoded(f"{name}:p")}}}))

    async def names() -> list[str]:
        found = await credentials_of(RegistrySettings(host=HOST))
        shown = [found.of(repository) if found else None for repository in ("", "team/app")]
        return [each.username if each else "" for each in shown]

    assert await names() == ["", ""]
    write(tmp_path / "config/containers/auth.json", HOST, "config")
    assert await names() == ["config", "config"]
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    write(tmp_path / "run/containers/auth.json", f"{HOST}/team", "run")
    assert await names() == ["config", "run"]
    write(docker_config, HOST, "docker")
    assert await names() == ["docker", "docker"]
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))
    write(tmp_path / "auth.json", f"{HOST}/team/app", "file")
    assert await names() == ["docker", "file"]
    only = await credentials_of(RegistrySettings(host=HOST, auth=DockerConfigAuth(path=str(tmp_path / "run/containers/auth.json"))))
    assert only is not None
    assert only.of("") is None


async def test_a_secret_that_is_missing_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at the first push."""
    monkeypatch.delenv("REGISTRY_PASSWORD", raising=False)
    with pytest.raises(ConfigurationError, match="REGISTRY_PASSWORD"):
        build_credentials(RegistrySettings(host=HOST, auth=PasswordAuth(username="u", password="env:REGISTRY_PASSWORD")), nothing)


@pytest.mark.parametrize(
    "settings",
    [
        {"auth": {"type": "basic", "username": "u", "password": "file:/nope"}},
        {"auth": {"type": "basic", "username": "u", "password": "file:{tmp}/bytes"}},
        {"auth": {"type": "basic", "username": "u", "password": "env:NOT_SET_ANYWHERE"}},
        {"auth": {"type": "docker-config", "path": "/nope"}},
        {"auth": {"type": "docker-config", "path": "{tmp}/malformed"}},
        {"auth": {"type": "docker-config", "path": "{tmp}/entry"}},
        {"auth": {"type": "docker-config", "path": "{tmp}/helper"}},
        {"auth": {"type": "gcp", "key_file": "/nope"}},
        {"auth": {"type": "acr", "client_id": "c", "client_secret": "file:/nope"}},
        {"api_token": "file:/nope"},
        {"ca_file": "/nope"},
        {"client_cert": {"cert": "/nope", "key": "/nope"}},
    ],
)
def test_what_is_missing_is_said_before_anything_is_asked(settings: object, tmp_path: Path) -> None:
    """In one sentence that names the registry, and quotes nothing of what was read."""
    (tmp_path / "bytes").write_bytes(b"s3cret\xff")
    (tmp_path / "malformed").write_text('{"auths": "s3cret"}')
    (tmp_path / "entry").write_text(json.dumps({"auths": {HOST: {"auth": encoded("s3cret")}}}))
    (tmp_path / "helper").write_text(json.dumps({"credHelpers": {HOST: "nowhere"}}))
    document = json.loads(json.dumps(settings).replace("{tmp}", str(tmp_path)))
    with pytest.raises(ConfigurationError, match=HOST) as caught:
        RegistryClient(msgspec.convert({"host": HOST, **document}, RegistrySettings))
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_file_that_goes_and_comes_back(tmp_path: Path) -> None:
    """The failure names it and the registry; nothing has to be restarted."""
    file, now = tmp_path / "password", [0.0]
    file.write_text("p")
    settings = RegistrySettings(host=HOST, auth=PasswordAuth(username="u", password=f"file:{file}"))
    provider = CredentialProvider(Host(HOST), build_credentials(settings, nothing), clock=lambda: now[0])
    file.unlink()
    with pytest.raises(AuthenticationError, match=f"{HOST}.*{file}"):
        await provider.credentials()
    file.write_text("p")
    now[0] += FAILED_SECONDS
    assert await provider.credentials() is not None


async def test_an_unreadable_file_is_said_so(tmp_path: Path) -> None:
    """A directory where a file should be is the operator's to fix."""
    with pytest.raises(ConfigurationError, match="cannot be read"):
        await credentials_of(RegistrySettings(host=HOST, auth=DockerConfigAuth(path=str(tmp_path))))
