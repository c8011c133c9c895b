"""Registries that hide from strangers instead of asking who they are."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from watcher.model.digest import Digest, digest_of
from watcher.model.errors import AuthenticationError, NotFoundError, RegistryUnavailableError
from watcher.model.image import Descriptor
from watcher.model.reference import RepositoryName, Tag
from watcher.registry.client import RegistryClient
from watcher.registry.credentials import RENEW_SECONDS
from watcher.registry.introduction import OPEN_SECONDS
from watcher.registry.listing import DistributionListing
from watcher.registry.manifests import RegistryImages
from watcher.registry.referrers import RegistryReferrers
from watcher.registry.settings import PasswordAuth, RegistrySettings
from watcher.registry.uploads import RegistryUploads
from watcher.testing.faults import Fault
from watcher.testing.images import build_image, build_layer, put_image
from watcher.testing.registry import MemoryRegistry, Switches, serve_registry
from watcher.testing.tokens import Access, Gate

pytestmark = pytest.mark.enable_socket

Connect = Callable[..., RegistryClient]
Drain = Callable[..., Awaitable[bytes]]
APP = RepositoryName("team/app")
LAYER = build_layer({"app": b"hello"})
IMAGE = build_image([LAYER])
AUTH = {"type": "basic", "username": "watcher", "password": "env:REGISTRY_PASSWORD"}
NOWHERE = Digest("sha256:" + "0" * 64)


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_PASSWORD", "s3cret")


def pings(registry: MemoryRegistry) -> int:
    return sum(seen.path == "/v2/" for seen in registry.seen)


def log_in(docker_config: Path, where: str) -> None:
    docker_config.parent.mkdir()
    docker_config.write_text(json.dumps({"auths": {where: {"auth": base64.b64encode(b"watcher:s3cret").decode()}}}))


async def head(client: RegistryClient) -> object:
    return await RegistryImages(client, APP).head(Tag("v1")) == IMAGE.digest


async def manifest(client: RegistryClient) -> object:
    return (await RegistryImages(client, APP).manifest(Tag("v1"))).raw == IMAGE.raw


async def blob(client: RegistryClient) -> object:
    descriptor = Descriptor(media_type="application/json", digest=digest_of(LAYER.raw), size=len(LAYER.raw))
    return await RegistryImages(client, APP).blob(descriptor, limit_bytes=1 << 20) == LAYER.raw


async def upload(client: RegistryClient) -> object:
    return await RegistryUploads(client).put_blob(APP, b"new")


async def put(client: RegistryClient) -> object:
    return await RegistryUploads(client).put_manifest(APP, Tag("v2"), IMAGE.raw, IMAGE.media_type)


async def delete(client: RegistryClient) -> object:
    return await RegistryUploads(client).delete_manifest(APP, IMAGE.digest)


async def referrers(client: RegistryClient) -> object:
    return await RegistryReferrers(client).listed(APP, IMAGE.digest, NOWHERE) is False


async def tags(client: RegistryClient) -> object:
    return [tag async for tag in DistributionListing(client).tags(APP)] == ["v1"]


@pytest.mark.parametrize("headers", [{}, {"Location": "/v2/"}])
async def test_a_front_page_that_leads_nowhere_asks_for_nothing(
    headers: dict[str, str], registry: MemoryRegistry, connect: Connect
) -> None:
    """What the registry says of the manifest stands, as where that page is a page."""
    registry.faults.add(Fault(path="/v2/", status=302, headers=headers, times=99))
    with pytest.raises(NotFoundError):
        await RegistryImages(connect(registry, auth=AUTH), APP).manifest(Tag("v1"))


@pytest.mark.parametrize("status", [401, 403, 404])
@pytest.mark.parametrize("access", [Access.BASIC, Access.TOKEN])
@pytest.mark.parametrize("ask", [head, manifest, blob, upload, put, delete, referrers, tags])
async def test_what_a_stranger_is_told_is_no_answer(
    ask: Callable[[RegistryClient], Awaitable[object]], access: Access, status: int, connect: Connect
) -> None:
    """With credentials, `/v2/` is asked how to be known, and what was asked is asked once more."""
    gate, switches = Gate(access=access, hides_as=status), Switches(referrers_api=True)
    async with serve_registry(gate=gate, switches=switches) as registry:
        put_image(registry, APP, IMAGE, "v1")
        assert await ask(connect(registry, auth=AUTH))
        assert pings(registry) == (1 if access is Access.TOKEN else 2)


@pytest.mark.parametrize("access", [Access.BASIC, Access.TOKEN])
async def test_a_layer_is_poured_all_the_same(access: Access, connect: Connect, drain: Drain) -> None:
    """The transfer becomes known as any other request does."""
    async with serve_registry(gate=Gate(access=access, hides_as=404)) as registry:
        put_image(registry, APP, IMAGE, "v1")
        layer = Descriptor(media_type="application/vnd.oci.image.layer.v1.tar", digest=digest_of(LAYER.raw), size=len(LAYER.raw))
        assert await drain(RegistryImages(connect(registry, auth=AUTH), APP), layer) == LAYER.raw


async def test_many_at_once_ping_once(connect: Connect) -> None:
    """What one has been told is told to all."""
    async with serve_registry(gate=Gate(access=Access.TOKEN, hides_as=404)) as registry:
        put_image(registry, APP, IMAGE, "v1")
        client = connect(registry, auth=AUTH)
        assert all(await asyncio.gather(*(head(client) for _ in range(10))))
        assert (pings(registry), registry.gate.issued) == (1, 1)


async def test_a_token_that_was_revoked_is_replaced(connect: Connect) -> None:
    """Where strangers are told 404, so is whoever shows a token that is over."""
    async with serve_registry(gate=Gate(access=Access.TOKEN, hides_as=404)) as registry:
        put_image(registry, APP, IMAGE, "v1")
        client = connect(registry, auth=AUTH)
        assert await head(client)
        registry.gate.tokens.clear()
        assert await head(client)


async def test_gone_is_said_to_somebody_who_may_look(connect: Connect) -> None:
    """A 404 to a request with good credentials is an answer."""
    async with serve_registry(gate=Gate(access=Access.TOKEN, hides_as=404)) as registry:
        put_image(registry, APP, IMAGE, "v1")
        with pytest.raises(NotFoundError):
            await RegistryImages(connect(registry, auth=AUTH), APP).manifest(NOWHERE)


async def test_who_cannot_become_known_is_told_nothing_about_the_image(monkeypatch: pytest.MonkeyPatch, connect: Connect) -> None:
    """Wrong credentials are an error of authentication, never an image that is gone."""
    monkeypatch.setenv("REGISTRY_PASSWORD", "wrong")
    for access in (Access.BASIC, Access.TOKEN):
        async with serve_registry(gate=Gate(access=access, hides_as=404)) as registry:
            put_image(registry, APP, IMAGE, "v1")
            with pytest.raises(AuthenticationError):
                await manifest(connect(registry, auth=AUTH))


async def test_a_ping_that_fails_is_no_answer_either(connect: Connect) -> None:
    """The registry is then unavailable, and nothing is said about the image."""
    async with serve_registry(gate=Gate(access=Access.TOKEN, hides_as=404)) as registry:
        put_image(registry, APP, IMAGE, "v1")
        registry.faults.add(Fault(path="/v2/", status=502, times=99))
        with pytest.raises(RegistryUnavailableError):
            await manifest(connect(registry, auth=AUTH))


async def test_an_open_registry_is_pinged_now_and_then(registry: MemoryRegistry) -> None:
    """Where `/v2/` asks nothing the answer stands, and the next ones do without another ping for a while."""
    now = [0.0]
    settings = RegistrySettings(host=registry.host, auth=PasswordAuth(username="watcher", password="env:REGISTRY_PASSWORD"))
    async with RegistryClient(settings, monotonic=lambda: now[0]) as client:
        for moment, expected in ((0.0, 1), (1.0, 1), (OPEN_SECONDS + 1, 2)):
            now[0] = moment
            assert await RegistryImages(client, APP).head(Tag("v1")) is None
            assert pings(registry) == expected


async def test_a_password_that_is_over_is_forbidden(registry: MemoryRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an old password is answered 403, what its source has by now is shown, once for all that is forbidden for a while."""
    now = [0.0]
    settings = RegistrySettings(host=registry.host, auth=PasswordAuth(username="watcher", password="env:REGISTRY_PASSWORD"))
    registry.gate.access = Access.BASIC
    put_image(registry, APP, IMAGE, "v1")
    async with RegistryClient(settings, monotonic=lambda: now[0]) as client:
        assert await manifest(client)
        monkeypatch.setenv("REGISTRY_PASSWORD", "new")
        registry.gate.password, now[0] = "new", RENEW_SECONDS
        registry.faults.add(Fault(path=".*/manifests/.*", status=403))
        assert await manifest(client)
        registry.faults.add(Fault(path=".*/manifests/.*", status=403))
        with pytest.raises(AuthenticationError):
            await manifest(client)


@pytest.mark.parametrize("status", [401, 403, 404])
@pytest.mark.parametrize("ask", [head, manifest, blob, tags])
async def test_what_anybody_may_see_is_seen(
    ask: Callable[[RegistryClient], Awaitable[object]], status: int, connect: Connect, drain: Drain
) -> None:
    """Without credentials too: by a token that everybody is given, though nothing but `/v2/` says where."""
    async with serve_registry(gate=Gate(access=Access.TOKEN, anonymous_pull=True, hides_as=status)) as registry:
        put_image(registry, APP, IMAGE, "v1")
        client = connect(registry)
        assert await ask(client)
        layer = Descriptor(media_type="application/vnd.oci.image.layer.v1.tar", digest=digest_of(LAYER.raw), size=len(LAYER.raw))
        assert await drain(RegistryImages(client, APP), layer) == LAYER.raw
        assert (pings(registry), registry.gate.issued) == (1, 1)


@pytest.mark.parametrize("access", [Access.OPEN, Access.BASIC])
async def test_who_has_nothing_to_show_stays_a_stranger(access: Access, connect: Connect) -> None:
    """Where no token is to be had what is answered stands, and `/v2/` is not asked each time."""
    async with serve_registry(gate=Gate(access=access, hides_as=404)) as registry:
        client = connect(registry)
        for _ in range(3):
            with pytest.raises(NotFoundError):
                await RegistryImages(client, APP).manifest(Tag("v1"))
        assert pings(registry) == 1


async def test_a_public_image_that_is_gone_is_not_pinged_for_each_time(connect: Connect) -> None:
    """`/v2/` is asked once in a while whether it is content with a token that everybody is given; one that is over is replaced."""
    now = [0.0]
    async with serve_registry(gate=Gate(access=Access.TOKEN, anonymous_pull=True, hides_as=404)) as registry:
        put_image(registry, APP, IMAGE, "v1")
        async with RegistryClient(RegistrySettings(host=registry.host), monotonic=lambda: now[0]) as client:
            assert await manifest(client)
            for _ in range(3):
                with pytest.raises(NotFoundError):
                    await RegistryImages(client, APP).manifest(NOWHERE)
            assert pings(registry) == 2
            now[0] += OPEN_SECONDS
            registry.gate.tokens.clear()
            assert await manifest(client)
            assert pings(registry) == 3


async def test_what_strangers_are_told_is_not_held_against_whoever_has_credentials(docker_config: Path, connect: Connect) -> None:
    """Where some repositories have credentials of their own, the others' answers stand for the others alone."""
    async with serve_registry(gate=Gate(access=Access.BASIC, hides_as=404)) as registry:
        put_image(registry, APP, IMAGE, "v1")
        log_in(docker_config, f"{registry.host}/{APP}")
        client = connect(registry)
        with pytest.raises(NotFoundError):
            await RegistryImages(client, RepositoryName("team/other")).manifest(Tag("v1"))
        assert await manifest(client)
