"""Pull-through caches before a registry: asked for what a digest names, and never believed."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from watcher.model.digest import Digest, digest_of
from watcher.model.errors import AuthenticationError, NotFoundError, RegistryUnavailableError
from watcher.model.image import Descriptor
from watcher.model.reference import RepositoryName, Tag
from watcher.registry.access import RegistryClients
from watcher.registry.manifests import RegistryImages
from watcher.registry.settings import RegistrySettings
from watcher.testing.faults import Fault
from watcher.testing.images import build_image, build_layer, put_image
from watcher.testing.registry import MemoryRegistry, serve_registry
from watcher.testing.tokens import Access, Gate

pytestmark = pytest.mark.enable_socket

Drain = Callable[..., Awaitable[bytes]]
APP = RepositoryName("team/app")
OTHER = RepositoryName("team/other")
IMAGE = build_image([build_layer({"app": b"hello"})])
CONTENT = os.urandom(1_000_000)
BLOB = Descriptor(media_type="application/vnd.oci.image.layer.v1.tar+gzip", digest=digest_of(CONTENT), size=len(CONTENT))
SMALL = Descriptor(media_type="application/json", digest=digest_of(b"{}"), size=2)


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_PASSWORD", "s3cret")


async def at_once(_seconds: float) -> None:
    """Nothing is waited for between two attempts."""


def hold(registry: MemoryRegistry, repository: str = APP, content: bytes = CONTENT) -> None:
    put_image(registry, repository, IMAGE, "v1")
    registry.content.writable(repository).blobs[BLOB.digest] = content
    registry.content.writable(repository).blobs[SMALL.digest] = b"{}"


class Pair:
    """A registry and its mirror, which both have the image."""

    def __init__(self, registry: MemoryRegistry, mirror: MemoryRegistry, images: RegistryImages) -> None:
        self.registry, self.mirror, self.images = registry, mirror, images

    def asked(self) -> tuple[int, int]:
        """How many requests for content the registry and the mirror have had since they were last counted."""
        here, there = (sum(seen.path != "/v2/" for seen in each.seen) for each in (self.registry, self.mirror))
        self.registry.seen.clear()
        self.mirror.seen.clear()
        return here, there


@asynccontextmanager
async def a_pair(*, prefix: str = "", gate: Gate | None = None, **settings: Any) -> AsyncIterator[Pair]:
    async with serve_registry(gate=gate) as registry, serve_registry() as mirror:
        hold(registry)
        hold(mirror, f"{prefix}/{APP}" if prefix else APP)
        written = {"host": registry.host, "mirrors": [f"{mirror.host}/{prefix}" if prefix else mirror.host], **settings}
        async with RegistryClients.of([msgspec.convert(written, RegistrySettings)], sleep=at_once) as registries:
            yield Pair(registry, mirror, registries.images(registry.host, APP))


async def test_what_a_digest_names_comes_from_the_mirror(drain: Drain) -> None:
    """Manifests, configurations and layers; the registry is not asked, and the mirror is told whose they are."""
    async with a_pair() as pair:
        assert (await pair.images.manifest(IMAGE.digest)).raw == IMAGE.raw
        assert await pair.images.blob(SMALL, limit_bytes=100) == b"{}"
        assert await drain(pair.images, BLOB) == CONTENT
        assert all(seen.query == f"ns={pair.registry.host}" for seen in pair.mirror.seen)
        assert pair.asked() == (0, 3)


async def test_tags_are_asked_of_the_registry_itself() -> None:
    """A cache may be hours behind."""
    async with a_pair() as pair:
        assert (await pair.images.manifest(Tag("v1"))).digest == IMAGE.digest
        assert await pair.images.head(Tag("v1")) == IMAGE.digest
        assert await pair.images.head(IMAGE.digest) == IMAGE.digest
        assert pair.asked() == (3, 0)


async def test_a_prefix_goes_before_the_repository(drain: Drain) -> None:
    """As the proxy projects of Harbor and the remote repositories of others have it."""
    async with a_pair(prefix="proxy") as pair:
        assert (await pair.images.manifest(IMAGE.digest)).raw == IMAGE.raw
        assert await drain(pair.images, BLOB) == CONTENT
        assert {seen.path.startswith("/v2/proxy/team/app/") for seen in pair.mirror.seen} == {True}
        assert pair.asked() == (0, 2)


async def test_what_a_mirror_lacks_is_fetched_from_the_registry(drain: Drain) -> None:
    """404 is no failure: the next question goes to the mirror again."""
    async with a_pair() as pair:
        pair.mirror.faults.add(Fault(path="/v2/.+", status=404, times=2))
        assert (await pair.images.manifest(IMAGE.digest)).raw == IMAGE.raw
        assert await drain(pair.images, BLOB) == CONTENT
        assert pair.asked() == (2, 2)
        await pair.images.manifest(IMAGE.digest)
        assert pair.asked() == (0, 1)


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
async def test_a_mirror_that_fails_is_left_alone(status: int, drain: Drain) -> None:
    """The registry is asked at once, and alone for a minute."""
    async with a_pair() as pair:
        pair.mirror.faults.add(Fault(status=status, times=9))
        assert (await pair.images.manifest(IMAGE.digest)).raw == IMAGE.raw
        assert await drain(pair.images, BLOB) == CONTENT
        assert pair.asked() == (2, 1)


async def test_a_layer_that_a_mirror_cuts_goes_on_from_the_registry(drain: Drain) -> None:
    """What came is kept; the rest is asked for where it is known to be."""
    async with a_pair() as pair:
        pair.mirror.faults.add(Fault(path=".*/blobs/.*", cut_after=400_000))
        assert await drain(pair.images, BLOB) == CONTENT
        assert pair.registry.seen[0].range == "bytes=400000-"


async def test_a_mirror_that_lies_costs_an_attempt_and_no_verdict(drain: Drain) -> None:
    """Wrong bytes are its own trouble: the job tries again, without it."""
    async with a_pair() as pair:
        pair.mirror.faults.add(Fault(corrupt=True, times=9))
        assert (await pair.images.manifest(IMAGE.digest)).raw == IMAGE.raw
        assert pair.asked() == (1, 1)
    async with a_pair() as pair:
        pair.mirror.faults.add(Fault(path=".*/blobs/.*", corrupt=True, times=9))
        with pytest.raises(RegistryUnavailableError, match="from a mirror"):
            await drain(pair.images, BLOB)
        assert await drain(pair.images, BLOB) == CONTENT
        assert pair.asked() == (1, 1)


async def test_a_registry_that_is_out_is_not_missed_while_a_mirror_has_it(drain: Drain) -> None:
    """Its token service may be down as well."""
    async with a_pair(
        gate=Gate(access=Access.TOKEN), auth={"type": "basic", "username": "watcher", "password": "env:REGISTRY_PASSWORD"}
    ) as pair:
        await pair.images.head(Tag("v1"))
        pair.registry.faults.add(Fault(status=503, times=99))
        assert (await pair.images.manifest(IMAGE.digest)).raw == IMAGE.raw
        # For another repository another token is needed, and not to be had.
        hold(pair.mirror, OTHER)
        assert await drain(replace(pair.images, repository=OTHER), BLOB) == CONTENT
        pair.mirror.faults.add(Fault(path=".*/blobs/.*", status=404))
        with pytest.raises(RegistryUnavailableError):
            await drain(replace(pair.images, repository=OTHER), BLOB)


async def test_what_neither_has_is_not_there() -> None:
    """The registry has the last word."""
    async with a_pair() as pair:
        with pytest.raises(NotFoundError):
            await pair.images.manifest(Digest(f"sha256:{'0' * 64}"))
        assert pair.asked() == (1, 1)


async def test_a_mirror_does_not_see_the_registry_s_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a registry of its own: without credentials of its own it is asked without."""
    auth = {"type": "basic", "username": "watcher", "password": "env:REGISTRY_PASSWORD"}
    async with a_pair(gate=Gate(access=Access.BASIC), auth=auth) as pair:
        await pair.images.head(Tag("v1"))
        await pair.images.manifest(IMAGE.digest)
        assert pair.registry.seen[-1].authorized
        assert not any(seen.authorized for seen in pair.mirror.seen)
    async with serve_registry(gate=Gate(access=Access.BASIC)) as mirror, serve_registry() as registry:
        hold(registry)
        hold(mirror)
        documents = [
            {"host": registry.host, "mirrors": [mirror.host]},
            {"host": mirror.host, "auth": auth},
        ]
        async with RegistryClients.of([msgspec.convert(each, RegistrySettings) for each in documents], sleep=at_once) as registries:
            await registries.images(registry.host, APP).manifest(IMAGE.digest)
        assert (len(registry.seen), mirror.seen[-1].authorized) == (0, True)


async def test_wrong_credentials_of_the_registry_stay_its_trouble() -> None:
    """Where no mirror has it, the registry's refusal is what is told."""
    async with a_pair(gate=Gate(access=Access.BASIC)) as pair:
        pair.mirror.faults.add(Fault(status=404, times=9))
        with pytest.raises(AuthenticationError):
            await pair.images.manifest(IMAGE.digest)


async def test_a_mirror_whose_tokens_are_not_to_be_had_is_passed_over(drain: Drain) -> None:
    """Nor is one waited for that wants to be left alone for long."""
    async with serve_registry(gate=Gate(access=Access.TOKEN, anonymous_pull=True)) as mirror, serve_registry() as registry:
        for each in (mirror, registry):
            hold(each)
            hold(each, OTHER)
        settings = msgspec.convert({"host": registry.host, "mirrors": [mirror.host]}, RegistrySettings)
        async with RegistryClients.of([settings], sleep=at_once) as registries:
            images = registries.images(registry.host, APP)
            assert await drain(images, BLOB) == CONTENT
            assert not registry.seen
            mirror.faults.add(Fault(path="/token", status=503, times=9))
            assert await drain(replace(images, repository=OTHER), BLOB) == CONTENT
            assert len(registry.seen) == 1
    async with a_pair() as pair:
        pair.mirror.faults.add(Fault(status=429, headers={"Retry-After": "200"}, times=9))
        assert await drain(pair.images, BLOB) == CONTENT
        assert await drain(pair.images, BLOB) == CONTENT
        assert pair.asked() == (2, 1)
