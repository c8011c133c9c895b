"""Our client against docker-registry 2.8.2 itself."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.doubles.docker_registry import PASSWORD, USERNAME, RunningRegistry
from watcher.model.digest import digest_of
from watcher.model.errors import AuthenticationError, NotFoundError, RegistryUnavailableError
from watcher.model.image import DOCKER_MANIFEST, OCI_MANIFEST, Descriptor, Index, Manifest
from watcher.model.reference import RepositoryName, Tag
from watcher.registry.client import RegistryClient
from watcher.registry.listing import DistributionListing
from watcher.registry.manifests import RegistryImages
from watcher.registry.pages import PageLimits
from watcher.registry.referrers import EMPTY_BLOB, RegistryReferrers, build_artifact, index_of, listed_descriptor, merge_entries
from watcher.registry.settings import AnonymousAuth, PasswordAuth, RegistrySettings
from watcher.registry.uploads import RegistryUploads
from watcher.testing.images import build_image, build_index, build_layer, push_image

APP = RepositoryName("team/app")
LAYER = build_layer({"app": os.urandom(2_000_000)})
IMAGE = build_image([LAYER], config={"User": "app"})


@pytest.fixture
async def client(docker_registry: RunningRegistry) -> AsyncIterator[RegistryClient]:
    async with RegistryClient(RegistrySettings(host=docker_registry.host, auth=AnonymousAuth())) as connected:
        yield connected


async def pour(images: RegistryImages, descriptor: Descriptor) -> bytes:
    reading, writing = os.pipe()

    def read() -> bytes:
        with os.fdopen(reading, "rb") as pipe:
            return pipe.read()

    async with asyncio.TaskGroup() as group:
        received = group.create_task(asyncio.to_thread(read), name="reader")
        try:
            await images.pour(descriptor, writing, timeout_seconds=30)
        finally:
            os.close(writing)
    return received.result()


async def test_push_and_pull_every_kind(client: RegistryClient) -> None:
    """OCI and Docker images and an index go in and come out by tag and digest, layers byte for byte."""
    uploads, images = RegistryUploads(client), RegistryImages(client, APP)
    docker = build_image([LAYER], docker=True)
    index = build_index([IMAGE, build_image([LAYER], platform="linux/arm64")])
    for tag, image in (("oci", IMAGE), ("docker", docker), ("multi", index)):
        await push_image(uploads, APP, image, Tag(tag))
        assert await images.head(Tag(tag)) == image.digest
        fetched = await images.manifest(Tag(tag))
        assert (fetched.digest, fetched.raw, fetched.media_type) == (image.digest, image.raw, image.media_type)
        assert await images.manifest(image.digest) == fetched
    manifest = (await images.manifest(Tag("oci"))).content
    assert isinstance(manifest, Manifest)
    assert await pour(images, manifest.layers[0]) == LAYER.raw
    assert digest_of(await images.blob(manifest.config, limit_bytes=10_000)) == manifest.config.digest
    listed = (await images.manifest(Tag("multi"))).content
    assert isinstance(listed, Index)
    assert [entry.media_type for entry in listed.manifests] == [OCI_MANIFEST, OCI_MANIFEST]
    assert (await images.manifest(Tag("docker"))).media_type == DOCKER_MANIFEST


async def test_what_is_not_there(client: RegistryClient) -> None:
    """Missing manifests, blobs and repositories are not found; `head` says None."""
    images = RegistryImages(client, APP)
    assert await images.head(Tag("none")) is None
    with pytest.raises(NotFoundError, match="MANIFEST_UNKNOWN"):
        await images.manifest(Tag("none"))
    with pytest.raises(NotFoundError, match="BLOB_UNKNOWN"):
        await pour_missing(images)


async def pour_missing(images: RegistryImages) -> None:
    reading, writing = os.pipe()
    try:
        missing = Descriptor(media_type="x", digest=digest_of(b"missing"), size=7)
        await images.pour(missing, writing, timeout_seconds=30)
    finally:
        os.close(writing)
        os.close(reading)


async def test_referrers_by_fallback_tag(client: RegistryClient) -> None:
    """This registry has no Referrers API: attached, listed by tag, replaced in place, deleted."""
    uploads, referrers = RegistryUploads(client), RegistryReferrers(client)
    await push_image(uploads, APP, IMAGE, Tag("v1"))
    await uploads.put_blob(APP, EMPTY_BLOB)
    subject = Descriptor(media_type=IMAGE.media_type, digest=IMAGE.digest, size=len(IMAGE.raw))
    ours = "application/vnd.registry-watcher.verdict.v1+json"
    foreign = build_artifact(subject, "application/vnd.other", (), {"who": "somebody"})
    first, second = (build_artifact(subject, ours, (), {"n": number}) for number in ("1", "2"))
    for raw in (foreign, first, second):
        digest = digest_of(raw)
        await uploads.put_manifest(APP, digest, raw, OCI_MANIFEST)
        assert not await referrers.listed(APP, IMAGE.digest, digest)
        seen = await referrers.read_fallback(APP, IMAGE.digest)
        replaced = {digest_of(first)} if raw is second else set()
        merged = index_of(merge_entries(seen.entries, [listed_descriptor(raw, digest)], replaced))
        await referrers.put_fallback(APP, IMAGE.digest, merged, seen=seen)
    listed = await referrers.list_referrers(APP, IMAGE.digest)
    assert [entry.digest for entry in listed] == [digest_of(foreign), digest_of(second)]
    assert [entry.digest for entry in await referrers.list_referrers(APP, IMAGE.digest, ours)] == [digest_of(second)]
    assert await uploads.delete_manifest(APP, digest_of(first))
    assert await RegistryImages(client, APP).head(digest_of(first)) is None


async def test_behind_a_password(
    start_docker_registry: Callable[..., RunningRegistry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """htpasswd: with the password everything works, layers included; without it nothing does."""
    registry = start_docker_registry(tmp_path / "registry", htpasswd=True)
    monkeypatch.setenv("REGISTRY_PASSWORD", PASSWORD)
    auth = PasswordAuth(username=USERNAME, password="env:REGISTRY_PASSWORD")
    layer = Descriptor(media_type="x", digest=LAYER.digest, size=len(LAYER.raw))
    async with RegistryClient(RegistrySettings(host=registry.host, auth=auth)) as client:
        await push_image(RegistryUploads(client), APP, IMAGE, Tag("v1"))
        assert await pour(RegistryImages(client, APP), layer) == LAYER.raw
    async with RegistryClient(RegistrySettings(host=registry.host, auth=auth)) as client:
        assert await pour(RegistryImages(client, APP), layer) == LAYER.raw
    async with RegistryClient(RegistrySettings(host=registry.host, auth=AnonymousAuth())) as client:
        with pytest.raises(AuthenticationError):
            await RegistryImages(client, APP).manifest(Tag("v1"))


async def test_a_registry_that_comes_back(docker_registry: RunningRegistry, client: RegistryClient) -> None:
    """Down it is unavailable, to be tried again; after a restart the same client goes on."""
    await push_image(RegistryUploads(client), APP, IMAGE, Tag("v1"))
    images = RegistryImages(client, APP)
    await asyncio.to_thread(docker_registry.stop)
    with pytest.raises(RegistryUnavailableError):
        await client.request("GET", "/v2/", attempts=1)
    await asyncio.to_thread(docker_registry.start)
    assert await images.head(Tag("v1")) == IMAGE.digest


async def test_what_there_is_page_by_page(client: RegistryClient) -> None:
    """The catalogue with its own links, and tags; what has been deleted is not there."""
    uploads, listing = RegistryUploads(client), DistributionListing(client, limits=PageLimits(size=2))
    names = [RepositoryName(name) for name in ("a", "b/c", "b/d", "e-f", "g")]
    for name in names:
        await push_image(uploads, name, IMAGE, Tag("v1"))
    for number in range(2, 6):
        await push_image(uploads, names[0], IMAGE, Tag(f"v{number}"))
    assert [name async for name in listing.repositories()] == names
    assert sorted([tag async for tag in listing.tags(names[0])]) == ["v1", "v2", "v3", "v4", "v5"]
    assert [tag async for tag in listing.tags(RepositoryName("none"))] == []
    await client.request("DELETE", f"/v2/{names[1]}/manifests/{IMAGE.digest}", accept=frozenset({202}))
    assert [tag async for tag in listing.tags(names[1])] == []
