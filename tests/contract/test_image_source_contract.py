"""What is true of every place that holds images: a registry, files, and the double that stands in for both."""

import asyncio
import json
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from rich.progress import Progress

from tests.doubles.image_files import docker_save, layout, write_folder, write_tar
from tests.doubles.image_sources import MemoryImages
from tests.doubles.registries import HeldImages, MemoryRegistries
from watcher.cli.scan_progress import Bar, Watched
from watcher.model.digest import Digest, digest_of
from watcher.model.errors import DigestMismatchError, NotFoundError, PermanentError, TimedOutError, TooLargeError
from watcher.model.image import MAX_CONFIG_BYTES, Descriptor, Manifest
from watcher.model.image_json import parse_manifest
from watcher.model.reference import Host, RepositoryName, Tag, parse_repository
from watcher.pipeline.index_budget import Budgeted
from watcher.pipeline.patience import HeardOnceError, Patient
from watcher.registry.access import RegistryClients
from watcher.registry.layouts import LocalImage, LocalImages, LocalKind, open_local
from watcher.registry.manifests import RegistryImages
from watcher.registry.protocol import ImageSource
from watcher.registry.settings import AnonymousAuth, RegistrySettings
from watcher.testing.images import BuiltImage, build_image, build_layer, put_image
from watcher.testing.registry import serve_registry

pytestmark = pytest.mark.enable_socket

HOST, APP, TAG = Host("registry.example.com"), RepositoryName("team/app"), Tag("v1")
NOWHERE = Digest("sha256:" + "0" * 64)
# Not compressed, since only plain layers have one digest in a registry and in a docker archive; and more than a pipe holds.
LAYER = build_layer({"app": os.urandom(3 * 1024 * 1024)}, compression="none")
IMAGE = build_image([build_layer({"etc/motd": "hello"}, compression="none"), LAYER])


@asynccontextmanager
async def _registry(image: BuiltImage, folder: Path) -> AsyncIterator[ImageSource]:
    del folder
    async with serve_registry() as registry:
        put_image(registry, APP, IMAGE, TAG)
        registry.content.existing(APP).blobs.update(image.blobs)
        async with RegistryClients.of([RegistrySettings(host=registry.host, auth=AnonymousAuth())]) as registries:
            yield registries.images(registry.host, APP)


@asynccontextmanager
async def _memory(image: BuiltImage, folder: Path) -> AsyncIterator[ImageSource]:
    del folder
    images = MemoryImages()
    images.add(IMAGE, TAG)
    images.lies.update({digest: raw for digest, raw in image.blobs.items() if digest_of(raw) != digest})
    yield images


@asynccontextmanager
async def _one_of_many(image: BuiltImage, folder: Path) -> AsyncIterator[ImageSource]:
    async with _memory(image, folder) as images:
        assert isinstance(images, MemoryImages)
        registries = MemoryRegistries(held={(HOST, APP): images})
        yield registries.images(HOST, APP)


@asynccontextmanager
async def _budgeted(image: BuiltImage, folder: Path) -> AsyncIterator[ImageSource]:
    async with _memory(image, folder) as images:
        yield Budgeted(source=images, seconds=3600.0)


@asynccontextmanager
async def _patient(image: BuiltImage, folder: Path) -> AsyncIterator[ImageSource]:
    async with _memory(image, folder) as images:
        yield Patient(source=images)


@asynccontextmanager
async def _watched(image: BuiltImage, folder: Path) -> AsyncIterator[ImageSource]:
    progress = Progress(disable=True)
    async with _memory(image, folder) as images:
        yield Watched(source=images, bar=Bar(progress=progress, task=progress.add_task("app"), read=set()))


@contextmanager
def _answered(kind: type[PermanentError]) -> Iterator[None]:
    """At a look that is not the last such an error is what it may come to."""
    with pytest.raises((kind, HeardOnceError)) as raised:
        yield
    assert isinstance(raised.value.error if isinstance(raised.value, HeardOnceError) else raised.value, kind)


def _local(kind: LocalKind) -> Callable[[BuiltImage, Path], AbstractAsyncContextManager[ImageSource]]:
    @asynccontextmanager
    async def opened(image: BuiltImage, folder: Path) -> AsyncIterator[ImageSource]:
        path = folder / "image"
        if kind == "oci":
            write_folder(path, layout({TAG: image}))
        else:
            write_tar(path, layout({TAG: image}) if kind == "oci-archive" else docker_save(image, "team/app:v1"))
        yield await open_local(LocalImage(kind=kind, path=path))

    return opened


# By name: the class that is held to this suite, and what opens one that holds an image, damaged or not.
PLACES: Mapping[str, tuple[type, Callable[[BuiltImage, Path], AbstractAsyncContextManager[ImageSource]]]] = {
    "registry": (RegistryImages, _registry),
    "oci": (LocalImages, _local("oci")),
    "oci-archive": (LocalImages, _local("oci-archive")),
    "docker-archive": (LocalImages, _local("docker-archive")),
    "memory": (MemoryImages, _memory),
    "registry in memory": (HeldImages, _one_of_many),
    "within an index": (Budgeted, _budgeted),
    "to be looked at again": (Patient, _patient),
    "while somebody watches": (Watched, _watched),
}


@pytest.fixture(params=PLACES)
async def source(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ImageSource]:
    adapter, opened = PLACES[request.param]
    async with opened(IMAGE, tmp_path) as opening:
        assert type(opening) is adapter
        yield opening


@pytest.fixture(params=PLACES)
async def damaged(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ImageSource]:
    """One whose last layer has other bytes than its digest says, as many as before."""
    wrong = bytes(len(LAYER.raw))
    async with PLACES[request.param][1](replace(IMAGE, blobs={**IMAGE.blobs, LAYER.digest: wrong}), tmp_path) as opening:
        yield opening


async def last_layer(source: ImageSource) -> Descriptor:
    content = (await source.manifest(TAG)).content
    assert isinstance(content, Manifest)
    return content.layers[-1]


async def poured(source: ImageSource, descriptor: Descriptor) -> bytes:
    read, write = os.pipe()
    with os.fdopen(read, "rb") as reader:
        reading = asyncio.create_task(asyncio.to_thread(reader.read), name="reader")
        try:
            await source.pour(descriptor, write, timeout_seconds=60)
        finally:
            os.close(write)
            content = await reading
    return content


async def test_a_tag_leads_to_a_manifest_and_its_digest_to_the_same(source: ImageSource) -> None:
    """Its bytes hash to its digest, and its content is what they say."""
    named = await source.manifest(TAG)
    assert digest_of(named.raw) == named.digest
    assert named.content == parse_manifest(named.raw, named.media_type)
    assert isinstance(named.content, Manifest)
    assert [layer.digest for layer in named.content.layers] == [*IMAGE.blobs][1:]
    assert await source.manifest(named.digest) == named


async def test_nothing_is_attached_where_nothing_was_attached(source: ImageSource) -> None:
    """Neither to an image nor to what is not there."""
    assert [*await source.referrers(IMAGE.digest), *await source.referrers(NOWHERE)] == []


async def test_every_place_has_the_name_of_a_repository(source: ImageSource) -> None:
    """By which policies know what lies in it, in files too."""
    assert parse_repository(source.repository) == source.repository


async def test_what_is_not_there_is_not_found(source: ImageSource) -> None:
    """Whatever is asked for: nobody takes an empty answer for an image."""
    with _answered(NotFoundError):
        await source.manifest(NOWHERE)
    gone = Descriptor(media_type="", digest=NOWHERE, size=3)
    with _answered(NotFoundError):
        await source.blob(gone, limit_bytes=10)
    with _answered(NotFoundError):
        await poured(source, gone)


async def test_a_configuration_is_read_whole(source: ImageSource) -> None:
    """Or not at all: never its beginning."""
    content = (await source.manifest(TAG)).content
    assert isinstance(content, Manifest)
    raw = await source.blob(content.config, limit_bytes=MAX_CONFIG_BYTES)
    assert json.loads(raw)["rootfs"]["diff_ids"] == [*IMAGE.blobs][1:]
    assert await source.blob(content.config, limit_bytes=len(raw)) == raw
    with pytest.raises(TooLargeError):
        await source.blob(content.config, limit_bytes=len(raw) - 1)


async def test_a_layer_is_poured_as_it_is_stored(source: ImageSource) -> None:
    """Every byte of it, in order."""
    assert await poured(source, await last_layer(source)) == LAYER.raw


async def test_a_size_that_the_manifest_got_wrong_is_a_mismatch(source: ImageSource) -> None:
    """In either direction, for blobs that are read and for those that are poured."""
    layer = await last_layer(source)
    for size in (layer.size - 1, layer.size + 1):
        wrong = replace(layer, size=size)
        with _answered(DigestMismatchError):
            await source.blob(wrong, limit_bytes=layer.size + 1)
        with _answered(DigestMismatchError):
            await poured(source, wrong)


async def test_other_bytes_than_the_digest_says_are_a_mismatch(damaged: ImageSource) -> None:
    """A layer that lies about its digest is refused."""
    layer = await last_layer(damaged)
    with _answered(DigestMismatchError):
        await damaged.blob(layer, limit_bytes=layer.size)
    with _answered(DigestMismatchError):
        await poured(damaged, layer)


async def test_a_reader_that_goes_away_is_no_error_here(source: ImageSource) -> None:
    """Its own end says why."""
    layer = await last_layer(source)
    read, write = os.pipe()
    os.close(read)
    try:
        await source.pour(layer, write, timeout_seconds=60)
    finally:
        os.close(write)


async def test_a_reader_that_reads_nothing_ends_with_the_time(source: ImageSource) -> None:
    """However patient the place is."""
    layer = await last_layer(source)
    read, write = os.pipe()
    try:
        with pytest.raises(TimedOutError):
            await source.pour(layer, write, timeout_seconds=0.2)
    finally:
        os.close(read)
        os.close(write)


async def test_a_cancelled_transfer_leaves_no_thread_behind(source: ImageSource) -> None:
    """Even one that waits for its reader."""
    layer = await last_layer(source)
    before = set(threading.enumerate())
    read, write = os.pipe()
    try:
        pouring = asyncio.create_task(source.pour(layer, write, timeout_seconds=60), name="pouring")
        await asyncio.to_thread(os.read, read, 1)
        pouring.cancel()
        await asyncio.wait([pouring])
        assert pouring.cancelled()
        while any(thread.name.startswith("transfer") for thread in set(threading.enumerate()) - before):
            await asyncio.sleep(0.01)
    finally:
        os.close(read)
        os.close(write)
