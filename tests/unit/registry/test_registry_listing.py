"""What there is in a registry: repositories, tags and digests, page by page."""

from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import msgspec
import pytest
from aiohttp import web

from tests.doubles.scripted_server import Answer, ScriptedServer, scripted_server
from watcher.model.errors import AuthenticationError, RegistryUnavailableError, ThrottledError, TooLargeError
from watcher.model.reference import RepositoryName
from watcher.registry.client import RegistryClient
from watcher.registry.listing import DistributionListing
from watcher.registry.listing_catalog import build_listing
from watcher.registry.pages import PageLimits
from watcher.registry.protocol import CatalogUnavailableError, Listing
from watcher.registry.settings import RegistrySettings
from watcher.testing.faults import Fault
from watcher.testing.images import build_image, build_layer, put_image
from watcher.testing.registry import MemoryRegistry, Switches, serve_registry
from watcher.testing.tokens import Access, Gate

pytestmark = pytest.mark.enable_socket

T = TypeVar("T")
Connect = Callable[..., RegistryClient]
APP = RepositoryName("team/app")
IMAGE = build_image([build_layer({"app": b"hello"})])
AUTH = {"type": "basic", "username": "watcher", "password": "env:REGISTRY_PASSWORD"}
ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_PASSWORD", "s3cret")


async def everything(items: AsyncIterator[T]) -> list[T]:
    return [item async for item in items]


def client_of(server: ScriptedServer, **settings: Any) -> RegistryClient:
    return RegistryClient(msgspec.convert({"host": server.host, **settings}, RegistrySettings))


def always(document: Any, **headers: str) -> Answer:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response(document, headers=headers)

    return answer


async def test_repositories_and_tags_come_page_by_page(connect: Connect) -> None:
    """Every page is followed; each name comes once."""
    async with serve_registry(switches=Switches(page_size=2)) as registry:
        for name in ("a", "b/c", "d", "e", "f"):
            for tag in ("v1", "v2", "v3"):
                put_image(registry, name, IMAGE, tag)
        listing = build_listing(connect(registry))
        assert await everything(listing.repositories()) == ["a", "b/c", "d", "e", "f"]
        assert await everything(listing.tags(RepositoryName("b/c"))) == ["v1", "v2", "v3"]
        assert registry.requests["GET _catalog"] == 3
        assert (listing.lists_digests, await everything(listing.digests(APP))) == (False, [])


@pytest.mark.parametrize("honours_last", [True, False])
async def test_a_full_page_without_a_link_is_asked_to_go_on(honours_last: bool) -> None:
    """Some registries know `last` and no link; one that knows neither gives the same page again, which is the end."""
    held = [f"v{number}" for number in range(7)]
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.query.get("last"))
        after = [name for name in held if not honours_last or name > request.query.get("last", "")]
        return web.json_response({"tags": after[: int(request.query["n"])]})

    async with scripted_server(answer) as server, client_of(server) as client:
        found = await everything(DistributionListing(client, limits=PageLimits(size=3)).tags(APP))
    assert {*found} == {*(held if honours_last else held[:3])}
    assert asked == ([None, "v2", "v5"] if honours_last else [None, "v2"])


async def test_a_repository_that_is_not_there_has_no_tags(registry: MemoryRegistry, connect: Connect) -> None:
    """404 is an empty list: it may have been deleted since the catalogue was read."""
    assert await everything(build_listing(connect(registry)).tags(APP)) == []


async def test_lists_behind_a_token_service(connect: Connect) -> None:
    """The catalogue's scope and the repository's are asked for."""
    async with serve_registry(gate=Gate(access=Access.TOKEN)) as registry:
        put_image(registry, APP, IMAGE, "v1")
        listing = build_listing(connect(registry, auth=AUTH))
        assert await everything(listing.repositories()) == [APP]
        assert await everything(listing.tags(APP)) == ["v1"]
        assert registry.gate.issued == 2


@pytest.mark.parametrize("status", [403, 404, 405])
async def test_a_registry_without_a_catalogue(status: int, registry: MemoryRegistry, connect: Connect) -> None:
    """Said once for all: the repositories have to be named."""
    registry.faults.add(Fault(path="/v2/_catalog", status=status))
    with pytest.raises(CatalogUnavailableError, match=str(status)) as caught:
        await everything(build_listing(connect(registry)).repositories())
    assert caught.value.reason == "no-catalog"


async def test_a_token_that_is_not_enough_is_no_catalogue(connect: Connect) -> None:
    """401 with a fresh token: the service gave one, and the registry does not take it for this."""
    gate = Gate(access=Access.TOKEN, anonymous_pull=True)
    async with serve_registry(gate=gate) as registry:
        with pytest.raises(CatalogUnavailableError):
            await everything(build_listing(connect(registry)).repositories())


async def test_a_wrong_password_is_no_missing_catalogue(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that nothing accepts are trouble that passes, not a property of the registry."""
    monkeypatch.setenv("REGISTRY_PASSWORD", "wrong")
    async with serve_registry(gate=Gate(access=Access.BASIC)) as registry:
        with pytest.raises(AuthenticationError):
            await everything(build_listing(connect(registry, auth=AUTH)).repositories())


@pytest.mark.parametrize("host", ["docker.io", "ghcr.io"])
async def test_registries_that_are_known_to_have_none_are_not_asked(host: str) -> None:
    """Docker Hub and GitHub list repositories for nobody."""
    async with RegistryClient(RegistrySettings(host=host)) as client:
        with pytest.raises(CatalogUnavailableError):
            await everything(build_listing(client).repositories())


async def test_trouble_in_the_middle_is_trouble(registry: MemoryRegistry, connect: Connect) -> None:
    """Half a list is not taken for the whole."""
    registry.faults.add(Fault(path="/v2/_catalog", status=429, headers={"Retry-After": "200"}))
    with pytest.raises(ThrottledError):
        await everything(build_listing(connect(registry)).repositories())


async def test_names_that_are_none_are_passed_over() -> None:
    """What is not of the specification's grammar cannot be asked for; the rest stands."""
    document = {"repositories": ["team/app", "UPPER", "../x", 7, None, "a" * 300], "tags": ["v1", "-x", 7, "a b", "x" * 129]}
    async with scripted_server(always(document)) as server, client_of(server) as client:
        assert await everything(build_listing(client).repositories()) == [APP]
        assert await everything(build_listing(client).tags(APP)) == ["v1"]


@pytest.mark.parametrize("document", [{"repositories": None, "tags": None}, {}])
async def test_nothing_is_an_empty_list(document: Any) -> None:
    """Some write null, some leave the key out."""
    async with scripted_server(always(document)) as server, client_of(server) as client:
        assert await everything(build_listing(client).repositories()) == []
        assert await everything(build_listing(client).tags(APP)) == []


async def test_a_list_that_leads_back_ends() -> None:
    """The same page twice is the last."""
    link = '</v2/team/app/tags/list?last=v1>; rel="next"'
    async with scripted_server(always({"tags": ["v1"]}, Link=link)) as server, client_of(server) as client:
        assert await everything(build_listing(client).tags(APP)) == ["v1", "v1"]
        assert len(server.asked) == 2


async def test_a_list_without_an_end_is_cut() -> None:
    """There is a last page, whatever the registry says."""

    async def endless(request: web.Request) -> web.Response:
        count = int(request.query.get("last", 0)) + 1
        return web.json_response({"tags": [f"v{count}"]}, headers={"Link": f'<?last={count}>; rel="next"'})

    async with scripted_server(endless) as server, client_of(server) as client:
        listing = DistributionListing(client, limits=PageLimits(pages=5))
        assert await everything(listing.tags(APP)) == ["v1", "v2", "v3", "v4", "v5"]


@pytest.mark.parametrize("base", ["http://internal.example.com:5000", "https://evil.test", "//evil.test", "http://x//evil.test"])
async def test_links_are_followed_on_the_registry_itself(base: str) -> None:
    """A proxy that writes its own idea of our host misleads nobody, and neither does a registry that names a stranger."""

    async def answer(request: web.Request) -> web.Response:
        if "last" in request.query:
            return web.json_response({"tags": ["v2"]})
        return web.json_response({"tags": ["v1"]}, headers={"Link": f'<{base}/v2/team/app/tags/list?last=v1>; rel="next"'})

    async with scripted_server(answer) as server, client_of(server) as client:
        assert await everything(build_listing(client).tags(APP)) == ["v1", "v2"]
        assert all(asked.headers["host"] == server.host for asked in server.asked)


async def test_a_page_size_that_is_refused_is_left_out() -> None:
    """Some registries answer 400 to more than they give."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=400) if "n" in request.query else web.json_response({"tags": ["v1"]})

    async with scripted_server(answer) as server, client_of(server) as client:
        assert await everything(build_listing(client).tags(APP)) == ["v1"]


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"tags": {}}', b"\xff", b"[" * 100_000])
async def test_what_is_no_list_is_said_so(body: bytes) -> None:
    """A proxy's page is no empty registry."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=body)

    async with scripted_server(answer) as server, client_of(server) as client:
        with pytest.raises(RegistryUnavailableError, match="not a list"):
            await everything(build_listing(client).tags(APP))


async def test_a_page_is_bounded() -> None:
    """Nobody makes us read without end."""
    async with scripted_server(always({"tags": ["v" * 100] * 100})) as server, client_of(server) as client:
        with pytest.raises(TooLargeError):
            await everything(DistributionListing(client, limits=PageLimits(page_bytes=1000)).tags(APP))


async def test_artifact_registry_lists_digests_with_its_tags() -> None:
    """`manifest` of the tag list has every digest, and says which no tag leads to."""
    document = {"child": [], "tags": ["v1"], "manifest": {ONE: {"tag": ["v1"]}, TWO: {"tag": []}, "sha256:odd": {}}}
    async with scripted_server(always(document)) as server, client_of(server, kind="gar") as client:
        listing = build_listing(client)
        assert listing.lists_digests
        assert await everything(listing.tags(APP)) == ["v1"]
        assert await everything(listing.digests(APP)) == [TWO]


async def acr(request: web.Request) -> web.Response:
    """Azure's API in its own form, two entries in pages of one."""
    lists: dict[str, tuple[str, list[Any]]] = {
        "/acr/v1/_catalog": ("repositories", ["team/app", "team/web"]),
        "/acr/v1/team/app/_manifests": ("manifests", [{"digest": ONE, "tags": ["v1"]}, {"digest": TWO}]),
    }
    if request.path not in lists:
        return web.json_response({"errors": [{"code": "NAME_UNKNOWN"}]}, status=404)
    key, entries = lists[request.path]
    if "last" in request.query:
        return web.json_response({key: entries[1:]})
    headers = {"Link": f'<{request.path}?last=x&n=1&orderby=>; rel="next"'}
    return web.json_response({key: entries[:1]}, headers=headers)


async def test_azure_has_an_api_of_its_own() -> None:
    """Catalogue and manifests are read there."""
    async with scripted_server(acr) as server, client_of(server, kind="acr") as client:
        listing = build_listing(client)
        assert listing.lists_digests
        assert await everything(listing.repositories()) == ["team/app", "team/web"]
        assert await everything(listing.digests(APP)) == [TWO]
        assert await everything(listing.digests(RepositoryName("none"))) == []


class Harbor:
    """Two projects, of which one may be seen but not into."""

    status = 200

    async def __call__(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != "Basic d2F0Y2hlcjpzM2NyZXQ=":
            return web.json_response({"errors": [{"code": "UNAUTHORIZED"}]}, status=401)
        path = request.raw_path.partition("?")[0]
        if path == "/api/v2.0/projects":
            if self.status != 200:
                return web.json_response({"errors": [{"code": "FORBIDDEN"}]}, status=self.status)
            page = int(request.query.get("page", 1))
            headers = {"Link": '</api/v2.0/projects?page=2&page_size=100>; rel="next"'} if page == 1 else {}
            return web.json_response([{"name": "team"}, {}] if page == 1 else [{"name": "closed"}, 7], headers=headers)
        if path == "/api/v2.0/projects/team/repositories":
            return web.json_response([{"name": "team/app"}, {"name": "team/tools/lint"}])
        if path == "/api/v2.0/projects/team/repositories/tools%252Flint/artifacts":
            return web.json_response([{"digest": ONE, "tags": [{"name": "v1"}]}, {"digest": TWO, "tags": None}])
        return web.json_response({"errors": [{"code": "FORBIDDEN"}]}, status=403 if "closed" in path else 404)


async def test_harbor_lists_projects_repositories_and_artefacts() -> None:
    """By its own API, with the password, and with a repository's slashes encoded twice."""
    async with scripted_server(Harbor()) as server, client_of(server, kind="harbor", auth=AUTH) as client:
        listing = build_listing(client)
        assert listing.lists_digests
        found = []
        with pytest.raises(CatalogUnavailableError, match="of closed for us"):
            async for name in listing.repositories():
                found.append(name)
        assert found == ["team/app", "team/tools/lint"]
        assert await everything(listing.digests(RepositoryName("team/tools/lint"))) == [TWO]
        with pytest.raises(AuthenticationError):
            await everything(listing.digests(RepositoryName("closed/app")))
        assert await everything(listing.digests(RepositoryName("team/none"))) == []


async def test_a_robot_that_may_not_list_projects() -> None:
    """403 with a password that is right: the repositories have to be named."""
    harbor = Harbor()
    harbor.status = 403
    async with scripted_server(harbor) as server, client_of(server, kind="harbor", auth=AUTH) as client:
        with pytest.raises(CatalogUnavailableError):
            await everything(build_listing(client).repositories())


async def test_harbor_refuses_a_wrong_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """401 is trouble with the credentials, and not the end of listing."""
    monkeypatch.setenv("REGISTRY_PASSWORD", "wrong")
    async with scripted_server(Harbor()) as server, client_of(server, kind="harbor", auth=AUTH) as client:
        with pytest.raises(AuthenticationError):
            await everything(build_listing(client).repositories())


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"host": "europe-docker.pkg.dev"}, "GarListing"),
        ({"host": "gcr.io"}, "GarListing"),
        ({"host": "acme.azurecr.io"}, "AcrListing"),
        ({"host": "registry.example.com", "kind": "harbor"}, "HarborListing"),
        ({"host": "registry.example.com"}, "DistributionListing"),
        ({"host": "123456789012.dkr.ecr.eu-west-1.amazonaws.com"}, "EcrListing"),
    ],
)
async def test_the_kind_decides(settings: dict[str, Any], kind: str) -> None:
    """What is configured, else what is known of the host."""
    async with RegistryClient(msgspec.convert(settings, RegistrySettings)) as client:
        listing: Listing = build_listing(client)
        assert type(listing).__name__ == kind
