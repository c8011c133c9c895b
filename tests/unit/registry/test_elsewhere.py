"""A registry that leads to another one, which knows nobody of us."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import msgspec
import pytest
from aiohttp import web
from yarl import URL

from tests.doubles.scripted_server import ScriptedServer, scripted_server
from watcher.model.errors import AuthenticationError
from watcher.model.image import Descriptor, Manifest
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.registry.challenges import parse_challenges
from watcher.registry.client import RegistryClient
from watcher.registry.elsewhere import MAX_ORIGINS, Elsewhere
from watcher.registry.manifests import RegistryImages
from watcher.registry.uploads import RegistryUploads
from watcher.testing.images import build_image, build_layer, push_image
from watcher.testing.registry import MemoryRegistry, serve_registry
from watcher.testing.tokens import Access, Gate

pytestmark = pytest.mark.enable_socket

Connect = Callable[..., RegistryClient]
Drain = Callable[..., Awaitable[bytes]]
SHOWN, HELD = RepositoryName("app"), RepositoryName("org/app")
IMAGE = build_image([build_layer({"app": b"hello"})])
AUTH = {"type": "basic", "username": "me", "password": "env:FACADE_PASSWORD"}


@asynccontextmanager
async def facade(registry: MemoryRegistry) -> AsyncIterator[ScriptedServer]:
    """Sends every request on, under another name, as a web server with one rule does."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": registry.url + request.path_qs.replace("/v2/app/", "/v2/org/app/")})

    async with scripted_server(answer) as server:
        yield server


async def test_what_it_gives_to_anybody_is_read(connect: Connect, drain: Drain, monkeypatch: pytest.MonkeyPatch) -> None:
    """Manifests, configurations and layers, by the token of a stranger; what the facade is shown it is not."""
    monkeypatch.setenv("FACADE_PASSWORD", "ours")
    async with serve_registry(gate=Gate(access=Access.TOKEN, anonymous_pull=True)) as registry, facade(registry) as server:
        monkeypatch.setenv("THEIRS", registry.gate.password)
        pushing = {"type": "basic", "username": registry.gate.username, "password": "env:THEIRS"}
        await push_image(RegistryUploads(connect(registry, auth=pushing)), HELD, IMAGE, Tag("v1"))
        issued = registry.gate.issued
        images = RegistryImages(connect(server, auth=AUTH), SHOWN)
        assert await images.head(Tag("v1")) == IMAGE.digest
        manifest = (await images.manifest(Tag("v1"))).content
        assert isinstance(manifest, Manifest)
        for layer in manifest.layers:
            assert await drain(images, layer) == IMAGE.blobs[layer.digest]
        assert registry.gate.issued == issued + 1


async def test_what_it_gives_to_nobody_stays_refused(connect: Connect, drain: Drain) -> None:
    """And its own words say who refused."""
    async with serve_registry(gate=Gate(access=Access.TOKEN)) as registry, facade(registry) as server:
        images = RegistryImages(connect(server), SHOWN)
        with pytest.raises(AuthenticationError, match=f"redirected to {registry.host}: answered 401"):
            await images.manifest(Tag("v1"))
        with pytest.raises(AuthenticationError, match=f"redirected to {registry.host}: answered 401"):
            await drain(images, Descriptor(media_type="", digest=IMAGE.digest, size=1))


async def test_a_registry_that_leads_everywhere() -> None:
    """So many of the places are remembered; each is asked for what it says, and shown nothing."""
    asked: list[URL] = []

    async def fetch(_method: str, url: URL, headers: Mapping[str, str], _form: object) -> bytes:
        asked.append(url)
        assert not headers
        return msgspec.json.encode({"token": f"t{len(asked)}"})

    elsewhere = Elsewhere(Host("facade.example.com"), fetch)
    places = [URL(f"https://r{number}.example.com/v2/app/manifests/v1") for number in range(MAX_ORIGINS + 1)]
    bearer = parse_challenges(['Bearer realm="https://tokens.example.net/",scope="repository:org/app:pull"'])
    for place in [*places, places[-1], places[0]]:
        assert await elsewhere.header(place, bearer)
    assert len(asked) == MAX_ORIGINS + 2
    assert {url.query["scope"] for url in asked} == {"repository:org/app:pull"}
    assert await elsewhere.header(places[0], parse_challenges(['Basic realm="r"'])) is None
