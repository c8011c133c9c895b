"""What is true of every way to ask a registry what it holds."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest
from aiohttp import web

from tests.doubles.image_sources import MemoryImages
from tests.doubles.registries import HeldListing, MemoryRegistries
from tests.doubles.scripted_server import scripted_server
from watcher.model.digest import Digest
from watcher.model.errors import RegistryUnavailableError
from watcher.model.image import OCI_MANIFEST
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.model.registry_kind import RegistryKind
from watcher.registry.client import RegistryClient
from watcher.registry.listing import DistributionListing
from watcher.registry.listing_acr import AcrListing
from watcher.registry.listing_catalog import LISTINGS, build_listing
from watcher.registry.listing_ecr import EcrListing
from watcher.registry.listing_gar import GarListing
from watcher.registry.listing_harbor import HarborListing
from watcher.registry.protocol import CatalogUnavailableError, Listing
from watcher.registry.settings import AnonymousAuth, EcrAuth, RegistrySettings

pytestmark = pytest.mark.enable_socket

T = TypeVar("T")
APP, WEB, NONE = RepositoryName("team/app"), RepositoryName("team/web"), RepositoryName("team/none")
ONE, TWO = Digest("sha256:" + "1" * 64), Digest("sha256:" + "2" * 64)
# By class: a kind of registry that is listed by it.
KINDS: Mapping[type, RegistryKind] = {
    DistributionListing: "distribution",
    AcrListing: "acr",
    EcrListing: "ecr",
    GarListing: "gar",
    HarborListing: "harbor",
}
# What each kind is asked, on one server: two repositories, one of them with a tag and two manifests, and things that are no names.
LISTS: Mapping[str, Any] = {
    "/v2/_catalog": {"repositories": [APP, WEB, "NO NAME", 7]},
    "/acr/v1/_catalog": {"repositories": [APP, WEB, "NO NAME", 7]},
    "/v2/team/app/tags/list": {"tags": ["v1", "no tag", None], "manifest": {ONE: {"tag": ["v1"]}, TWO: {}, "sha256:odd": {}}},
    "/acr/v1/team/app/_manifests": {"manifests": [{"digest": ONE, "tags": ["v1"]}, {"digest": TWO}, {"digest": "sha256:odd"}, {}]},
    "/api/v2.0/projects": [{"name": "team"}, {}],
    "/api/v2.0/projects/team/repositories": [{"name": APP}, {"name": WEB}, {"name": "NO NAME"}, 7],
    "/api/v2.0/projects/team/repositories/app/artifacts": [
        {"digest": ONE, "tags": [{"name": "v1"}]},
        {"digest": TWO, "tags": None},
        {},
    ],
}
CATALOGS = ("/v2/_catalog", "/acr/v1/_catalog", "/api/v2.0/projects")


@dataclass
class Shelves:
    """Answers with `LISTS`, or with `status`; `hidden` refuses to say which repositories there are."""

    status: int = 200
    hidden: bool = False

    async def __call__(self, request: web.Request) -> web.Response:
        if self.status != 200:
            return web.Response(status=self.status)
        if request.method == "POST":
            return await _amazon(request)
        if self.hidden and request.path in CATALOGS:
            return web.json_response({"errors": [{"code": "DENIED"}]}, status=403)
        if request.path not in LISTS:
            return web.json_response({"errors": [{"code": "NAME_UNKNOWN"}]}, status=404)
        return web.json_response(LISTS[request.path])


async def _amazon(request: web.Request) -> web.Response:
    """Amazon's own API, which has one path for everything."""
    asked = await request.json()
    if asked["repositoryName"] != APP:
        return web.json_response({"__type": "RepositoryNotFoundException"}, status=400)
    first = {"imageIds": [{"imageDigest": ONE, "imageTag": "v1"}, {"imageDigest": "sha256:odd"}, {}], "nextToken": "2"}
    return web.json_response({"imageIds": [{"imageDigest": TWO}]} if asked.get("nextToken") else first)


@dataclass(kw_only=True)
class Bench:
    """`hide` makes the registry say no longer which repositories it has, `down` makes it answer nothing any more."""

    listing: Listing
    hide: Callable[[], None]
    down: Callable[[], None]


def _served(kind: RegistryKind) -> Callable[[], AbstractAsyncContextManager[Bench]]:
    async def at_once(_seconds: float) -> None:
        return

    @asynccontextmanager
    async def opened() -> AsyncIterator[Bench]:
        shelves = Shelves()
        async with scripted_server(shelves) as server:
            settings = RegistrySettings(host=server.host, kind=kind, auth=AnonymousAuth())
            async with RegistryClient(settings, sleep=at_once) as client:
                yield Bench(
                    listing=_listing(client, server.url),
                    hide=lambda: setattr(shelves, "hidden", True),
                    down=lambda: setattr(shelves, "status", 503),
                )

    return opened


def _listing(client: RegistryClient, url: str) -> Listing:
    """Amazon's own API is on another host, which settings of its own name."""
    listing = build_listing(client)
    if isinstance(listing, EcrListing):
        return EcrListing(client, api=EcrAuth(region="eu-west-1", endpoint_url=url))
    return listing


@asynccontextmanager
async def _held() -> AsyncIterator[Bench]:
    host = Host("registry.example.com")
    registries = MemoryRegistries()
    registries.held[host, APP] = MemoryImages(tags={Tag("v1"): ONE}, media_types={ONE: OCI_MANIFEST, TWO: OCI_MANIFEST})
    registries.held[host, WEB] = MemoryImages()
    yield Bench(
        listing=registries.listing(host),
        hide=lambda: setattr(registries, "lists_repositories", False),
        down=lambda: setattr(registries, "trouble", RegistryUnavailableError("down")),
    )


# The class that is held to this suite, and what opens one.
OPENED: Mapping[type, Callable[[], AbstractAsyncContextManager[Bench]]] = {
    **{adapter: _served(kind) for adapter, kind in KINDS.items()},
    HeldListing: _held,
}


@pytest.fixture(params=OPENED)
async def bench(request: pytest.FixtureRequest, aws_identity: None) -> AsyncIterator[Bench]:
    async with OPENED[request.param]() as opened:
        assert type(opened.listing) is request.param
        yield opened


def test_everything_in_the_catalog_is_held_to_this_suite() -> None:
    """A listing that is not named here could list nothing, and a sweep would find the registry empty."""
    assert set(KINDS.values()) == {*LISTINGS, "distribution"}


async def everything(items: AsyncIterator[T]) -> set[T]:
    return {item async for item in items}


async def test_what_is_there_is_listed(bench: Bench) -> None:
    """Names that are names, and nothing else."""
    assert await everything(bench.listing.repositories()) == {APP, WEB}
    assert await everything(bench.listing.tags(APP)) == {"v1"}


async def test_digests_are_listed_by_those_who_say_so(bench: Bench) -> None:
    """Those that no tag leads to; the others list none at all."""
    assert await everything(bench.listing.digests(APP)) == ({TWO} if bench.listing.lists_digests else set())


async def test_a_repository_that_is_not_there_holds_nothing(bench: Bench) -> None:
    """It may have been deleted since it was listed."""
    assert await everything(bench.listing.tags(NONE)) == set()
    assert await everything(bench.listing.digests(NONE)) == set()


async def test_a_registry_that_hides_its_repositories_says_so(bench: Bench) -> None:
    """They have to be named; what is named is listed as before."""
    bench.hide()
    with pytest.raises(CatalogUnavailableError):
        await everything(bench.listing.repositories())
    assert await everything(bench.listing.tags(APP)) == {"v1"}


async def test_a_registry_that_is_down_holds_not_nothing(bench: Bench) -> None:
    """Nobody takes its silence for an empty list."""
    bench.down()
    lists: list[AsyncIterator[object]] = [bench.listing.repositories(), bench.listing.tags(APP)]
    if bench.listing.lists_digests:
        lists.append(bench.listing.digests(APP))
    for each in lists:
        with pytest.raises(RegistryUnavailableError):
            await everything(each)
