"""What is true of registries, whoever asks: over HTTP, and of the double that stands in for them."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from tests.doubles.registries import MemoryRegistries
from watcher.model.digest import Digest
from watcher.model.errors import AuthenticationError, NotFoundError
from watcher.model.reference import Host, Reference, RepositoryName, Tag
from watcher.registry.access import RegistryClients
from watcher.registry.protocol import Registries
from watcher.registry.settings import AnonymousAuth, RegistrySettings
from watcher.testing.faults import Fault
from watcher.testing.images import BuiltImage, build_image, build_layer, put_image
from watcher.testing.registry import serve_registry

pytestmark = pytest.mark.enable_socket

APP, WEB, V1, V2 = RepositoryName("team/app"), RepositoryName("team/web"), Tag("v1"), Tag("v2")
NOWHERE = Digest("sha256:" + "0" * 64)


def image(text: str) -> BuiltImage:
    return build_image([build_layer({"a": text})])


ONE, TWO = image("1"), image("2")


@dataclass(frozen=True, kw_only=True)
class Bench:
    """`host` is configured, `stranger` is not. `put` is told host, repository, image and tag; `refuse` makes `host` refuse us."""

    registries: Registries
    host: Host
    stranger: Host
    put: Callable[[Host, RepositoryName, BuiltImage, Tag | None], object]
    refuse: Callable[[], object]

    def reference(self, tag: Tag | None = V1, digest: Digest | None = None, *, repository: RepositoryName = APP) -> Reference:
        return Reference(registry=self.host, repository=repository, tag=tag, digest=digest)


@asynccontextmanager
async def _clients() -> AsyncIterator[Bench]:
    async with serve_registry() as registry, serve_registry() as stranger:
        served = {each.host: each for each in (registry, stranger)}
        async with RegistryClients.of([RegistrySettings(host=registry.host, auth=AnonymousAuth())]) as registries:
            yield Bench(
                registries=registries,
                host=registry.host,
                stranger=stranger.host,
                put=lambda host, repository, image, tag: put_image(served[host], repository, image, tag),
                refuse=lambda: registry.faults.add(Fault(status=403, times=1000)),
            )


@asynccontextmanager
async def _memory() -> AsyncIterator[Bench]:
    host = Host("registry.example.com")
    registries = MemoryRegistries(hosts=(host,))
    yield Bench(
        registries=registries,
        host=host,
        stranger=Host("stranger.example.com"),
        put=lambda host, repository, image, tag: registries.held[host, repository].add(image, tag),
        refuse=lambda: setattr(registries, "trouble", AuthenticationError("refused")),
    )


BENCHES: Mapping[str, Callable[[], AbstractAsyncContextManager[Bench]]] = {"clients": _clients, "memory": _memory}


@pytest.fixture(params=BENCHES)
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    async with BENCHES[request.param]() as opened:
        yield opened


async def test_a_reference_leads_to_a_digest(bench: Bench) -> None:
    """A tag to what it names; a digest to itself, whatever is said of the tag beside it."""
    bench.put(bench.host, APP, ONE, V1)
    bench.put(bench.host, APP, TWO, V2)
    assert await bench.registries.head(bench.reference(V1)) == ONE.digest
    assert await bench.registries.head(bench.reference(None, TWO.digest)) == TWO.digest
    assert await bench.registries.head(bench.reference(V1, TWO.digest)) == TWO.digest


async def test_a_tag_that_moved_leads_where_it_is_now(bench: Bench) -> None:
    """Nothing is remembered."""
    bench.put(bench.host, APP, ONE, V1)
    assert await bench.registries.head(bench.reference(V1)) == ONE.digest
    bench.put(bench.host, APP, TWO, V1)
    assert await bench.registries.head(bench.reference(V1)) == TWO.digest


async def test_what_is_not_there_leads_nowhere(bench: Bench) -> None:
    """No error: that there is no such image is an answer."""
    bench.put(bench.host, APP, ONE, V1)
    assert await bench.registries.head(bench.reference(V2)) is None
    assert await bench.registries.head(bench.reference(None, NOWHERE)) is None
    assert await bench.registries.head(bench.reference(V1, NOWHERE)) is None
    assert await bench.registries.head(bench.reference(V1, repository=WEB)) is None
    assert await bench.registries.head(bench.reference(None)) is None


async def test_images_are_where_they_were_put(bench: Bench) -> None:
    """In their repository, and in no other of the same registry."""
    bench.put(bench.host, APP, ONE, V1)
    images = bench.registries.images(bench.host)
    assert (await images.manifest(APP, V1)).raw == ONE.raw
    with pytest.raises(NotFoundError):
        await images.manifest(WEB, V1)


async def test_a_listing_has_what_was_put(bench: Bench) -> None:
    """Repositories and the tags of each; digests where the registry lists them."""
    bench.put(bench.host, APP, ONE, V1)
    bench.put(bench.host, APP, ONE, V2)
    bench.put(bench.host, WEB, TWO, None)
    listing = bench.registries.listing(bench.host)
    assert {each async for each in listing.repositories()} == {APP, WEB}
    assert {each async for each in listing.tags(APP)} == {V1, V2}
    assert [each async for each in listing.tags(RepositoryName("none"))] == []
    assert {each async for each in listing.digests(WEB)} == ({TWO.digest} if listing.lists_digests else set())


async def test_every_registry_is_its_own(bench: Bench) -> None:
    """One that is not configured is reached all the same, by whoever names it."""
    bench.put(bench.host, APP, ONE, V1)
    bench.put(bench.stranger, APP, TWO, V1)
    elsewhere = replace(bench.reference(V1), registry=bench.stranger)
    assert await bench.registries.head(elsewhere) == TWO.digest
    assert (await bench.registries.images(bench.stranger).manifest(APP, V1)).digest == TWO.digest
    assert await bench.registries.head(bench.reference(V1)) == ONE.digest


async def test_only_configured_registries_are_asked_for_what_an_image_names(bench: Bench) -> None:
    """An image must not make us dial a host of its choice."""
    bench.put(bench.host, APP, ONE, V1)
    bench.put(bench.stranger, APP, ONE, V1)
    assert set(bench.registries.hosts) == {bench.host}
    for reference in (bench.reference(V1), bench.reference(None, ONE.digest), bench.reference(V2, ONE.digest)):
        fetched = await bench.registries.fetch_configured(reference)
        assert fetched is not None
        assert fetched.raw == ONE.raw
        assert await bench.registries.fetch_configured(replace(reference, registry=bench.stranger)) is None
    with pytest.raises(NotFoundError):
        await bench.registries.fetch_configured(bench.reference(V2))


async def test_a_refusal_is_no_answer(bench: Bench) -> None:
    """That we may not look says nothing of what is there."""
    bench.put(bench.host, APP, ONE, V1)
    bench.refuse()
    with pytest.raises(AuthenticationError):
        await bench.registries.head(bench.reference(V1))
    with pytest.raises(AuthenticationError):
        await bench.registries.images(bench.host).manifest(APP, V1)
    with pytest.raises(AuthenticationError):
        await bench.registries.fetch_configured(bench.reference(V1))
    with pytest.raises(AuthenticationError):
        [each async for each in bench.registries.listing(bench.host).tags(APP)]
