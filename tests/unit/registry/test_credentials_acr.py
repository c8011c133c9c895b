"""Azure Container Registry: Entra's token becomes the registry's, against loopback doubles of both protocols."""

import base64
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from tests.doubles.scripted_server import Asked, ScriptedServer, scripted_server
from watcher.kit.proxies import Proxies
from watcher.kit.secret import Secret
from watcher.model.errors import AuthenticationError, RegistryUnavailableError
from watcher.registry.client import RegistryClient
from watcher.registry.credentials import RENEW_SECONDS
from watcher.registry.credentials_acr import LIFETIME_SECONDS, AcrSource
from watcher.registry.entra import entra_token
from watcher.registry.settings import AcrAuth, RegistrySettings

pytestmark = pytest.mark.enable_socket

NOW = 1_800_000_000
APP_ID, TENANT = "11111111-2222-3333-4444-555555555555", "contoso.example"


@pytest.fixture(autouse=True)
def no_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "AZURE_CLIENT_ID",
        "AZURE_TENANT_ID",
        "AZURE_CLIENT_SECRET",
        "AZURE_FEDERATED_TOKEN_FILE",
        "AZURE_AUTHORITY_HOST",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("APP_SECRET", "s3cret")


class Entra:
    """Its token endpoint and the metadata service of a machine, in one."""

    def __init__(self) -> None:
        self.status = 200
        self.body: Any = {"token_type": "Bearer", "expires_in": 3599, "access_token": "entra.token"}

    async def __call__(self, request: web.Request) -> web.Response:
        return web.json_response(self.body, status=self.status)


class Registry:
    """`/oauth2/exchange` and `/oauth2/token` as Azure documents them, and one list behind them."""

    def __init__(self) -> None:
        self.refresh = "refresh-1"
        self.valid = {"access-1"}
        self.exchanges = 0
        self.exchange_status = 200

    async def __call__(self, request: web.Request) -> web.Response:
        base = f"{request.scheme}://{request.host}"
        form = await request.post()
        if request.path == "/oauth2/exchange":
            self.exchanges += 1
            if self.exchange_status != 200 or form.get("access_token") != "entra.token":
                return web.json_response({"errors": [{"code": "UNAUTHORIZED"}]}, status=self.exchange_status)
            return web.json_response({"refresh_token": self.refresh})
        if request.path == "/oauth2/token":
            if form.get("refresh_token") != self.refresh:
                return web.json_response({"errors": [{"code": "UNAUTHORIZED"}]}, status=401)
            return web.json_response({"access_token": next(iter(self.valid))})
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.valid:
            asks = f'Bearer realm="{base}/oauth2/token",service="{request.host}",scope="repository:team/app:metadata_read"'
            return web.Response(status=401, headers={"WWW-Authenticate": asks})
        return web.json_response({"tags": ["v1"]})


def client_of(
    registry: ScriptedServer, entra: ScriptedServer, *, now: Callable[[], float] = time.monotonic, **auth: Any
) -> RegistryClient:
    given = {"type": "acr", "authority": entra.url, "identity_endpoint": entra.url, **auth}
    return RegistryClient(msgspec.convert({"host": registry.host, "kind": "acr", "auth": given}, RegistrySettings), monotonic=now)


async def test_an_application_s_token_is_exchanged_for_the_registry_s() -> None:
    """Entra, the exchange, the token service, and then the request; the second request needs none of them."""
    state = Registry()
    async with scripted_server(Entra()) as entra, scripted_server(state) as registry:
        async with client_of(registry, entra, tenant=TENANT, client_id=APP_ID, client_secret="env:APP_SECRET") as client:
            assert (await client.request("GET", "/v2/team/app/tags/list")).status == 200
            assert (await client.request("GET", "/v2/team/app/tags/list")).status == 200
        (asked,) = entra.asked
        assert (asked.method, asked.path) == ("POST", f"/{TENANT}/oauth2/v2.0/token")
        assert (asked.form["grant_type"], asked.form["client_id"], asked.form["client_secret"]) == (
            "client_credentials",
            APP_ID,
            "s3cret",
        )
        assert asked.form["scope"] == "https://containerregistry.azure.net/.default"
        exchanged: Asked = next(each for each in registry.asked if each.path == "/oauth2/exchange")
        assert exchanged.form == {
            "grant_type": "access_token",
            "service": registry.host,
            "tenant": TENANT,
            "access_token": "entra.token",
        }
        refreshed = next(each for each in registry.asked if each.path == "/oauth2/token")
        assert (refreshed.form["grant_type"], refreshed.form["refresh_token"]) == ("refresh_token", "refresh-1")
        assert registry.count("/oauth2/token") == 1


async def test_a_refresh_token_that_the_registry_forgot_is_replaced() -> None:
    """A registry that was restarted with new keys costs one exchange, not an error."""
    state, now = Registry(), [0.0]
    async with scripted_server(Entra()) as entra, scripted_server(state) as registry:
        async with client_of(registry, entra, now=lambda: now[0]) as client:
            await client.request("GET", "/v2/team/app/tags/list")
            now[0] = RENEW_SECONDS
            state.refresh, state.valid = "refresh-2", {"access-2"}
            assert (await client.request("GET", "/v2/team/app/tags/list")).status == 200
        assert state.exchanges == 2


async def test_the_machine_s_identity() -> None:
    """Asked for with the header that no forwarded request has, and with the id of the one meant."""
    async with scripted_server(Entra()) as entra:
        token = await entra_token(AcrAuth(identity_endpoint=entra.url, client_id=APP_ID), Proxies())
        assert token.reveal() == "entra.token"
        (asked,) = entra.asked
        assert (asked.path, asked.headers["metadata"]) == ("/metadata/identity/oauth2/token", "true")
        assert asked.query == {
            "api-version": "2018-02-01",
            "resource": "https://containerregistry.azure.net",
            "client_id": APP_ID,
        }


async def test_a_workload_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the webhook of AKS puts into the environment is enough; the file is read each time."""
    file = tmp_path / "token"
    file.write_text("kubernetes.token")
    async with scripted_server(Entra()) as entra:
        monkeypatch.setenv("AZURE_CLIENT_ID", APP_ID)
        monkeypatch.setenv("AZURE_TENANT_ID", TENANT)
        monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(file))
        monkeypatch.setenv("AZURE_AUTHORITY_HOST", f"{entra.url}/")
        await entra_token(AcrAuth(), Proxies())
        file.write_text("newer.token")
        await entra_token(AcrAuth(), Proxies())
        assert [asked.form["client_assertion"] for asked in entra.asked] == ["kubernetes.token", "newer.token"]
        assert entra.asked[0].path == f"/{TENANT}/oauth2/v2.0/token"


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (401, {"error": "invalid_client", "error_description": "secret s3cret"}, AuthenticationError, "invalid_client"),
        (200, {"access_token": 7}, AuthenticationError, "no token"),
        (400, {"error": "bad word: s3cret"}, AuthenticationError, "no token"),
        (429, {}, RegistryUnavailableError, "429"),
        (503, [], RegistryUnavailableError, "503"),
    ],
)
async def test_entra_says_no(status: int, body: Any, kind: type[Exception], said: str) -> None:
    """With its code for it, and nothing else of its answer."""
    double = Entra()
    double.status, double.body = status, body
    async with scripted_server(double) as entra:
        settings = AcrAuth(tenant=TENANT, client_id=APP_ID, client_secret="env:APP_SECRET", authority=entra.url)
        with pytest.raises(kind, match=said) as caught:
            await entra_token(settings, Proxies())
    assert "s3cret" not in str(caught.value)


Exchange = Callable[[str], Awaitable[bytes]]


def source(entra: ScriptedServer, answer: bytes | Exception, *, needed: bool = True) -> AcrSource:
    async def fetch(method: str, url: object, headers: object, form: object) -> bytes:
        if isinstance(answer, Exception):
            raise answer
        return answer

    settings = RegistrySettings(host="acme.azurecr.io")
    auth = AcrAuth(identity_endpoint=entra.url)
    return AcrSource(settings.base_url, auth, fetch, needed=needed, proxies=Proxies(), now=lambda: NOW)


def jwt(expires: Any) -> str:
    payload = base64.urlsafe_b64encode(json.dumps({"exp": expires}).encode()).decode().rstrip("=")
    return f"header.{payload}.signature"


@pytest.mark.parametrize(
    ("token", "lifetime"),
    [
        (jwt(NOW + 10_800), 10_800),
        (jwt(NOW - 5), 0),
        (jwt("x"), LIFETIME_SECONDS),
        ("opaque", LIFETIME_SECONDS),
        ("a.%%%.c", LIFETIME_SECONDS),
    ],
)
async def test_a_refresh_token_says_when_it_ends(token: str, lifetime: float) -> None:
    """By its claim; one that says nothing is asked for again after an hour."""
    async with scripted_server(Entra()) as entra:
        found = await source(entra, json.dumps({"refresh_token": token}).encode()).fetch()
    assert found is not None
    assert isinstance(found.identity_token, Secret)
    assert found.lifetime_seconds == lifetime


@pytest.mark.parametrize("answer", [b"{}", b"[]", b"<html>", b'{"refresh_token": ""}'])
async def test_an_exchange_that_gives_nothing(answer: bytes) -> None:
    """No identity comes of it, and nothing of the answer is quoted."""
    async with scripted_server(Entra()) as entra:
        with pytest.raises(AuthenticationError, match="for nothing"):
            await source(entra, answer).fetch()


async def test_a_machine_without_an_identity_asks_anonymously() -> None:
    """Unless Azure's identity is what the registry is to be asked with."""
    double = Entra()
    double.status, double.body = 400, {"error": "invalid_request", "error_description": "Identity not found"}
    async with scripted_server(double) as entra:
        assert await source(entra, b"", needed=False).fetch() is None
        with pytest.raises(AuthenticationError, match="no managed identity"):
            await source(entra, b"").fetch()


async def test_an_identity_that_the_registry_does_not_take() -> None:
    """That of another tenant may still pull what is public; an outage is an outage for both."""
    refused, down = AuthenticationError("answered 401"), RegistryUnavailableError("answered 503")
    async with scripted_server(Entra()) as entra:
        assert await source(entra, refused, needed=False).fetch() is None
        with pytest.raises(AuthenticationError, match="does not exchange"):
            await source(entra, refused).fetch()
        with pytest.raises(RegistryUnavailableError):
            await source(entra, down, needed=False).fetch()
