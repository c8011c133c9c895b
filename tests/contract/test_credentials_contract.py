"""What is true of every source of credentials for a registry."""

import base64
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from aiohttp import web

from tests.doubles.scripted_server import Answer, scripted_server
from watcher.model.errors import AuthenticationError, ConfigurationError, RegistryUnavailableError
from watcher.registry.client import RegistryClient
from watcher.registry.credentials import Anonymous, Credentials, CredentialSource
from watcher.registry.credentials_acr import AcrSource
from watcher.registry.credentials_catalog import CREDENTIALS, build_credentials
from watcher.registry.credentials_docker import DockerSource
from watcher.registry.credentials_ecr import EcrSource
from watcher.registry.credentials_first import FirstOf
from watcher.registry.credentials_gcp import GcpSource
from watcher.registry.credentials_password import Password
from watcher.registry.settings import (
    AcrAuth,
    AnonymousAuth,
    Auth,
    DockerConfigAuth,
    EcrAuth,
    GcpAuth,
    PasswordAuth,
    RegistrySettings,
)

pytestmark = pytest.mark.enable_socket

SECRET = "s3cret-Pa55"
KEPT = "registry.example.com"


@dataclass(kw_only=True)
class Kept:
    """A source, the user and the secret that it gives (None is anonymous), and how to take that away from it."""

    source: CredentialSource
    gives: tuple[str, str] | None
    take_away: Callable[[], object]


Opened = AbstractAsyncContextManager[Kept]


def source(settings: Any, host: str = KEPT) -> CredentialSource:
    """As it is made for a registry; it must need no answer of that registry."""

    async def fetch(*_: object) -> bytes:
        raise AssertionError("nobody asks the registry")

    return build_credentials(RegistrySettings(host=host, auth=settings), fetch)


@asynccontextmanager
async def _anonymous(_: Path) -> AsyncIterator[Kept]:
    yield Kept(source=source(AnonymousAuth()), gives=None, take_away=lambda: None)


@asynccontextmanager
async def _password(folder: Path) -> AsyncIterator[Kept]:
    file = folder / "password"
    file.write_text(SECRET)
    yield Kept(
        source=source(PasswordAuth(username="me", password=f"file:{file}")),
        gives=("me", SECRET),
        take_away=file.unlink,
    )


def _docker_config(folder: Path) -> Path:
    file = folder / "config.json"
    file.write_text(json.dumps({"auths": {KEPT: {"auth": base64.b64encode(f"me:{SECRET}".encode()).decode()}}}))
    return file


@asynccontextmanager
async def _docker(folder: Path) -> AsyncIterator[Kept]:
    file = _docker_config(folder)
    yield Kept(
        source=source(DockerConfigAuth(path=str(file))),
        gives=("me", SECRET),
        take_away=file.unlink,
    )


@asynccontextmanager
async def _first_of(folder: Path) -> AsyncIterator[Kept]:
    """Nothing is configured: what docker has for the host."""
    file = _docker_config(folder)
    yield Kept(
        source=source(None),
        gives=("me", SECRET),
        take_away=lambda: file.write_text("{"),
    )


@asynccontextmanager
async def _google(folder: Path) -> AsyncIterator[Kept]:
    file = folder / "key.json"
    file.write_text(SECRET)
    yield Kept(
        source=source(GcpAuth(key_file=str(file))),
        gives=("_json_key", SECRET),
        take_away=file.unlink,
    )


@dataclass
class Cloud:
    """Answers everything with one document, or with 403."""

    document: Any
    refuses: bool = False

    async def __call__(self, _: web.Request) -> web.Response:
        if self.refuses:
            return web.json_response({"__type": "AccessDeniedException", "error": "access_denied"}, status=403)
        return web.json_response(self.document)

    def refuse(self) -> None:
        self.refuses = True


@asynccontextmanager
async def _amazon(_: Path) -> AsyncIterator[Kept]:
    token = base64.b64encode(f"AWS:{SECRET}".encode()).decode()
    cloud = Cloud({"authorizationData": [{"authorizationToken": token, "expiresAt": 4_000_000_000}]})
    async with scripted_server(cloud) as server:
        yield Kept(
            source=source(EcrAuth(region="eu-west-1", endpoint_url=server.url)),
            gives=("AWS", SECRET),
            take_away=cloud.refuse,
        )


@asynccontextmanager
async def _azure(_: Path) -> AsyncIterator[Kept]:
    entra = Cloud({"access_token": "entra.token", "expires_in": 3599, "token_type": "Bearer"})
    registry: Answer = Cloud({"refresh_token": SECRET})
    async with scripted_server(entra) as authority, scripted_server(registry) as server:
        auth = {"type": "acr", "tenant": "t", "client_id": "c", "client_secret": "env:APP_SECRET", "authority": authority.url}
        settings = msgspec.convert({"host": server.host, "kind": "acr", "auth": auth}, RegistrySettings)
        async with RegistryClient(settings) as client:
            yield Kept(
                source=build_credentials(settings, client._fetch_token),
                gives=("", SECRET),
                take_away=entra.refuse,
            )


# By what is configured, None for nothing: the class that is held to this suite, and where it has something.
PLACES: Mapping[type | None, tuple[type, Callable[[Path], Opened]]] = {
    AnonymousAuth: (Anonymous, _anonymous),
    PasswordAuth: (Password, _password),
    DockerConfigAuth: (DockerSource, _docker),
    EcrAuth: (EcrSource, _amazon),
    GcpAuth: (GcpSource, _google),
    AcrAuth: (AcrSource, _azure),
    None: (FirstOf, _first_of),
}


@pytest.fixture(autouse=True)
def identity(aws_identity: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever runs the tests may be logged in somewhere; that plays no part."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("APP_SECRET", "app")


@pytest.fixture(params=PLACES, ids=lambda settings: settings.__struct_config__.tag if settings else "unset")
async def kept(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kept]:
    adapter, opened = PLACES[request.param]
    async with opened(tmp_path) as opening:
        assert type(opening.source) is adapter
        yield opening


def shown(credentials: Credentials | None) -> tuple[str, str] | None:
    """The user, and the secret whatever kind it is."""
    if credentials is None:
        return None
    (secret,) = filter(None, (credentials.password, credentials.identity_token, credentials.registry_token))
    return credentials.username, secret.reveal()


def test_everything_that_can_be_configured_is_held_to_this_suite() -> None:
    """A source that is not named here could give nothing, and every registry would look as if it refused us."""
    assert set(PLACES) - {None} == set(CREDENTIALS) == set(get_args(Auth))


async def test_what_is_kept_is_given_each_time(kept: Kept) -> None:
    """It may be asked as often as somebody needs it, and says when it ends where that is known."""
    first = await kept.source.fetch()
    assert shown(first) == kept.gives
    assert first is None or first.lifetime_seconds is None or first.lifetime_seconds > 0
    assert shown(await kept.source.fetch()) == kept.gives


async def test_a_secret_is_not_in_what_can_be_logged(kept: Kept) -> None:
    """Whoever prints credentials or their source prints no secret."""
    found = await kept.source.fetch()
    assert SECRET not in repr(found)
    assert SECRET not in repr(kept.source)


async def test_what_is_not_there_any_more_is_one_of_our_errors(kept: Kept) -> None:
    """Said as what it is, and without the secret; never that the registry wants none."""
    await kept.source.fetch()
    kept.take_away()
    if kept.gives is None:
        return  # who is anonymous has nothing to lose
    with pytest.raises((ConfigurationError, AuthenticationError, RegistryUnavailableError)) as caught:
        await kept.source.fetch()
    assert SECRET not in str(caught.value)
