"""Requests to a registry on loopback: authentication, retries, redirects, limits."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web
from yarl import URL

from tests.doubles.scripted_server import scripted_server
from watcher.model.errors import (
    AuthenticationError,
    ConfigurationError,
    NotFoundError,
    RegistryRefusedError,
    RegistryUnavailableError,
    ThrottledError,
    TooLargeError,
)
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.registry.client import ATTEMPTS, RegistryClient
from watcher.registry.manifests import RegistryImages
from watcher.registry.settings import RegistrySettings
from watcher.registry.uploads import RegistryUploads
from watcher.registry.wire import USER_AGENT
from watcher.testing.faults import Fault
from watcher.testing.images import build_image, build_layer, push_image, put_image
from watcher.testing.registry import MemoryRegistry, serve_registry
from watcher.testing.tokens import Access, Gate

pytestmark = pytest.mark.enable_socket

Connect = Callable[..., RegistryClient]
APP = RepositoryName("team/app")
IMAGE = build_image([build_layer({"app": b"hello"})])
AUTH = {"type": "basic", "username": "watcher", "password": "env:REGISTRY_PASSWORD"}


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_PASSWORD", "s3cret")


def log_in(docker_config: Path, registry: MemoryRegistry, **entry: str) -> None:
    docker_config.parent.mkdir()
    docker_config.write_text(json.dumps({"auths": {registry.host: entry}}))


async def test_ping_says_who_we_are(registry: MemoryRegistry, connect: Connect) -> None:
    """Every request carries our name and version, and no credentials unasked."""
    response = await connect(registry).request("GET", "/v2/")
    assert response.status == 200
    assert registry.seen[0].user_agent == USER_AGENT
    assert not registry.seen[0].authorized


@pytest.mark.parametrize("access", [Access.BASIC, Access.TOKEN])
async def test_push_and_pull_behind_authentication(access: Access, connect: Connect) -> None:
    """Basic and bearer registries take an image and give it back."""
    async with serve_registry(gate=Gate(access=access)) as registry:
        client = connect(registry, auth=AUTH)
        await push_image(RegistryUploads(client), APP, IMAGE, Tag("v1"))
        assert (await RegistryImages(client, APP).manifest(Tag("v1"))).digest == IMAGE.digest
        assert registry.gate.issued <= 2


async def test_anonymous_tokens(connect: Connect) -> None:
    """A public repository is read with a token that needs no password."""
    async with serve_registry(gate=Gate(access=Access.TOKEN)) as registry:
        await push_image(RegistryUploads(connect(registry, auth=AUTH)), APP, IMAGE, Tag("v1"))
        registry.gate.anonymous_pull = True
        assert await RegistryImages(connect(registry), APP).head(Tag("v1")) == IMAGE.digest
        with pytest.raises(AuthenticationError):
            await RegistryUploads(connect(registry)).put_blob(APP, b"new")


async def test_a_scope_that_was_too_small_is_widened_once(connect: Connect) -> None:
    """401 insufficient_scope leads to one token for both scopes and one repetition."""
    async with serve_registry(gate=Gate(access=Access.TOKEN)) as registry:
        client = connect(registry, auth=AUTH)
        pull = frozenset({"repository:team/app:pull"})
        started = await client.request("POST", "/v2/team/app/blobs/uploads/", scopes=pull, accept=frozenset({202}))
        assert started.status == 202
        assert [seen.method for seen in registry.seen] == ["POST", "GET", "POST"]
        await client.request("POST", "/v2/team/app/blobs/uploads/", scopes=pull, accept=frozenset({202}))
        assert registry.gate.issued == 1


async def test_a_revoked_token_is_replaced(connect: Connect) -> None:
    """A token that the registry no longer knows costs one more request, not an error."""
    async with serve_registry(gate=Gate(access=Access.TOKEN)) as registry:
        client = connect(registry, auth=AUTH)
        await push_image(RegistryUploads(client), APP, IMAGE, Tag("v1"))
        registry.gate.tokens.clear()
        assert await RegistryImages(client, APP).head(Tag("v1")) == IMAGE.digest


async def test_wrong_credentials_are_an_authentication_error(monkeypatch: pytest.MonkeyPatch, connect: Connect) -> None:
    """A wrong password is never retried and never shown."""
    monkeypatch.setenv("REGISTRY_PASSWORD", "wrong-password")
    for access in (Access.BASIC, Access.TOKEN):
        async with serve_registry(gate=Gate(access=access)) as registry:
            with pytest.raises(AuthenticationError) as caught:
                await connect(registry, auth=AUTH).request("GET", "/v2/")
            assert "wrong-password" not in str(caught.value)
            assert len(registry.seen) <= 3


async def test_credentials_from_the_docker_configuration(docker_config: Path, connect: Connect) -> None:
    """A registry that nobody configured is reached with what `docker login` left."""

    def log_in(host: str) -> None:
        docker_config.parent.mkdir()
        docker_config.write_text(json.dumps({"auths": {host: {"identitytoken": "refresh"}}}))

    gate = Gate(access=Access.TOKEN, refresh_token="refresh")
    async with serve_registry(gate=gate) as registry:
        log_in(registry.host)
        await RegistryUploads(connect(registry)).put_blob(APP, b"x")


@pytest.mark.parametrize(("leads_to", "opens"), [("/moved?{query}", True), ("http://localhost.example.com/moved?{query}", False)])
async def test_a_token_service_may_send_us_on(leads_to: str, opens: bool, connect: Connect) -> None:
    """To where our credentials may be seen, and they go along: an anonymous token in their place would hide what is there."""
    async with serve_registry(gate=Gate(access=Access.TOKEN)) as registry:

        async def service(request: web.Request) -> web.StreamResponse:
            if request.path == "/token":
                location = leads_to.format(query=request.query_string)
                return web.Response(status=307, headers={"Location": location})
            return await registry.gate.token(request)

        async with scripted_server(service) as server:
            registry.gate.realm = f"{server.url}/token"
            client = connect(registry, auth=AUTH)
            if opens:
                assert (await client.request("GET", "/v2/")).status == 200
                return
            with pytest.raises(AuthenticationError, match="a stranger"):
                await client.request("GET", "/v2/")
            assert server.count("/moved") == 0


async def test_a_token_service_elsewhere_gets_nothing(connect: Connect) -> None:
    """A challenge that names a stranger ends the request."""
    gate = Gate(access=Access.TOKEN, realm="https://evil.test/token")
    async with serve_registry(gate=gate) as registry:
        with pytest.raises(AuthenticationError, match=r"evil\.test"):
            await connect(registry, auth=AUTH).request("GET", "/v2/")


@pytest.mark.parametrize("status", [408, 500, 502, 503])
async def test_passing_refusals_are_retried(status: int, registry: MemoryRegistry, connect: Connect, waits: list[float]) -> None:
    """The next attempt succeeds after a growing wait."""
    registry.faults.add(Fault(status=status, times=2))
    await connect(registry).request("GET", "/v2/")
    assert len(registry.seen) == 3
    assert 0.2 <= waits[0] < 0.5 <= waits[1] < 1


async def test_too_fast_is_slowed_down(registry: MemoryRegistry, connect: Connect, waits: list[float]) -> None:
    """429 without a Retry-After: everybody waits a second, and the attempt waits with them."""
    registry.faults.add(Fault(status=429))
    await connect(registry).request("GET", "/v2/")
    assert len(registry.seen) == 2
    assert 1.0 <= sum(waits) < 1.2


async def test_retry_after_is_honoured(registry: MemoryRegistry, connect: Connect, waits: list[float]) -> None:
    """Up to a minute the call itself waits as long as it was told."""
    registry.faults.add(Fault(status=429, headers={"Retry-After": "17"}))
    await connect(registry).request("GET", "/v2/")
    assert waits == [0.0, pytest.approx(17.0, abs=0.5)]


async def test_a_long_retry_after_goes_back_to_the_queue(registry: MemoryRegistry, connect: Connect, waits: list[float]) -> None:
    """Beyond a minute nobody waits: the job is released with the time to come back."""
    registry.faults.add(Fault(status=429, headers={"Retry-After": "900"}))
    with pytest.raises(ThrottledError) as caught:
        await connect(registry).request("GET", "/v2/")
    assert (caught.value.retry_after_seconds, waits) == (300, [])


async def test_attempts_end(registry: MemoryRegistry, connect: Connect) -> None:
    """A registry that stays broken is given up, with its own words."""
    body = b'{"errors": [{"code": "UNKNOWN", "message": "disk on fire"}]}'
    registry.faults.add(Fault(status=500, times=99, body=body))
    with pytest.raises(RegistryUnavailableError, match="answered 500, UNKNOWN disk on fire"):
        await connect(registry).request("GET", "/v2/")
    assert len(registry.seen) == ATTEMPTS


async def test_a_registry_that_is_down(registry: MemoryRegistry, connect: Connect, unused_tcp_port: int) -> None:
    """Connection refused is unavailable, and says so."""
    registry.host = type(registry.host)(f"127.0.0.1:{unused_tcp_port}")
    with pytest.raises(RegistryUnavailableError, match=r"Connection refused|Connect call failed"):
        await connect(registry).request("GET", "/v2/")


async def test_silence_is_unavailable(registry: MemoryRegistry, connect: Connect) -> None:
    """An answer that does not come in time ends the attempt."""
    registry.faults.add(Fault(delay_seconds=5, times=9))
    with pytest.raises(RegistryUnavailableError, match="no answer within"):
        await connect(registry, timeout="50ms").request("GET", "/v2/", attempts=1)


async def test_a_cut_body_is_retried(registry: MemoryRegistry, connect: Connect) -> None:
    """Half a manifest is no manifest; the next attempt brings it whole."""
    client = connect(registry)
    await push_image(RegistryUploads(client), APP, IMAGE, Tag("v1"))
    registry.faults.add(Fault(method="GET", path=".*/manifests/.*", cut_after=10))
    assert (await RegistryImages(client, APP).manifest(Tag("v1"))).raw == IMAGE.raw


async def test_refusals_are_not_retried(registry: MemoryRegistry, connect: Connect) -> None:
    """404 and other 4xx are answers."""
    client = connect(registry)
    with pytest.raises(NotFoundError, match="NAME_UNKNOWN"):
        await client.request("GET", "/v2/none/manifests/v1")
    registry.faults.add(Fault(status=418))
    with pytest.raises(RegistryRefusedError, match="418"):
        await client.request("GET", "/v2/")
    assert [seen.path for seen in registry.seen] == ["/v2/none/manifests/v1", "/v2/", "/v2/"]  # the first to be known


async def test_bodies_are_bounded(registry: MemoryRegistry, connect: Connect) -> None:
    """Reading stops at the limit, with and without an announced length; an error's body is cut."""
    client = connect(registry)
    registry.faults.add(Fault(status=200, body=b"x" * 101, times=2))
    with pytest.raises(TooLargeError):
        await client.request("GET", "/v2/", limit_bytes=100)
    assert len((await client.request("GET", "/v2/", limit_bytes=101)).body) == 101
    registry.faults.add(Fault(status=404, body=b"x" * 1_000_000))
    with pytest.raises(NotFoundError):
        await client.request("GET", "/v2/")


async def test_metrics_hear_of_every_answer(registry: MemoryRegistry) -> None:
    """One call per answer, refusals included, by registry and status only."""
    heard: list[tuple[str, int]] = []
    registry.faults.add(Fault(status=418))
    settings = RegistrySettings(host=registry.host)
    async with RegistryClient(settings, on_response=lambda host, status: heard.append((host, status))) as client:
        await client.request("GET", "/v2/", accept=frozenset({418}))
        await client.request("GET", "/v2/")
    assert heard == [(registry.host, 418), (registry.host, 200)]


async def test_metrics_hear_of_every_silence(unused_tcp_port: int) -> None:
    """A request that nobody answered is counted too, as often as it was tried."""
    heard: list[int] = []

    async def sleep(_: float) -> None: ...

    settings = RegistrySettings(host=Host(f"127.0.0.1:{unused_tcp_port}"))
    async with RegistryClient(settings, on_response=lambda _, status: heard.append(status), sleep=sleep) as client:
        with pytest.raises(RegistryUnavailableError):
            await client.request("GET", "/v2/")
    assert heard == [0] * ATTEMPTS


async def test_redirects_carry_no_credentials_to_another_host(connect: Connect) -> None:
    """The blob store gets the request and never the password."""
    async with serve_registry() as store, serve_registry(gate=Gate(access=Access.BASIC)) as registry:
        client = connect(registry, auth=AUTH)
        await client.request("GET", "/v2/")
        registry.faults.add(Fault(status=307, headers={"Location": f"{store.url}/v2/?sig=a%2Bb"}))
        response = await client.request("GET", "/v2/team/app/blobs/x")
        assert response.url == URL(f"{store.url}/v2/?sig=a%2Bb", encoded=True)
        assert registry.seen[-1].authorized
        assert not store.seen[0].authorized


async def test_a_store_that_asks_for_credentials_gets_none(connect: Connect) -> None:
    """A 401 after a redirect is an error, not a challenge to answer."""
    async with serve_registry(gate=Gate(access=Access.BASIC)) as store, serve_registry() as registry:
        registry.faults.add(Fault(status=307, headers={"Location": f"{store.url}/v2/"}))
        with pytest.raises(AuthenticationError):
            await connect(registry, auth=AUTH).request("GET", "/v2/")
        assert [seen.authorized for seen in store.seen] == [False]


async def test_redirects_end(registry: MemoryRegistry, connect: Connect) -> None:
    """Five hops and no more, once; whatever was asked for may be there."""
    registry.faults.add(Fault(status=302, headers={"Location": "/v2/"}, times=99))
    with pytest.raises(RegistryUnavailableError, match="more than 5 redirects"):
        await connect(registry).request("GET", "/v2/")
    assert len(registry.seen) == 6


@pytest.mark.parametrize("status", [307, 308])
async def test_writes_are_sent_again_to_the_registry_itself(status: int, registry: MemoryRegistry, connect: Connect) -> None:
    """With method and body, where an answer says so; this one adds the slash of its session, that one moves the manifest."""
    registry.faults.add(Fault(method="POST", path=".*/uploads", status=status, headers={"Location": f"/v2/{APP}/blobs/uploads/"}))
    target = f"/v2/{APP}/manifests/v2"
    registry.faults.add(Fault(method="PUT", path=".*/manifests/v1", status=status, headers={"Location": target}))
    client = connect(registry)
    response = await client.request("POST", f"/v2/{APP}/blobs/uploads", data=b"", accept=frozenset({202}))
    assert response.headers["Location"]
    put_image(registry, APP, IMAGE)
    await RegistryUploads(client).put_manifest(APP, Tag("v1"), IMAGE.raw, IMAGE.media_type)
    assert await RegistryImages(client, APP).head(Tag("v2")) == IMAGE.digest


@pytest.mark.parametrize(("status", "location"), [(307, "http://localhost:9/elsewhere"), (302, "/elsewhere"), (303, "/elsewhere")])
async def test_writes_are_not_redirected(status: int, location: str, registry: MemoryRegistry, connect: Connect) -> None:
    """To another host, or as something else than they are, they go nowhere."""
    registry.faults.add(Fault(method="PUT", status=status, headers={"Location": location}))
    with pytest.raises(RegistryRefusedError, match="redirect"):
        await RegistryUploads(connect(registry)).put_manifest(APP, Tag("v1"), IMAGE.raw, IMAGE.media_type)


@pytest.mark.parametrize("status", [307, 308])
async def test_an_identity_token_is_posted_again(status: int, docker_config: Path, connect: Connect) -> None:
    """To the token service itself, where its answer says so; and to nobody else, nor as something else."""
    async with serve_registry(gate=Gate(access=Access.TOKEN, refresh_token="refresh")) as registry:
        put_image(registry, APP, IMAGE, "v1")
        log_in(docker_config, registry, identitytoken="refresh")
        registry.faults.add(Fault(method="POST", path="/token", status=status, headers={"Location": "/token?moved"}))
        assert await RegistryImages(connect(registry), APP).head(Tag("v1")) == IMAGE.digest
        for answer, location in ((status, "http://localhost:9/token"), (302, "/token"), (status, "https://registry.test/token")):
            registry.faults.clear()
            registry.faults.add(Fault(method="POST", path="/token", times=9, status=answer, headers={"Location": location}))
            with pytest.raises(AuthenticationError, match="no token"):
                await RegistryImages(connect(registry), APP).head(Tag("v1"))


async def test_unreadable_authorities_are_a_configuration_error(tmp_path: Path) -> None:
    """`ca_file` is read when the client is made, not at the first push."""
    for ca_file in (tmp_path / "missing.pem", tmp_path / "empty.pem"):
        if ca_file.name == "empty.pem":
            ca_file.write_text("nothing")
        with pytest.raises(ConfigurationError, match="ca_file"):
            RegistryClient(RegistrySettings(host="localhost:1", ca_file=str(ca_file)))


async def test_cookies_are_not_kept(connect: Connect) -> None:
    """What a registry sets is not sent back to it."""
    seen: list[str | None] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Cookie"))
        return web.json_response({}, headers={"Set-Cookie": "session=1"})

    app = web.Application()
    app.router.add_get("/v2/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with RegistryClient(RegistrySettings(host=f"127.0.0.1:{runner.addresses[0][1]}")) as client:
            await client.request("GET", "/v2/")
            await client.request("GET", "/v2/")
    finally:
        await runner.cleanup()
    assert seen == [None, None]
