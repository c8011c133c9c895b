"""Requests and blobs of a registry through a proxy, over real sockets."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from tests.doubles.certificates import Authority
from tests.doubles.checkups import Asked, look
from tests.doubles.proxy_server import proxy_server
from watcher.model.digest import digest_of
from watcher.model.errors import ConfigurationError, ForbiddenAddressError, RegistryUnavailableError
from watcher.model.image import Descriptor
from watcher.model.reference import RepositoryName
from watcher.registry.client import RegistryClient
from watcher.registry.manifests import RegistryImages
from watcher.registry.settings import RegistrySettings
from watcher.registry.uploads import RegistryUploads
from watcher.testing.faults import Fault
from watcher.testing.registry import MemoryRegistry, serve_registry
from watcher.testing.tokens import Access, Gate

pytestmark = pytest.mark.enable_socket

Connect = Callable[..., RegistryClient]
Drain = Callable[..., Awaitable[bytes]]
APP = RepositoryName("team/app")
CONTENT = os.urandom(300_000)
BLOB = Descriptor(media_type="application/vnd.oci.image.layer.v1.tar+gzip", digest=digest_of(CONTENT), size=len(CONTENT))
NAME = "registry.test:5000"  # which no name server has
AUTH = {"type": "basic", "username": "watcher", "password": "env:REGISTRY_PASSWORD"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"), hosts=["registry.test", "store.test"])


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REGISTRY_PASSWORD", "s3cret")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    # What aiohttp would take from here with its own way of reading the environment.
    (tmp_path / "netrc").write_text("machine registry.test login netrc password netrc\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


def port_of(registry: MemoryRegistry) -> int:
    return int(registry.host.rpartition(":")[2])


def hold(registry: MemoryRegistry) -> None:
    registry.content.writable(APP).blobs[BLOB.digest] = CONTENT


@pytest.mark.parametrize("tls", [False, True])
async def test_everything_goes_through(
    tls: bool, authority: Authority, connect: Connect, drain: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests, tokens, uploads and blobs of a name that only the proxy can find: in tunnels, or as whole URLs."""
    gate = Gate(access=Access.TOKEN)
    async with serve_registry(tls=authority.server_context() if tls else None, gate=gate) as registry:
        scheme = "https" if tls else "http"
        gate.realm = f"{scheme}://{NAME}/token"
        hold(registry)
        async with proxy_server({NAME: port_of(registry)}, password="pr0xy") as proxy:
            monkeypatch.setenv(f"{scheme}_proxy".upper(), proxy.url_with_password)
            client = connect(registry, host=NAME, scheme=scheme, auth=AUTH, **({"ca_file": str(authority.path)} if tls else {}))
            uploaded = await RegistryUploads(client).put_blob(APP, b"new")
            assert await drain(RegistryImages(client, APP), BLOB) == CONTENT
            assert registry.content.writable(APP).blobs[uploaded.digest] == b"new"
        assert len(registry.seen) >= 4
        if tls:
            assert set(proxy.asked) == {f"CONNECT {NAME}"}
            assert len(proxy.asked) >= 2
        else:
            assert f"GET http://{NAME}/v2/team/app/blobs/{BLOB.digest}" in proxy.asked
            assert len(proxy.asked) == len(registry.seen)


async def both(client: RegistryClient, drain: Drain) -> str:
    """What a request and a blob are refused with, together."""
    said = []
    with pytest.raises(RegistryUnavailableError) as caught:
        await client.request("GET", "/v2/", attempts=1)
    said.append(str(caught.value))
    with pytest.raises(RegistryUnavailableError) as caught:
        await drain(RegistryImages(client, APP), BLOB)
    said.append(str(caught.value))
    assert caught.value.reason == "registry-unavailable"
    return "\n".join(said)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(("answers", "given"), [(0, ""), (0, "wr0ng"), (502, "")])
async def test_what_the_proxy_refuses_is_not_the_registry_s_word(
    scheme: str, answers: int, given: str, registry: MemoryRegistry, connect: Connect, drain: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named with what it answered, and its password is not; to a tunnel whatever it answers, else 407."""
    async with proxy_server(password="" if answers else "pr0xy", answers=answers) as proxy:
        monkeypatch.setenv("REGISTRY_PROXY", f"http://u:{given}@127.0.0.1:{proxy.port}" if given else proxy.url)
        client = connect(registry, host=NAME, scheme=scheme, proxy="env:REGISTRY_PROXY")
        said = await both(client, drain)
        if scheme == "https" or not answers:  # else nobody could tell
            assert said.count(f"the proxy 127.0.0.1:{proxy.port} refuses") == 2
        assert said.count(str(answers or 407)) >= 2
        assert "wr0ng" not in said
        assert ("does not take this" in said) == bool(given)
    # Now it is down.
    assert (await both(client, drain)).count(f"the proxy 127.0.0.1:{proxy.port} cannot be reached: Connection refused") == 2


async def test_a_proxy_whose_name_nobody_knows(registry: MemoryRegistry, connect: Connect, drain: Drain) -> None:
    """It is the proxy that cannot be found, not the registry."""
    said = await both(connect(registry, host=NAME, proxy="http://proxy.invalid:3128"), drain)
    assert said.count("the proxy proxy.invalid:3128") == 2
    assert said.count("the name cannot be resolved") == 2


async def test_a_registry_s_own_proxy(
    registry: MemoryRegistry, connect: Connect, drain: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written for a registry it comes before the environment's, for this machine too; `none` goes past every one."""
    hold(registry)
    async with proxy_server() as proxy, proxy_server(answers=500) as other:
        monkeypatch.setenv("HTTP_PROXY", other.url)
        client = connect(registry, proxy=proxy.url)
        await client.request("GET", "/v2/")
        assert await drain(RegistryImages(client, APP), BLOB) == CONTENT
        assert len(proxy.asked) == 2
        for settings in ({"proxy": "none"}, {}):
            direct = connect(registry, **settings)
            await direct.request("GET", "/v2/")
            assert await drain(RegistryImages(direct, APP), BLOB) == CONTENT
        # A name of the same machine that is none of its own goes through the environment's.
        with pytest.raises(RegistryUnavailableError, match="answered 500"):
            await connect(registry, host=NAME).request("GET", "/v2/", attempts=1)
        assert len(proxy.asked) == 2
        assert len(other.asked) == 1


async def test_redirects_go_through_as_well(registry: MemoryRegistry, connect: Connect, drain: Drain) -> None:
    """A store's name is the proxy's to find; an address that the registry sends us to is still refused, by both ways."""
    hold(registry)
    async with proxy_server({NAME: port_of(registry), "store.test": port_of(registry)}) as proxy:
        client = connect(registry, host=NAME, proxy=proxy.url)
        path = f"/v2/{APP}/blobs/{BLOB.digest}"
        registry.faults.add(Fault(status=307, headers={"Location": f"http://store.test{path}?signed=a%2Fb"}))
        assert (await client.request("GET", path, limit_bytes=len(CONTENT))).body == CONTENT
        registry.faults.add(Fault(status=307, headers={"Location": f"http://store.test{path}?signed=a%2Fb"}))
        assert await drain(RegistryImages(client, APP), BLOB) == CONTENT
        assert proxy.asked.count(f"GET http://store.test{path}?signed=a%2Fb") == 2
        for address in ("169.254.169.254", "10.0.0.1", "127.0.0.1:1"):
            for ask in (lambda: client.request("GET", path), lambda: drain(RegistryImages(client, APP), BLOB)):
                registry.faults.add(Fault(status=307, headers={"Location": f"http://{address}/latest"}))
                with pytest.raises(ForbiddenAddressError):
                    await ask()
        assert not any("169.254" in asked or "10.0.0.1" in asked for asked in proxy.asked)


@pytest.mark.parametrize("proxy", ["http://u:s3cret@proxy.test", "socks5://proxy.test", "https://proxy.test", "http://", ""])
def test_what_is_no_proxy_is_said_when_the_configuration_is_read(proxy: str) -> None:
    """A password stands elsewhere; and the error does not repeat it."""
    with pytest.raises(msgspec.ValidationError, match="proxy: ") as caught:
        msgspec.convert({"host": NAME, "proxy": proxy}, RegistrySettings)
    assert "s3cret" not in str(caught.value)


def test_a_secret_that_is_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Said when the client is made, as of every secret, and so is a variable that names none."""
    monkeypatch.setenv("REGISTRY_PROXY", "socks5://u:s3cret@proxy.test")
    with pytest.raises(ConfigurationError, match=r"registry registry\.test:5000: proxy: SOCKS"):
        RegistryClient(RegistrySettings(host=NAME, proxy="env:REGISTRY_PROXY"))
    monkeypatch.setenv("HTTPS_PROXY", "socks5://u:s3cret@proxy.test")
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY: SOCKS"):
        RegistryClient(RegistrySettings(host=NAME))


async def test_an_address_of_ipv6(registry: MemoryRegistry, connect: Connect, drain: Drain, tmp_path: Path) -> None:
    """In brackets, with TLS, directly and in a tunnel."""
    hold(registry)
    authority = Authority(tmp_path, address="::1")
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", registry.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    for address in ("::1", "127.0.0.1"):  # the second is where the proxy finds it
        await web.TCPSite(runner, address, 0, ssl_context=authority.server_context()).start()
    host = f"[::1]:{runner.addresses[0][1]}"
    async with proxy_server({host: runner.addresses[1][1]}) as proxy:
        for through in ("none", proxy.url):
            client = connect(registry, host=host, scheme="https", ca_file=str(authority.path), proxy=through)
            await client.request("GET", "/v2/")
            assert await drain(RegistryImages(client, APP), BLOB) == CONTENT
        assert proxy.asked == [f"CONNECT {host}"] * 2
    await runner.cleanup()


@pytest.mark.parametrize("tls", [False, True])
async def test_a_checkup_goes_the_same_way(tls: bool, authority: Authority) -> None:
    """Its steps say that a proxy is in between: who resolves the name, and whose certificate it is; or what the proxy refuses."""
    scheme = "https" if tls else "http"
    context = authority.server_context() if tls else None
    async with serve_registry(tls=context) as registry, proxy_server({NAME: port_of(registry)}) as proxy:

        async def again(ca_file: str | None = str(authority.path)) -> Asked:
            return await look(NAME, scheme=scheme, proxy=proxy.url, ca_file=ca_file)

        asked = await again()
        assert asked.steps["dns"].detail == f"left to the proxy 127.0.0.1:{proxy.port} (127.0.0.1)"
        assert f" through the proxy 127.0.0.1:{proxy.port}" in asked.steps["connect"].detail
        assert asked.result("ping") == "ok"
        if tls:
            assert "issued by CN=authority" in (await again(ca_file=None)).steps["connect"].detail
        proxy.answers = 407
        asked = await again()
        refused = asked.steps["connect" if tls else "ping"]
        assert refused.result.value == "failed"
        assert f"the proxy 127.0.0.1:{proxy.port} refuses us: it wants a user and a password" in refused.detail
    asked = await again()
    assert f"the proxy 127.0.0.1:{proxy.port} cannot be reached: Connection refused" in asked.steps["connect"].detail
