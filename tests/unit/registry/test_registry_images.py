"""Manifests and small blobs of a registry, verified."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.doubles.attaching import attached
from watcher.model.digest import Digest, digest_of
from watcher.model.errors import (
    AuthenticationError,
    DigestMismatchError,
    InvalidManifestError,
    NotAManifestError,
    NotFoundError,
    TooLargeError,
)
from watcher.model.image import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    MAX_MANIFEST_BYTES,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Index,
    Manifest,
)
from watcher.model.reference import RepositoryName, Tag
from watcher.model.referrers_tag import fallback_tag
from watcher.model.sbom_types import SPDX_JSON
from watcher.registry.client import RegistryClient
from watcher.registry.manifests import RegistryImages
from watcher.testing.faults import Fault
from watcher.testing.images import build_image, build_index, build_layer, put_image
from watcher.testing.registry import MemoryRegistry, Switches

pytestmark = pytest.mark.enable_socket

Connect = Callable[..., RegistryClient]
APP = RepositoryName("team/app")
V1 = Tag("v1")
LAYER = build_layer({"app": b"hello"})
IMAGE = build_image([LAYER], config={"User": "app"})
MANIFESTS = ".*/manifests/.*"


@pytest.fixture
def images(registry: MemoryRegistry, connect: Connect) -> RegistryImages:
    put_image(registry, APP, IMAGE, V1)
    return RegistryImages(connect(registry), APP)


async def test_by_tag_and_by_digest(images: RegistryImages) -> None:
    """Both give the same manifest with the bytes that hash to its digest."""
    by_tag = await images.manifest(V1)
    assert by_tag == await images.manifest(IMAGE.digest)
    assert (by_tag.digest, by_tag.media_type, by_tag.raw) == (IMAGE.digest, OCI_MANIFEST, IMAGE.raw)
    assert isinstance(by_tag.content, Manifest)
    assert by_tag.content.layers[0].digest == LAYER.digest


async def test_docker_images_and_lists(registry: MemoryRegistry, images: RegistryImages) -> None:
    """Schema 2 and its lists are read like OCI's."""
    image = build_image([LAYER], docker=True)
    put_image(registry, APP, build_index([image], docker=True), Tag("docker"))
    listed = await images.manifest(Tag("docker"))
    assert listed.media_type == DOCKER_LIST
    assert isinstance(listed.content, Index)
    assert (await images.manifest(listed.content.manifests[0].digest)).media_type == DOCKER_MANIFEST


async def test_head(registry: MemoryRegistry, images: RegistryImages) -> None:
    """The digest of a tag for one request without a body; None when there is none, which GET has to say too."""
    assert await images.head(V1) == IMAGE.digest
    assert registry.requests["GET manifests"] == 0
    assert await images.head(Tag("v2")) is None
    assert await replace(images, repository=RepositoryName("none")).head(V1) is None
    assert registry.requests["GET manifests"] == 2


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        *((status, {}) for status in (400, 401, 403, 404, 405, 500, 501, 503)),
        (401, {"WWW-Authenticate": "Negotiate"}),
        (401, {"WWW-Authenticate": 'Basic realm="r"'}),
        (307, {"Location": "http://169.254.169.254/"}),
        (307, {}),
    ],
)
async def test_a_head_that_is_refused(
    status: int, headers: dict[str, str], registry: MemoryRegistry, images: RegistryImages
) -> None:
    """GET is what counts; it is asked once, and what it is refused is not asked for again."""
    registry.faults.add(Fault(method="HEAD", path=MANIFESTS, status=status, headers=headers, times=99))
    assert await images.head(V1) == await images.head(IMAGE.digest) == IMAGE.digest
    assert registry.requests["GET manifests"] == registry.requests["HEAD fault"] == 2
    registry.faults.add(Fault(method="GET", path=MANIFESTS, status=403, times=99))
    with pytest.raises(AuthenticationError):
        await images.head(V1)
    assert registry.requests["GET fault"] == 1


async def test_a_head_that_asks_too_often(registry: MemoryRegistry, images: RegistryImages) -> None:
    """It is waited, and HEAD asked again: where GET is what counts as a pull, it is no way out."""
    registry.faults.add(Fault(method="HEAD", path=MANIFESTS, status=429))
    registry.faults.add(Fault(method="HEAD", path=MANIFESTS, status=503, headers={"Retry-After": "1"}))
    assert await images.head(V1) == IMAGE.digest
    assert registry.requests["GET manifests"] == 0


async def test_a_head_that_always_asks_too_often(registry: MemoryRegistry, images: RegistryImages) -> None:
    """At last GET has to say it: some limit HEAD alone."""
    registry.faults.add(Fault(method="HEAD", path=MANIFESTS, status=429, times=99))
    assert await images.head(V1) == IMAGE.digest
    assert registry.requests["GET manifests"] == 1


async def test_whatever_else_comes_is_no_manifest(registry: MemoryRegistry, images: RegistryImages) -> None:
    """A proxy that answers everything with 200 gives nothing a digest."""
    registry.faults.add(Fault(path=MANIFESTS, status=200, body=b'{"message": "log in"}', times=2))
    with pytest.raises(NotAManifestError):
        await images.head(V1)


async def test_head_without_a_digest_header(registry: MemoryRegistry, images: RegistryImages) -> None:
    """Where the header is missing or malformed the body is hashed."""
    for headers in ({}, {"Docker-Content-Digest": "sha256:short"}):
        registry.faults.add(Fault(method="HEAD", path=MANIFESTS, status=200, headers=headers))
        assert await images.head(V1) == IMAGE.digest
    assert registry.requests["GET manifests"] == 2


async def test_a_manifest_served_as_text_is_described_as_what_it_is(registry: MemoryRegistry, images: RegistryImages) -> None:
    """So is one that is refused as what it is served as: something is attached to that, too."""
    for body, media_type in ((IMAGE.raw, OCI_MANIFEST), (b"{}", "text/plain")):
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        registry.faults.add(Fault(method="GET", path=MANIFESTS, status=200, headers=headers, body=body))
        described = await images.describe(digest_of(body))
        assert described == Descriptor(media_type=media_type, digest=digest_of(body), size=len(body))


async def test_bytes_that_are_not_what_was_asked_for(registry: MemoryRegistry, images: RegistryImages) -> None:
    """A changed body is refused by digest and by tag, and a header that lies as well."""
    for reference in (V1, IMAGE.digest):
        registry.faults.add(Fault(method="GET", path=MANIFESTS, corrupt=True))
        with pytest.raises(DigestMismatchError):
            await images.manifest(reference)
    lie = {"Docker-Content-Digest": "sha256:" + "0" * 64, "Content-Type": OCI_MANIFEST}
    registry.faults.add(Fault(path=MANIFESTS, status=200, headers=lie, body=IMAGE.raw))
    with pytest.raises(DigestMismatchError, match="the registry says"):
        await images.manifest(V1)


async def test_an_unknown_digest_algorithm_in_the_header(registry: MemoryRegistry, images: RegistryImages) -> None:
    """What cannot be checked says nothing; the body's own digest counts."""
    headers = {"Docker-Content-Digest": "blake3:abc", "Content-Type": OCI_MANIFEST}
    registry.faults.add(Fault(path=MANIFESTS, status=200, headers=headers, body=IMAGE.raw))
    assert (await images.manifest(V1)).digest == IMAGE.digest


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b"[" * 50_000, b" " * (MAX_MANIFEST_BYTES + 1), b'{"schemaVersion": 1}'])
async def test_what_is_no_manifest(body: bytes, registry: MemoryRegistry, images: RegistryImages) -> None:
    """Not JSON, not an image, nested beyond reason or too large: an invalid manifest, never another exception."""
    registry.faults.add(Fault(path=MANIFESTS, status=200, body=body))
    with pytest.raises(InvalidManifestError):
        await images.manifest(V1)


async def test_missing_manifest(images: RegistryImages) -> None:
    """404 is permanent."""
    with pytest.raises(NotFoundError, match="MANIFEST_UNKNOWN"):
        await images.manifest(Tag("v2"))


async def test_small_blobs(registry: MemoryRegistry, images: RegistryImages) -> None:
    """A configuration is read whole and verified: size, digest and limit."""
    content = (await images.manifest(V1)).content
    assert isinstance(content, Manifest)
    raw = await images.blob(content.config, limit_bytes=10_000)
    assert digest_of(raw) == content.config.digest
    with pytest.raises(TooLargeError):
        await images.blob(content.config, limit_bytes=content.config.size - 1)
    registry.faults.add(Fault(path=".*/blobs/.*", corrupt=True))
    with pytest.raises(DigestMismatchError, match="bytes received"):
        await images.blob(content.config, limit_bytes=10_000)
    wrong = Descriptor(media_type="x", digest=content.config.digest, size=content.config.size - 1)
    with pytest.raises(DigestMismatchError, match="the manifest says"):
        await images.blob(wrong, limit_bytes=10_000)


async def test_sha512(registry: MemoryRegistry, images: RegistryImages) -> None:
    """An image named by sha512 is verified by sha512."""
    import hashlib

    digest = Digest("sha512:" + hashlib.sha512(IMAGE.raw).hexdigest())
    registry.content.writable(APP).put_manifest(IMAGE.raw, OCI_MANIFEST, digest)
    assert (await images.manifest(digest)).digest == digest


@pytest.mark.parametrize("referrers_api", [True, False])
async def test_what_is_attached_is_listed(registry: MemoryRegistry, images: RegistryImages, *, referrers_api: bool) -> None:
    """By the Referrers API, else by the fallback tag."""
    registry.switches = Switches(referrers_api=referrers_api)
    sbom = attached(IMAGE, SPDX_JSON, b"{}")
    put_image(registry, APP, sbom)
    entry = {"mediaType": OCI_MANIFEST, "digest": sbom.digest, "size": len(sbom.raw), "artifactType": SPDX_JSON}
    listed = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}).encode()
    if not referrers_api:
        registry.content.writable(APP).put_manifest(listed, OCI_INDEX, fallback_tag(IMAGE.digest))
    assert [(each.digest, each.artifact_type) for each in await images.referrers(IMAGE.digest)] == [(sbom.digest, SPDX_JSON)]


async def test_nothing_is_attached_where_the_tag_for_it_is_something_else(registry: MemoryRegistry, images: RegistryImages) -> None:
    """As in registries that take the tag for the digest: nobody can have attached anything by it."""
    put_image(registry, APP, IMAGE, fallback_tag(IMAGE.digest))
    assert await images.referrers(IMAGE.digest) == ()


async def test_a_header_beside_what_a_digest_names_says_nothing(registry: MemoryRegistry, connect: Connect) -> None:
    """The bytes are those that were asked for."""
    image = build_image([build_layer({"a": "b"})])
    put_image(registry, APP, image, "v1")
    headers = {"Content-Type": image.media_type, "Docker-Content-Digest": f"sha256:{'0' * 64}"}
    registry.faults.add(Fault(path=f".*/manifests/{image.digest}", status=200, headers=headers, body=image.raw))
    assert (await RegistryImages(connect(registry), APP).manifest(image.digest)).digest == image.digest
