"""Google's credentials: the unmodified library against loopback doubles of the metadata server and of the token service."""

import json
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from yarl import URL

from tests.doubles.scripted_server import ScriptedServer, scripted_server
from watcher.model.errors import AuthenticationError, ConfigurationError, RegistryUnavailableError
from watcher.model.reference import Host
from watcher.registry.credentials import Credentials
from watcher.registry.credentials_catalog import build_credentials
from watcher.registry.credentials_gcp import GcpSource
from watcher.registry.settings import GcpAuth, RegistrySettings

pytestmark = pytest.mark.enable_socket

HOST = Host("europe-docker.pkg.dev")
ACCOUNT = "/computeMetadata/v1/instance/service-accounts/default"


@pytest.fixture(autouse=True)
def no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever runs the tests may be logged in; that plays no part."""
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT", "GCE_METADATA_IP", "GCE_METADATA_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    # The library looks for its server once a process, and three times; here it is there or it is not.
    monkeypatch.setenv("GCE_METADATA_DETECT_RETRIES", "1")
    monkeypatch.setenv("GCE_METADATA_TIMEOUT", "1")


class Metadata:
    """The metadata server of a machine with a service account. Spec: Compute Engine "View and query VM metadata"."""

    def __init__(self) -> None:
        self.token_status = 200
        self.lifetime_seconds = 3599

    async def __call__(self, request: web.Request) -> web.Response:
        headers = {"Metadata-Flavor": "Google"}
        if request.path == f"{ACCOUNT}/token":
            body: Any = {"access_token": "ya29.secret", "expires_in": self.lifetime_seconds, "token_type": "Bearer"}
            return web.json_response(body if self.token_status == 200 else {}, status=self.token_status, headers=headers)
        if request.path == f"{ACCOUNT}/":
            body = {"email": "watcher@project.iam.gserviceaccount.com", "scopes": [], "aliases": ["default"]}
            return web.json_response(body, headers=headers)
        return web.Response(text="project", headers=headers)


@pytest.fixture
async def machine(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[ScriptedServer, Metadata]]:
    metadata = Metadata()
    async with scripted_server(metadata) as server:
        monkeypatch.setenv("GCE_METADATA_HOST", server.host)
        monkeypatch.setenv("GCE_METADATA_IP", server.host)
        # Read when the library was imported.
        monkeypatch.setattr("google.auth.compute_engine._metadata._GCE_METADATA_HOST", server.host, raising=False)
        yield server, metadata


def source(*, needed: bool = True, **settings: Any) -> GcpSource:
    return GcpSource(HOST, GcpAuth(**settings), needed=needed)


def shown(credentials: Credentials | None) -> tuple[str, str]:
    assert credentials is not None
    assert credentials.password is not None
    return credentials.username, credentials.password.reveal()


async def test_the_machine_s_identity(machine: tuple[ScriptedServer, Metadata]) -> None:
    """The token is the password of `oauth2accesstoken`, and good for as long as the server says."""
    server, _ = machine
    found = await source().fetch()
    assert shown(found) == ("oauth2accesstoken", "ya29.secret")
    assert found is not None
    assert found.lifetime_seconds == pytest.approx(3599, abs=30)
    (asked,) = [each for each in server.asked if each.path == f"{ACCOUNT}/token"]
    assert asked.headers["metadata-flavor"] == "Google"


async def test_a_machine_that_refuses_a_token(machine: tuple[ScriptedServer, Metadata]) -> None:
    """An error where Google's credentials are asked for by name; anonymous where they are only what the machine has."""
    machine[1].token_status = 403
    with pytest.raises((AuthenticationError, RegistryUnavailableError)):
        await source().fetch()
    machine[1].token_status = 404
    with pytest.raises((AuthenticationError, RegistryUnavailableError)) as caught:
        await source().fetch()
    assert "ya29" not in str(caught.value)


def workload_identity(tmp_path: Path, token_url: str) -> Path:
    """The file that `gcloud iam workload-identity-pools create-cred-config` writes."""
    (tmp_path / "subject").write_text("a.kubernetes.token")
    path = tmp_path / "credentials.json"
    document = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/cluster",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": token_url,
        "credential_source": {"file": str(tmp_path / "subject")},
    }
    path.write_text(json.dumps(document))
    return path


async def test_a_workload_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token of the cluster is exchanged for one of Google's. Spec: RFC 8693."""

    async def exchange(request: web.Request) -> web.Response:
        return web.json_response(
            {
                "access_token": "ya29.federated",
                "expires_in": 1800,
                "token_type": "Bearer",
                "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            }
        )

    async with scripted_server(exchange) as sts:
        path = workload_identity(tmp_path, f"{sts.url}/v1/token")
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
        found = await source().fetch()
        assert shown(found) == ("oauth2accesstoken", "ya29.federated")
        assert found is not None
        assert found.lifetime_seconds == pytest.approx(1800, abs=30)
        form = sts.asked[0].form
        assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:token-exchange"
        assert (form["subject_token"], form["scope"]) == (
            "a.kubernetes.token",
            "https://www.googleapis.com/auth/cloud-platform",
        )


async def test_a_refused_exchange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry is then asked anonymously, unless the identity is what it is to be asked with; nothing is quoted."""

    async def refuse(request: web.Request) -> web.Response:
        return web.json_response({"error": "invalid_grant", "error_description": "subject token a.kubernetes.token"}, status=400)

    async with scripted_server(refuse) as sts:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(workload_identity(tmp_path, f"{sts.url}/v1/token")))
        assert await source(needed=False).fetch() is None
        with pytest.raises(AuthenticationError) as caught:
            await source().fetch()
    assert "kubernetes" not in str(caught.value)


async def test_a_token_service_that_is_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int) -> None:
    """An outage, for whoever asks: what is private does not become public by it."""
    url = f"http://127.0.0.1:{unused_tcp_port}/v1/token"
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(workload_identity(tmp_path, url)))
    started = time.monotonic()
    with pytest.raises(RegistryUnavailableError):
        await source(needed=False).fetch()
    assert time.monotonic() - started < 8


async def test_credentials_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is named and missing is no identity."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing.json"))
    assert await source(needed=False).fetch() is None
    with pytest.raises(AuthenticationError, match="no Google credentials"):
        await source().fetch()


async def test_a_key_file_is_sent_as_it_is(tmp_path: Path) -> None:
    """As the password of `_json_key`, read anew each time."""
    path = tmp_path / "key.json"
    path.write_text('{"private_key": "x"}')
    keyed = source(key_file=str(path))
    assert shown(await keyed.fetch()) == ("_json_key", '{"private_key": "x"}')
    path.write_text('{"private_key": "y"}')
    assert shown(await keyed.fetch()) == ("_json_key", '{"private_key": "y"}')
    path.unlink()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        await keyed.fetch()


async def test_only_google_s_own_hosts_are_shown_the_machine_s_token(machine: tuple[ScriptedServer, Metadata]) -> None:
    """A `kind` that is written for another host is no reason to send a token there."""

    async def nothing(method: str, url: URL, headers: Mapping[str, str], form: Mapping[str, str] | None) -> bytes:
        raise AssertionError

    assert shown(await build_credentials(RegistrySettings(host=HOST), nothing).fetch())[0] == "oauth2accesstoken"
    assert await build_credentials(RegistrySettings(host="registry.example.com", kind="gar"), nothing).fetch() is None
