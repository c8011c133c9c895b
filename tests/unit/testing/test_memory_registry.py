"""The in-memory registry: what it accepts, refuses, lists and tells."""

import gzip
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from watcher.model.digest import digest_of
from watcher.model.image import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Manifest
from watcher.model.image_json import parse_config, parse_manifest
from watcher.model.reference import RepositoryName, Tag
from watcher.registry.client import RegistryClient
from watcher.registry.settings import RegistrySettings
from watcher.registry.uploads import RegistryUploads
from watcher.testing.faults import Fault
from watcher.testing.images import Entry, build_image, build_index, build_layer, push_image, put_image
from watcher.testing.notifications import EVENTS_TYPE, Endpoint
from watcher.testing.registry import MemoryRegistry, Switches, serve_registry
from watcher.testing.tokens import Gate

pytestmark = pytest.mark.enable_socket

APP = RepositoryName("team/app")
IMAGE = build_image([build_layer({"app": b"hello"})])


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def registry() -> AsyncIterator[MemoryRegistry]:
    async with serve_registry() as running:
        yield running


class Receiver:
    """Keeps every envelope; refuses the first `refusals` with 500."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.events: list[dict[str, Any]] = []
        self.types: set[str] = set()
        self.secrets: set[str] = set()
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        self.types.add(request.headers["Content-Type"])
        self.secrets.add(request.headers.get("Authorization", ""))
        if self.refusals:
            self.refusals -= 1
            return web.Response(status=500)
        self.events += (await request.json())["events"]
        return web.Response()


@asynccontextmanager
async def receiving(refusals: int = 0) -> AsyncIterator[Receiver]:
    receiver = Receiver(refusals)
    app = web.Application()
    app.router.add_post("/hook", receiver.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()


def client_of(registry: MemoryRegistry) -> RegistryClient:
    return RegistryClient(RegistrySettings(host=registry.host))


async def test_a_push_is_told_as_docker_registry_tells_it() -> None:
    """One event a request, in order, with the fields of recorded deliveries; refused ones are sent again."""
    async with receiving(refusals=4) as receiver:
        notify = Endpoint(url=receiver.url, headers={"Authorization": "Bearer s3cret"}, backoff_seconds=0.01)
        async with serve_registry(notify=notify) as registry, client_of(registry) as client:
            await push_image(RegistryUploads(client), APP, IMAGE, Tag("v1"))
            assert registry.notifications is not None
            await registry.notifications.drained()
            assert registry.notifications.queued == {"push blob": 2, "push manifest": 1}
            assert (registry.notifications.delivered, registry.notifications.attempts) == (3, 7)
    assert (receiver.types, receiver.secrets) == ({EVENTS_TYPE}, {"Bearer s3cret"})
    assert len({event["id"] for event in receiver.events}) == 3
    event = receiver.events[-1]
    assert set(event) == {"id", "timestamp", "action", "target", "request", "actor", "source"}
    target = event["target"]
    assert (event["action"], target["repository"], target["tag"], target["digest"]) == ("push", APP, "v1", IMAGE.digest)
    assert (target["mediaType"], target["size"], target["length"]) == (OCI_MANIFEST, len(IMAGE.raw), len(IMAGE.raw))
    assert len(target["references"]) == 2
    assert event["request"]["method"] == "PUT"
    assert event["actor"] == {}


async def test_pulls_mounts_and_deletes_are_told_too(http: aiohttp.ClientSession) -> None:
    """The noise that a watcher must live with: pulls, mounts, and a delete event per tag."""
    async with receiving() as receiver, serve_registry(notify=Endpoint(url=receiver.url)) as registry:
        put_image(registry, APP, IMAGE, "v1")
        put_image(registry, APP, IMAGE, "v2")
        layer = next(iter(IMAGE.blobs))
        base = f"{registry.url}/v2"
        await http.get(f"{base}/{APP}/manifests/v1")
        await http.head(f"{base}/{APP}/blobs/{layer}")
        mounted = await http.post(f"{base}/other/blobs/uploads/?mount={layer}&from={APP}")
        assert mounted.status == 201
        assert (await http.delete(f"{base}/{APP}/manifests/{IMAGE.digest}")).status == 202
        assert registry.notifications is not None
        await registry.notifications.drained()
    told = [(event["action"], sorted(set(event["target"]) & {"tag", "digest", "fromRepository"})) for event in receiver.events]
    assert told == [
        ("pull", ["digest", "tag"]),
        ("pull", ["digest"]),
        ("mount", ["digest", "fromRepository"]),
        ("delete", ["digest"]),
        ("delete", ["tag"]),
        ("delete", ["tag"]),
    ]


async def test_a_manifest_has_its_limit(registry: MemoryRegistry, http: aiohttp.ClientSession) -> None:
    """Another type than those of images, or of its own `mediaType`, is refused, and more than 4 MiB of any."""
    url = f"{registry.url}/v2/{APP}/manifests/v1"
    large = b" " * (4 * 1024 * 1024 + 1)
    for media_type, body, status in ((DOCKER_MANIFEST, IMAGE.raw, 400), ("text/plain", b"", 400), (OCI_MANIFEST, large, 413)):
        refused = await http.put(url, data=io.BytesIO(body), headers={"Content-Type": media_type})
        assert (refused.status, len((await refused.json())["errors"])) == (status, 1)


async def test_lists_are_paged(http: aiohttp.ClientSession) -> None:
    """Repositories come in order, page by page, with a Link to the next."""
    async with serve_registry(switches=Switches(page_size=2)) as registry:
        for name in ("c", "a", "b"):
            put_image(registry, name, IMAGE, "v1")
        put_image(registry, APP, IMAGE, "v1")
        first = await http.get(f"{registry.url}/v2/_catalog")
        assert (await first.json())["repositories"] == ["a", "b"]
        following = first.headers["Link"].partition(">")[0].lstrip("<")
        second = await http.get(f"{registry.url}{following}")
        assert (await second.json())["repositories"] == ["c", APP]
        assert "Link" not in second.headers


@pytest.mark.parametrize(("tag_delete", "status"), [(True, 202), (False, 400)])
async def test_tags_are_deleted_where_that_is_on(tag_delete: bool, status: int, http: aiohttp.ClientSession) -> None:
    """Distribution 2.8 cannot; others can, and the manifest stays."""
    async with serve_registry(switches=Switches(tag_delete=tag_delete)) as registry:
        put_image(registry, APP, IMAGE, "v1")
        assert (await http.delete(f"{registry.url}/v2/{APP}/manifests/v1")).status == status
        assert (await http.get(f"{registry.url}/v2/{APP}/manifests/{IMAGE.digest}")).status == 200


async def test_what_it_does_not_know(registry: MemoryRegistry, http: aiohttp.ClientSession) -> None:
    """Other paths are plain 404s, other methods errors of the specification."""
    assert (await http.get(f"{registry.url}/nope")).status == 404
    assert (await http.post(f"{registry.url}/v2/{APP}/manifests/v1")).status == 405
    assert (await http.get(f"{registry.url}/v2/{APP}/referrers/{IMAGE.digest}")).status == 404


async def test_faults_are_used_up_in_order(registry: MemoryRegistry, http: aiohttp.ClientSession) -> None:
    """A fault meets the next requests that match it, as often as it was told, and then no more."""
    registry.faults.add(Fault(method="HEAD", status=418, times=9))
    registry.faults.add(Fault(path="/v2/", status=503, times=2, headers={"Retry-After": "1"}, delay_seconds=0.01))
    assert [(await http.get(f"{registry.url}/v2/")).status for _ in range(3)] == [503, 503, 200]
    assert registry.requests == {"GET fault": 2, "GET ping": 1}
    registry.faults.clear()
    assert (await http.head(f"{registry.url}/v2/")).status == 200


async def test_what_the_block_raises_comes_out_as_it_is() -> None:
    """The server's own tasks put no group around an error of its user."""
    with pytest.raises(KeyError, match="mine"):
        async with serve_registry(notify=Endpoint(url="http://127.0.0.1:1/")):
            raise KeyError("mine")


def test_layers_and_images_are_always_the_same() -> None:
    """The same files give the same digests, whatever the time, in each compression; kinds and modes are kept."""
    files = {"bin/su": Entry(content=b"x", mode=0o4755), "lib": Entry(link="usr/lib"), "tmp": Entry(directory=True, mode=0o777)}
    for compression in ("gzip", "zstd", "none"):
        assert build_layer(files, compression=compression) == build_layer(files, compression=compression)
    layer = build_layer(files)
    assert layer.digest == digest_of(layer.raw)
    assert layer.diff_id == digest_of(gzip.decompress(layer.raw)) == build_layer(files, compression="none").digest
    image = build_image([layer], config={"User": "app"}, history=[{"created_by": "COPY"}], annotations={"a": "b"}, docker=True)
    manifest = parse_manifest(image.raw, "")
    assert isinstance(manifest, Manifest)
    config = parse_config(image.blobs[manifest.config.digest])
    assert (config.user, config.diff_ids, config.history[0].created_by) == ("app", (layer.diff_id,), "COPY")
    assert manifest.layers[0].media_type == "application/vnd.docker.image.rootfs.diff.tar.gzip"
    index = build_index([image, build_image([layer], platform="linux/arm/v7")])
    assert [entry["platform"] for entry in msgspec.json.decode(index.raw)["manifests"]] == [
        {"os": "linux", "architecture": "amd64"},
        {"os": "linux", "architecture": "arm", "variant": "v7"},
    ]
    assert index.media_type == OCI_INDEX


async def test_secrets_do_not_show() -> None:
    """Neither the gate's password nor the endpoint's headers are in a repr."""
    assert "s3cret" not in repr(Gate())
    assert "s3cret" not in repr(Endpoint(url="x", headers={"Authorization": "s3cret"}))
