"""Attaching artefacts: the Referrers API and the tag that stands in for it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.model.digest import Digest, digest_of
from watcher.model.errors import AuthenticationError, RegistryRefusedError, RegistryUnavailableError, ThrottledError
from watcher.model.image import OCI_INDEX, OCI_MANIFEST, Descriptor, Manifest
from watcher.model.image_json import parse_manifest
from watcher.model.reference import RepositoryName
from watcher.model.referrers_tag import fallback_tag
from watcher.registry.client import RegistryClient
from watcher.registry.links import next_link
from watcher.registry.manifests import RegistryImages
from watcher.registry.protocol import Fallback, ListIncompleteError, OddListError
from watcher.registry.referrers import (
    EMPTY_BLOB,
    EMPTY_DESCRIPTOR,
    FallbackChangedError,
    RegistryReferrers,
    build_artifact,
    index_of,
    listed_descriptor,
    merge_entries,
)
from watcher.registry.referrers_reading import any_entries, plain_entries
from watcher.registry.uploads import RegistryUploads
from watcher.testing.faults import Fault
from watcher.testing.images import build_image, build_index, build_layer, put_image
from watcher.testing.registry import MemoryRegistry, Switches, serve_registry

pytestmark = pytest.mark.enable_socket

Connect = Callable[..., RegistryClient]
APP = RepositoryName("team/app")
TYPE = "application/vnd.registry-watcher.verdict.v1+json"
IMAGE = build_image([build_layer({"app": b"hello"})])
SUBJECT = Descriptor(media_type=IMAGE.media_type, digest=IMAGE.digest, size=len(IMAGE.raw))


def artifact(name: str = "one", artifact_type: str = TYPE) -> bytes:
    return build_artifact(SUBJECT, artifact_type, (), {"name": name})


async def attach(client: RegistryClient, name: str = "one", artifact_type: str = TYPE) -> Digest:
    """The artefact alone, without any listing of it."""
    uploads, raw = RegistryUploads(client), artifact(name, artifact_type)
    await uploads.put_blob(APP, EMPTY_BLOB)
    return (await uploads.put_manifest(APP, digest_of(raw), raw, OCI_MANIFEST)).digest


def test_the_empty_blob_is_the_one_of_the_specification() -> None:
    """Two bytes with a digest that everybody knows."""
    assert (digest_of(EMPTY_BLOB), len(EMPTY_BLOB)) == (EMPTY_DESCRIPTOR.digest, 2)


def test_an_artifact_says_what_it_is_and_whose() -> None:
    """Subject, type and annotations are in the manifest; equal arguments give equal bytes; no layer means the empty one."""
    raw = build_artifact(SUBJECT, TYPE, (), {"b": "2", "a": "1"})
    assert raw == build_artifact(SUBJECT, TYPE, (), {"a": "1", "b": "2"})
    manifest = parse_manifest(raw, "")
    assert isinstance(manifest, Manifest)
    assert (manifest.subject, manifest.artifact_type, manifest.annotations) == (IMAGE.digest, TYPE, {"a": "1", "b": "2"})
    assert [layer.digest for layer in manifest.layers] == [EMPTY_DESCRIPTOR.digest]
    assert manifest.is_bare_artifact
    assert json.loads(raw)["subject"] == {"mediaType": OCI_MANIFEST, "digest": IMAGE.digest, "size": len(IMAGE.raw)}


def test_the_listed_descriptor_copies_type_and_annotations() -> None:
    """Readers that never fetch the manifest see what it is."""
    raw = artifact()
    entry = listed_descriptor(raw, digest_of(raw))
    assert entry == {
        "mediaType": OCI_MANIFEST,
        "digest": digest_of(raw),
        "size": len(raw),
        "artifactType": TYPE,
        "annotations": {"name": "one"},
    }
    assert listed_descriptor(IMAGE.raw, IMAGE.digest)["artifactType"] == "application/vnd.oci.image.config.v1+json"


def test_fallback_tag() -> None:
    """`alg-hex`, with at most 64 characters of hex."""
    assert fallback_tag(Digest("sha256:" + "a" * 64)) == "sha256-" + "a" * 64
    assert fallback_tag(Digest("sha512:" + "b" * 128)) == "sha512-" + "b" * 64


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
entries = st.lists(
    st.dictionaries(st.sampled_from(["mediaType", "digest", "size", "artifactType", "annotations", "data"]), json_values),
    max_size=6,
)


@given(entries, st.sampled_from(["sha256:a", "sha256:b"]))
def test_merging_keeps_foreign_entries_and_repeats_to_the_same_bytes(foreign: list[dict[str, Any]], digest: str) -> None:
    """Whatever others wrote stays, equal and in its order; ours is there exactly once; merging again changes nothing."""
    ours = {"mediaType": OCI_MANIFEST, "digest": digest, "size": 1, "artifactType": TYPE}

    merged = index_of(merge_entries(foreign, [ours], ["sha256:b"]))
    body = json.loads(merged)
    assert body["mediaType"] == OCI_INDEX
    assert body["manifests"][:-1] == [entry for entry in foreign if entry.get("digest") not in [digest, "sha256:b"]]
    assert body["manifests"][-1] == ours
    assert index_of(merge_entries(body["manifests"], [ours], ["sha256:b"])) == merged


def test_next_link() -> None:
    """Only `rel=next` is followed."""
    assert next_link('</v2/a?n=1>; rel="next"') == "/v2/a?n=1"
    assert next_link('<a>; rel="prev", <b>; title="x"; rel=next') == "b"
    assert next_link("<a>; rel=nextish") is None
    assert next_link(None) is None


@given(st.text(max_size=200))
def test_any_link_header_is_read(header: str) -> None:
    """No header makes an exception."""
    link = next_link(header)
    assert link is None or link in header


async def test_with_the_api(connect: Connect) -> None:
    """What was attached is listed, over several pages and by type, and reading back proves it."""
    async with serve_registry(switches=Switches(referrers_api=True, oci_subject=True, page_size=2)) as registry:
        put_image(registry, APP, IMAGE)
        client = connect(registry)
        referrers = RegistryReferrers(client)
        assert await referrers.list_referrers(APP, IMAGE.digest) == ()
        digests = [await attach(client, f"n{number}") for number in range(5)]
        other = await attach(client, "other", "application/vnd.other")
        assert await referrers.listed(APP, IMAGE.digest, digests[4])
        assert not await referrers.listed(APP, IMAGE.digest, IMAGE.digest)
        assert len(await referrers.list_referrers(APP, IMAGE.digest)) == 6
        (found,) = await referrers.list_referrers(APP, IMAGE.digest, "application/vnd.other")
        assert (found.digest, found.artifact_type, found.annotations) == (other, "application/vnd.other", {"name": "other"})


@pytest.mark.parametrize("oci_subject", [False, True])
async def test_without_the_api(oci_subject: bool, connect: Connect) -> None:
    """Where reading back finds nothing, the fallback tag is kept; the header proves nothing either way."""
    async with serve_registry(switches=Switches(oci_subject=oci_subject)) as registry:
        put_image(registry, APP, IMAGE)
        client = connect(registry)
        referrers = RegistryReferrers(client)
        digest = await attach(client)
        assert not await referrers.listed(APP, IMAGE.digest, digest)
        seen = await referrers.read_fallback(APP, IMAGE.digest)
        assert seen == Fallback()
        raw = index_of(merge_entries(seen.entries, [listed_descriptor(artifact(), digest)], ()))
        await referrers.put_fallback(APP, IMAGE.digest, raw, seen=seen)
        again = await referrers.read_fallback(APP, IMAGE.digest)
        assert [entry["digest"] for entry in again.entries] == [digest]
        assert again.digest == digest_of(raw)
        assert again.etag
        (found,) = await referrers.list_referrers(APP, IMAGE.digest, TYPE)
        assert found.digest == digest


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (200, {"Content-Type": "text/html"}, b"<html>"),
        (200, {"Content-Type": "application/json"}, b'{"manifests": []}'),
        (200, {"Content-Type": OCI_INDEX}, b"nonsense"),
        (200, {"Content-Type": OCI_INDEX}, b'{"manifests": 3}'),
        (401, {"WWW-Authenticate": "Negotiate"}, b""),
        (401, {"WWW-Authenticate": 'Basic realm="r"'}, b""),
        (404, {}, b"404 page not found"),
        (302, {"Location": "http://169.254.169.254/login"}, b""),
        (302, {"Location": "/login"}, b""),
        (302, {}, b""),
        (403, {"Retry-After": "90"}, b""),
        (503, {"Retry-After": "1"}, b""),
        (503, {"Retry-After": "90"}, b""),
        *((status, {}, b"{}") for status in (204, 400, 401, 403, 405, 406, 410, 414, 451, 500, 501, 502, 503, 504, 505)),
    ],
)
async def test_false_apis(
    status: int, headers: dict[str, str], body: bytes, registry: MemoryRegistry, connect: Connect, waits: list[float]
) -> None:
    """A 200 that is no index, and every way of not having the API, means the fallback tag, for whoever reads and whoever writes."""
    registry.faults.add(Fault(path=".*/referrers/.*", status=status, headers=headers, body=body, times=99))
    client = connect(registry)
    referrers, digest = RegistryReferrers(client), await attach(client)
    assert await referrers.listed(APP, IMAGE.digest, digest) is None
    raw = index_of([listed_descriptor(artifact(), digest)])
    await referrers.put_fallback(APP, IMAGE.digest, raw, seen=await referrers.read_fallback(APP, IMAGE.digest))
    assert await referrers.in_api(APP, IMAGE.digest) is None
    assert [each.digest for each in await referrers.list_referrers(APP, IMAGE.digest)] == [digest]
    assert registry.requests["GET fault"] <= 5 + 2  # what does not change is not asked for again and again
    assert max(waits, default=0.0) < 5  # nor does everything else wait for what need not be there


async def test_an_api_that_only_asks_to_be_left_alone(registry: MemoryRegistry, connect: Connect, waits: list[float]) -> None:
    """It is left alone, by everything and for as long as it says; then the tag is there for whoever writes and reads."""
    registry.faults.add(Fault(path=".*/referrers/.*", status=429, headers={"Retry-After": "40"}, times=99))
    client = connect(registry)
    referrers, digest = RegistryReferrers(client), await attach(client)
    assert await referrers.listed(APP, IMAGE.digest, digest) is None
    assert max(waits) > 35
    asked = registry.requests["GET fault"]
    raw = index_of([listed_descriptor(artifact(), digest)])
    await referrers.put_fallback(APP, IMAGE.digest, raw, seen=await referrers.read_fallback(APP, IMAGE.digest))
    assert [each.digest for each in await referrers.list_referrers(APP, IMAGE.digest)] == [digest]
    assert registry.requests["GET fault"] == asked


async def test_a_pause_longer_than_anybody_waits(registry: MemoryRegistry, connect: Connect) -> None:
    """It holds for the tag too, which says so."""
    registry.faults.add(Fault(path=".*/referrers/.*", status=429, headers={"Retry-After": "90"}))
    referrers = RegistryReferrers(connect(registry))
    assert await referrers.listed(APP, IMAGE.digest, IMAGE.digest) is None
    with pytest.raises(ThrottledError):
        await referrers.read_fallback(APP, IMAGE.digest)


async def test_a_silent_api_and_no_tag_say_nothing(registry: MemoryRegistry, connect: Connect) -> None:
    """That nothing is attached would be a guess; whoever has put something writes the tag all the same."""
    registry.faults.add(Fault(path=".*/referrers/.*", status=502, times=99))
    referrers = RegistryReferrers(connect(registry))
    for asking in (referrers.list_referrers, referrers.in_api):
        with pytest.raises(RegistryUnavailableError):
            await asking(APP, IMAGE.digest)
    assert await referrers.listed(APP, IMAGE.digest, IMAGE.digest) is None


async def test_an_api_that_has_answered_and_fails(connect: Connect) -> None:
    """It is there, and will be again: nobody writes a tag beside it, and an outage is no list of nothing."""
    async with serve_registry(switches=Switches(referrers_api=True)) as registry:
        client = connect(registry)
        referrers, digest = RegistryReferrers(client), await attach(client)
        assert await referrers.listed(APP, IMAGE.digest, digest)
        for status, error in ((503, RegistryUnavailableError), (500, RegistryUnavailableError), (403, AuthenticationError)):
            registry.faults.add(Fault(path=".*/referrers/.*", status=status, times=99))
            with pytest.raises(error):
                await RegistryReferrers(client).listed(APP, IMAGE.digest, digest)
            registry.faults.clear()
        assert await referrers.listed(APP, IMAGE.digest, digest)


async def test_a_fallback_tag_that_is_something_else(registry: MemoryRegistry, connect: Connect) -> None:
    """An image under that tag is somebody's; it is reported and left alone."""
    put_image(registry, APP, IMAGE, fallback_tag(IMAGE.digest))
    with pytest.raises(RegistryRefusedError, match="is not an image index"):
        await RegistryReferrers(connect(registry)).read_fallback(APP, IMAGE.digest)


async def test_a_registry_that_takes_the_tag_for_the_digest(registry: MemoryRegistry, connect: Connect) -> None:
    """What comes back under a name that we made up is the image itself, and nothing is merged into it."""
    index = build_index([IMAGE])
    put_image(registry, APP, index, fallback_tag(index.digest))
    with pytest.raises(RegistryRefusedError, match="is the image itself"):
        await RegistryReferrers(connect(registry)).read_fallback(APP, index.digest)


async def test_a_registry_that_converts_what_it_serves(registry: MemoryRegistry, connect: Connect) -> None:
    """Another form of the image, under its digest all the same, is no list of referrers; nor are bytes that have another digest."""
    index = build_index([IMAGE])
    for claimed, said in ((IMAGE.digest, "is the image itself"), (index.digest, "is other bytes than those of")):
        body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}).encode()
        headers = {"Content-Type": OCI_INDEX, "Docker-Content-Digest": claimed}
        registry.faults.add(Fault(path=".*/manifests/sha256-.*", status=200, headers=headers, body=body))
        with pytest.raises(RegistryRefusedError, match=said):
            await RegistryReferrers(connect(registry)).read_fallback(APP, IMAGE.digest)


async def test_a_registry_that_serves_some_image_for_a_tag_it_does_not_have(registry: MemoryRegistry, connect: Connect) -> None:
    """An index whose entries are platforms lists no referrers."""
    put_image(registry, APP, build_index([IMAGE, build_image(platform="linux/arm64")]), fallback_tag(IMAGE.digest))
    with pytest.raises(RegistryRefusedError, match="several platforms"):
        await RegistryReferrers(connect(registry)).read_fallback(APP, IMAGE.digest)


async def test_a_tag_that_is_being_rewritten(registry: MemoryRegistry, connect: Connect) -> None:
    """Distribution answers 500 while a tag is written; reading waits and tries again."""
    registry.faults.add(Fault(path=".*/manifests/sha256-.*", status=500, times=2))
    assert await RegistryReferrers(connect(registry)).read_fallback(APP, IMAGE.digest) == Fallback()


async def test_an_entry_that_is_none_hides_no_other(registry: MemoryRegistry, connect: Connect) -> None:
    """Whoever may push can write anything into a list."""
    put_image(registry, APP, IMAGE)
    client = connect(registry)
    listed = listed_descriptor(artifact(), await attach(client))
    body = {"mediaType": OCI_INDEX, "manifests": [{}, {"digest": 7, "size": "x"}, {**listed, "digest": "sha256:short"}, listed]}
    headers = {"Content-Type": OCI_INDEX}
    registry.faults.add(Fault(path=".*/manifests/sha256-.*", status=200, body=json.dumps(body).encode(), headers=headers))
    (found,) = await RegistryReferrers(client).list_referrers(APP, IMAGE.digest)
    assert found.digest == listed["digest"]


@pytest.mark.parametrize("status", [200, 404])
async def test_a_list_that_is_read_in_part(registry: MemoryRegistry, connect: Connect, status: int) -> None:
    """Neither one that never ends nor one that ends too early is a list; who inspects the image takes what there is."""
    put_image(registry, APP, IMAGE)
    client = connect(registry)
    listed = listed_descriptor(artifact(), await attach(client))
    page = {"Content-Type": OCI_INDEX, "Link": f'</v2/{APP}/referrers/more>; rel="next"'}
    body = index_of([listed])
    registry.faults.add(Fault(path=".*/referrers/sha256:.*", status=200, headers=page, body=body, times=99))
    registry.faults.add(Fault(path=".*/referrers/more", status=status, headers=page, body=body, times=99))
    with pytest.raises(ListIncompleteError) as failed:
        await RegistryReferrers(client).list_referrers(APP, IMAGE.digest)
    assert {each.digest for each in failed.value.found} == {listed["digest"]}
    with pytest.raises(ListIncompleteError):
        await RegistryReferrers(client).listed(APP, IMAGE.digest, IMAGE.digest)
    assert await RegistryReferrers(client).listed(APP, IMAGE.digest, listed["digest"])
    assert {each.digest for each in await RegistryImages(client, APP).referrers(IMAGE.digest)} == {listed["digest"]}


@pytest.mark.parametrize("base", ["http://wrong.example", "https://169.254.169.254:8443", ""])
async def test_a_list_goes_on_at_the_registry(base: str, registry: MemoryRegistry, connect: Connect) -> None:
    """Whatever host the link names. What comes after the page with the artefact does not matter to who looks for it."""
    client = connect(registry)
    first, second = [listed_descriptor(artifact(name), await attach(client, name)) for name in ("one", "two")]
    page = {"Content-Type": OCI_INDEX, "Link": f'<{base}/v2/{APP}/referrers/more>; rel="next"'}
    registry.faults.add(Fault(path=".*/referrers/sha256:.*", status=200, headers=page, body=index_of([first]), times=99))
    registry.faults.add(Fault(path=".*/referrers/more", status=200, headers={"Content-Type": OCI_INDEX}, body=index_of([second])))
    referrers = RegistryReferrers(client)
    found = await referrers.list_referrers(APP, IMAGE.digest)
    assert [each.digest for each in found] == [first["digest"], second["digest"]]
    registry.faults.add(Fault(path=".*/referrers/more", status=502, times=99))
    assert await referrers.listed(APP, IMAGE.digest, first["digest"])


@pytest.mark.parametrize("link", ["/v2/team/app/referrers/more", "http://[", f"/v2/{APP}/referrers/{IMAGE.digest}"])
async def test_a_link_that_leads_nowhere(link: str, registry: MemoryRegistry, connect: Connect) -> None:
    """Back to a page before it, or to no URL: what was found is no list of all."""
    page = {"Content-Type": OCI_INDEX, "Link": f'<{link}>; rel="next"'}
    client = connect(registry)
    listed = listed_descriptor(artifact(), await attach(client))
    registry.faults.add(Fault(path=".*/referrers/.*", status=200, headers=page, body=index_of([listed]), times=9))
    with pytest.raises(ListIncompleteError) as failed:
        await RegistryReferrers(client).list_referrers(APP, IMAGE.digest)
    assert {each.digest for each in failed.value.found} == {listed["digest"]}


async def test_an_api_whose_list_programs_read_differently(registry: MemoryRegistry, connect: Connect) -> None:
    """It is one all the same, as what is attached can have texts that a registry passes on; too deep, and nobody can say."""
    put_image(registry, APP, IMAGE)
    client = connect(registry)
    listed = listed_descriptor(artifact(), await attach(client))
    odd = index_of([listed, {**listed, "annotations": {"a": "?"}}]).replace(b'"?"', b'"\\ud800"')
    registry.faults.add(Fault(path=".*/referrers/.*", status=200, headers={"Content-Type": OCI_INDEX}, body=odd))
    (found,) = await RegistryReferrers(client).list_referrers(APP, IMAGE.digest, TYPE)
    assert (found.digest, found.artifact_type) == (listed["digest"], TYPE)
    deep = b'{"manifests":[],"x":' + b"[" * 20_000 + b"]" * 20_000 + b"}"
    registry.faults.add(Fault(path=".*/referrers/.*", status=200, headers={"Content-Type": OCI_INDEX}, body=deep))
    with pytest.raises(OddListError):
        await RegistryReferrers(client).listed(APP, IMAGE.digest, listed["digest"])


@given(st.binary(max_size=100), st.binary(max_size=100))
def test_any_bytes_around_a_list(before: bytes, after: bytes) -> None:
    """Nothing but errors of ours, and no digest is lost that a program finds."""
    entry = {"digest": IMAGE.digest, "artifactType": TYPE}
    body = json.dumps({"manifests": [entry]}).encode()
    assert any_entries(before) in ([], None) or b"sha256" in before
    assert [each["digest"] for each in any_entries(b" \n" + body + after) or ()] == [IMAGE.digest]
    for raw in (before, body + after, before + body):
        assert plain_entries(raw, OCI_INDEX) is None or json.loads(raw) is not None


async def test_a_concurrent_edit(connect: Connect) -> None:
    """Where conditions are honoured, the slower of two writers is told."""
    async with serve_registry(switches=Switches(conditional_put=True)) as registry:
        client = connect(registry)
        referrers = RegistryReferrers(client)
        put_image(registry, APP, IMAGE)
        one, two = await attach(client, "one"), await attach(client, "two")
        seen = await referrers.read_fallback(APP, IMAGE.digest)
        first = index_of(merge_entries(seen.entries, [listed_descriptor(artifact("one"), one)], ()))
        second = index_of(merge_entries(seen.entries, [listed_descriptor(artifact("two"), two)], ()))
        await referrers.put_fallback(APP, IMAGE.digest, first, seen=seen)
        with pytest.raises(FallbackChangedError):
            await referrers.put_fallback(APP, IMAGE.digest, second, seen=seen)
        seen = await referrers.read_fallback(APP, IMAGE.digest)
        both = index_of(merge_entries(seen.entries, [listed_descriptor(artifact("two"), two)], ()))
        await referrers.put_fallback(APP, IMAGE.digest, both, seen=seen)
        listed = await referrers.list_referrers(APP, IMAGE.digest)
        assert {entry.digest for entry in listed} == {one, two}


async def test_an_oversized_fallback_index(registry: MemoryRegistry, connect: Connect) -> None:
    """An index beyond the limit is not edited blindly."""
    registry.faults.add(Fault(path=".*/manifests/.*", status=200, body=b"x" * (4 * 1024 * 1024 + 1)))
    with pytest.raises(RegistryRefusedError, match="too large"):
        await RegistryReferrers(connect(registry)).read_fallback(APP, IMAGE.digest)
