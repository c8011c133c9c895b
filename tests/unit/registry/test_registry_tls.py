"""TLS towards a registry: authorities of its own, and a certificate of ours, over real handshakes on loopback."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.doubles.certificates import Authority
from watcher.model.digest import digest_of
from watcher.model.errors import ConfigurationError, RegistryUnavailableError
from watcher.model.image import Descriptor
from watcher.model.reference import RepositoryName
from watcher.registry.client import RegistryClient
from watcher.registry.manifests import RegistryImages
from watcher.registry.settings import ClientCertificate, RegistrySettings
from watcher.testing.faults import Fault
from watcher.testing.registry import MemoryRegistry, serve_registry

pytestmark = pytest.mark.enable_socket

Connect = Callable[..., RegistryClient]
Drain = Callable[..., Awaitable[bytes]]
APP = RepositoryName("team/app")
CONTENT = os.urandom(300_000)
BLOB = Descriptor(media_type="application/vnd.oci.image.layer.v1.tar+gzip", digest=digest_of(CONTENT), size=len(CONTENT))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


def hold(registry: MemoryRegistry) -> None:
    registry.content.writable(APP).blobs[BLOB.digest] = CONTENT


async def test_a_private_authority(authority: Authority, connect: Connect, drain: Drain) -> None:
    """With `ca_file` it is trusted, by both ways of fetching; without it, by neither."""
    async with serve_registry(tls=authority.server_context()) as registry:
        hold(registry)
        client = connect(registry, ca_file=str(authority.path))
        await client.request("GET", "/v2/")
        assert await drain(RegistryImages(client, APP), BLOB) == CONTENT
        stranger = connect(registry)
        with pytest.raises(RegistryUnavailableError, match="not trusted"):
            await stranger.request("GET", "/v2/")
        with pytest.raises(RegistryUnavailableError, match="not trusted"):
            await drain(RegistryImages(stranger, APP), BLOB)


async def test_a_registry_that_asks_for_a_certificate(authority: Authority, connect: Connect, drain: Drain) -> None:
    """Both ways of fetching show it; without one, and with a stranger's, there is no connection."""
    cert, key = authority.issue("watcher")
    other_cert, other_key = Authority(authority.path.parent / "other", "other").issue("mallory")
    async with serve_registry(tls=authority.server_context(asks=True)) as registry:
        hold(registry)
        trusted = {"ca_file": str(authority.path)}
        client = connect(registry, **trusted, client_cert={"cert": str(cert), "key": str(key)})
        await client.request("GET", "/v2/")
        assert await drain(RegistryImages(client, APP), BLOB) == CONTENT
        for refused in (
            connect(registry, **trusted),
            connect(registry, **trusted, client_cert={"cert": str(other_cert), "key": str(other_key)}),
        ):
            with pytest.raises(RegistryUnavailableError):
                await refused.request("GET", "/v2/", attempts=1)
            with pytest.raises(RegistryUnavailableError):
                await drain(RegistryImages(refused, APP), BLOB)


async def test_the_certificate_is_for_the_registry_s_own_host(
    authority: Authority, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that it redirects to is not shown who we are."""
    cert, key = authority.issue("watcher")
    shown = {"cert": str(cert), "key": str(key)}
    async with serve_registry(tls=authority.server_context(asks=True)) as registry:
        client = connect(registry, ca_file=str(authority.path), client_cert=shown)
        await client.request("GET", "/v2/")
        elsewhere = client.base_url.with_host("localhost")
        registry.faults.add(Fault(status=307, headers={"Location": f"{elsewhere}/v2/"}))
        with pytest.raises(RegistryUnavailableError):
            await client.request("GET", "/v2/", attempts=1)
        assert client.wire.tls_of(client.base_url) is not client.wire.tls_of(elsewhere)


async def test_a_store_that_others_vouch_for(
    authority: Authority, connect: Connect, drain: Drain, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where a registry leads, the system's authorities count besides its own; at its own host they do not."""
    public = Authority(tmp_path, "public", hosts=["localhost"])
    monkeypatch.setenv("SSL_CERT_FILE", str(public.path))
    async with serve_registry(tls=authority.server_context()) as registry, serve_registry(tls=public.server_context()) as store:
        hold(store)
        path = f"/v2/{APP}/blobs/{BLOB.digest}"
        away = f"https://localhost:{store.host.rpartition(':')[2]}{path}"
        registry.faults.add(Fault(status=307, headers={"Location": away}, times=2))
        client = connect(registry, ca_file=str(authority.path))
        assert (await client.request("GET", path, limit_bytes=len(CONTENT))).body == CONTENT
        assert await drain(RegistryImages(client, APP), BLOB) == CONTENT
        pinned = connect(store, ca_file=str(authority.path))
        with pytest.raises(RegistryUnavailableError, match="nobody whom we trust has signed it; see ca_file"):
            await pinned.request("GET", "/v2/", attempts=1)


def test_certificates_that_are_none(authority: Authority, tmp_path: Path) -> None:
    """Said when the client is made: missing, not PEM, not belonging together."""
    cert, key = authority.issue("one")
    _, other_key = authority.issue("two")
    (tmp_path / "empty.pem").write_text("nothing")
    for given in (
        ClientCertificate(cert=str(cert), key=str(other_key)),
        ClientCertificate(cert=str(tmp_path / "missing.pem"), key=str(key)),
        ClientCertificate(cert=str(tmp_path / "empty.pem"), key=str(key)),
    ):
        with pytest.raises(ConfigurationError, match="client_cert"):
            RegistryClient(RegistrySettings(host="registry.example.com", client_cert=given))
    for name in ("missing.pem", "empty.pem"):
        with pytest.raises(ConfigurationError, match="ca_file"):
            RegistryClient(RegistrySettings(host="registry.example.com", ca_file=str(tmp_path / name)))
