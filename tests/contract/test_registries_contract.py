"""What is true of whatever knows all registries: the clients of real ones, and registries in memory."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import pytest

from tests.doubles.registries import MemoryRegistries
from watcher.model.digest import Digest
from watcher.model.errors import NotFoundError, RegistryUnavailableError, RetryableError
from watcher.model.reference import Host, Reference, RepositoryName, Tag
from watcher.registry.access import RegistryClients
from watcher.registry.protocol import Registries
from watcher.registry.settings import AnonymousAuth, RegistrySettings
from watcher.testing.faults import Fault
from watcher.testing.images import build_image, build_layer, put_image
from watcher.testing.registry import serve_registry

pytestmark = pytest.mark.enable_socket

APP, TAG = RepositoryName("team/app"), Tag("v1")
IMAGE = build_image([build_layer({"a": "b"})])
NOWHERE = Digest("sha256:" + "0" * 64)
# Not configured, and answered by nobody: port 9 is for discarding.
ELSEWHERE = Host("127.0.0.1:9")


@dataclass(kw_only=True)
class Known:
    """`host` is configured and holds IMAGE as team/app:v1, until it is `down`."""

    registries: Registries
    host: Host
    down: Callable[[], None]

    def reference(self, tag: Tag | None = None, digest: Digest | None = None, host: Host | None = None) -> Reference:
        return Reference(registry=host or self.host, repository=APP, tag=tag, digest=digest)


@asynccontextmanager
async def _clients() -> AsyncIterator[Known]:
    async with serve_registry() as registry:
        put_image(registry, APP, IMAGE, TAG)
        async with RegistryClients.of([RegistrySettings(host=registry.host, auth=AnonymousAuth())]) as registries:
            # A registry that answers 429 says how long it wants to be left alone, so nobody waits here to try again.
            busy = Fault(status=429, headers={"Retry-After": "3600"}, times=1000)
            yield Known(registries=registries, host=registry.host, down=lambda: registry.faults.add(busy))


@asynccontextmanager
async def _memory() -> AsyncIterator[Known]:
    host = Host("registry.example.com")
    registries = MemoryRegistries(hosts=(host,))
    registries.held[host, APP].add(IMAGE, TAG)
    yield Known(registries=registries, host=host, down=lambda: setattr(registries, "trouble", RegistryUnavailableError("down")))


KINDS: Mapping[type, Callable[[], AbstractAsyncContextManager[Known]]] = {RegistryClients: _clients, MemoryRegistries: _memory}


@pytest.fixture(params=KINDS)
async def known(request: pytest.FixtureRequest) -> AsyncIterator[Known]:
    async with KINDS[request.param]() as opened:
        assert type(opened.registries) is request.param
        yield opened


async def test_a_reference_leads_to_a_digest_or_nowhere(known: Known) -> None:
    """By a tag, by a digest, and by the digest where both are there."""
    heads = [
        known.reference(TAG),
        known.reference(digest=IMAGE.digest),
        known.reference(Tag("moved"), IMAGE.digest),
        known.reference(Tag("none")),
        known.reference(TAG, NOWHERE),
        known.reference(),
    ]
    assert [await known.registries.head(each) for each in heads] == [*[IMAGE.digest] * 3, None, None, None]


async def test_a_registry_that_is_down_is_not_empty(known: Known) -> None:
    """Nobody takes its silence for an image that is gone."""
    known.down()
    with pytest.raises(RetryableError):
        await known.registries.head(known.reference(TAG))


async def test_an_image_makes_nobody_dial_a_host_of_its_choice(known: Known) -> None:
    """Only configured registries are fetched from; of those, what is not there is not found."""
    assert list(known.registries.hosts) == [known.host]
    fetched = await known.registries.fetch_configured(known.reference(TAG))
    assert fetched is not None
    assert (fetched.digest, fetched.raw) == (IMAGE.digest, IMAGE.raw)
    assert await known.registries.fetch_configured(known.reference(TAG, host=ELSEWHERE)) is None
    with pytest.raises(NotFoundError):
        await known.registries.fetch_configured(known.reference(Tag("none")))


async def test_what_a_registry_holds_is_reached_by_its_host(known: Known) -> None:
    """Its images and its names are the same ones."""
    assert [each async for each in known.registries.listing(known.host).repositories()] == [APP]
    assert [each async for each in known.registries.listing(known.host).tags(APP)] == [TAG]
    assert (await known.registries.images(known.host, APP).manifest(TAG)).digest == IMAGE.digest
