"""Writing blobs and manifests."""

from collections.abc import Callable

import pytest

from watcher.model.digest import digest_of
from watcher.model.errors import (
    AuthenticationError,
    DigestMismatchError,
    ForbiddenAddressError,
    NotFoundError,
    RegistryRefusedError,
    RegistryUnavailableError,
)
from watcher.model.reference import RepositoryName, Tag
from watcher.registry.client import RegistryClient
from watcher.registry.uploads import UPLOAD_ATTEMPTS, RegistryUploads
from watcher.testing.faults import Fault
from watcher.testing.images import build_image, build_layer, push_image, put_image
from watcher.testing.registry import MemoryRegistry, Switches, serve_registry

pytestmark = pytest.mark.enable_socket

Connect = Callable[..., RegistryClient]
APP = RepositoryName("team/app")
IMAGE = build_image([build_layer({"app": b"hello"})])


@pytest.fixture
def uploads(registry: MemoryRegistry, connect: Connect) -> RegistryUploads:
    return RegistryUploads(connect(registry))


async def test_a_blob_is_sent_once(registry: MemoryRegistry, uploads: RegistryUploads) -> None:
    """HEAD, POST, PUT the first time; HEAD alone the second."""
    first = await uploads.put_blob(APP, b"verdict", "application/json")
    assert (first.digest, first.size, first.media_type) == (digest_of(b"verdict"), 7, "application/json")
    assert [seen.method for seen in registry.seen if seen.path != "/v2/"] == ["HEAD", "POST", "PUT"]
    assert await uploads.put_blob(APP, b"verdict", "application/json") == first
    assert [seen.method for seen in registry.seen if seen.path != "/v2/"][3:] == ["HEAD"]
    assert registry.content.existing(APP).blobs[first.digest] == b"verdict"


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        *((status, {}) for status in (400, 401, 403, 405, 410, 500, 501, 502, 503)),
        (401, {"WWW-Authenticate": "Negotiate"}),
        (401, {"WWW-Authenticate": 'Basic realm="r"'}),
        (200, {"Content-Length": "9", "Content-Type": "text/html"}),
        (200, {"Docker-Content-Digest": "sha256:" + "0" * 64}),
        (307, {"Location": "http://169.254.169.254/blob"}),
        (307, {}),
    ],
)
async def test_a_blob_that_cannot_be_asked_for_is_sent(
    status: int, headers: dict[str, str], registry: MemoryRegistry, uploads: RegistryUploads
) -> None:
    """Stores behind a redirect refuse HEAD: that says nothing about the blob. Who may not write is told so by the next answer."""
    registry.faults.add(Fault(method="HEAD", status=status, headers=headers))
    assert (await uploads.put_blob(APP, b"verdict")).digest == digest_of(b"verdict")
    registry.faults.add(Fault(status=403, times=9))
    with pytest.raises(AuthenticationError, match="POST"):
        await uploads.put_blob(APP, b"another")


async def test_the_location_s_query_is_left_as_it_is(registry: MemoryRegistry, uploads: RegistryUploads) -> None:
    """A signed state survives: the digest is appended, nothing is encoded again. A path without query gets one."""
    location = f"{registry.url}/v2/team/app/blobs/uploads/gone?_state=a%2Bb%3D&x=%2F"
    digest = digest_of(b"x")
    for given, query in ((location, f"_state=a%2Bb%3D&x=%2F&digest={digest}"), (location.partition("?")[0], f"digest={digest}")):
        registry.faults.add(Fault(method="POST", status=202, headers={"Location": given}))
        with pytest.raises(NotFoundError, match="BLOB_UPLOAD_UNKNOWN"):
            await uploads.put_blob(APP, b"x")
        assert registry.seen[-1].query == query


async def test_a_broken_session_is_started_again(registry: MemoryRegistry, uploads: RegistryUploads) -> None:
    """A PUT that failed halfway is not continued but repeated from POST, a few times."""
    registry.faults.add(Fault(method="PUT", status=502))
    await uploads.put_blob(APP, b"x")
    assert [seen.method for seen in registry.seen if seen.path != "/v2/"] == ["HEAD", "POST", "PUT", "POST", "PUT"]
    registry.faults.add(Fault(method="PUT", status=502, times=99))
    with pytest.raises(RegistryUnavailableError):
        await uploads.put_blob(APP, b"y")
    assert registry.requests["PUT fault"] == 1 + UPLOAD_ATTEMPTS


async def test_an_upload_location_out_of_reach(registry: MemoryRegistry, uploads: RegistryUploads) -> None:
    """Content is not sent to the metadata service, and a missing Location is said so."""
    registry.faults.add(Fault(method="POST", status=202, headers={"Location": "http://169.254.169.254/"}))
    with pytest.raises(ForbiddenAddressError):
        await uploads.put_blob(APP, b"x")
    registry.faults.add(Fault(method="POST", status=202))
    with pytest.raises(RegistryRefusedError, match="without a Location"):
        await uploads.put_blob(APP, b"x")


async def test_a_registry_that_mounts_at_once(registry: MemoryRegistry, uploads: RegistryUploads) -> None:
    """201 to the POST means that the blob is there already."""
    registry.faults.add(Fault(method="POST", status=201))
    await uploads.put_blob(APP, b"x")
    assert registry.requests["PUT uploads"] == 0


async def test_manifests(registry: MemoryRegistry, uploads: RegistryUploads) -> None:
    """A pushed image can be pulled, and pushing it again changes nothing."""
    assert await push_image(uploads, APP, IMAGE, Tag("v1")) == IMAGE.digest
    put = await uploads.put_manifest(APP, Tag("v1"), IMAGE.raw, IMAGE.media_type)
    assert (put.digest, put.subject) == (IMAGE.digest, None)
    assert registry.content.existing(APP).tags == {"v1": IMAGE.digest}


async def test_a_registry_that_keeps_something_else(registry: MemoryRegistry, uploads: RegistryUploads) -> None:
    """Another digest in the answer is an error."""
    registry.faults.add(Fault(method="PUT", status=201, headers={"Docker-Content-Digest": "sha256:" + "0" * 64}))
    with pytest.raises(DigestMismatchError, match="the registry kept"):
        await uploads.put_manifest(APP, Tag("v1"), IMAGE.raw, IMAGE.media_type)


async def test_an_immutable_tag(connect: Connect) -> None:
    """A refusal for good is permanent and names the reason."""
    async with serve_registry(switches=Switches(immutable_tags=True)) as registry:
        put_image(registry, APP, build_image(), "v1")
        put_image(registry, APP, IMAGE)
        with pytest.raises(RegistryRefusedError, match="DENIED tag is immutable"):
            await RegistryUploads(connect(registry)).put_manifest(APP, Tag("v1"), IMAGE.raw, IMAGE.media_type)


async def test_deletion_is_an_answer(registry: MemoryRegistry, uploads: RegistryUploads) -> None:
    """Gone, gone already and forbidden are told apart without an exception."""
    put_image(registry, APP, IMAGE, "v1")
    assert await uploads.delete_manifest(APP, IMAGE.digest)
    assert await uploads.delete_manifest(APP, IMAGE.digest)
    registry.faults.add(Fault(method="DELETE", status=405))
    assert not await uploads.delete_manifest(APP, IMAGE.digest)
