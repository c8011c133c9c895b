"""Bodies that a proxy has encoded although we ask for none of that, and labels that say so of what is not."""

import gzip
import json
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial, reduce

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from watcher.model.digest import Digest, digest_of
from watcher.model.errors import DigestMismatchError, InvalidManifestError, RegistryRefusedError, WatcherError
from watcher.model.image import OCI_INDEX, OCI_MANIFEST, Descriptor
from watcher.model.reference import RepositoryName, Tag
from watcher.registry.bodies import MAX_ENCODINGS, MAX_MEMBERS, decoded
from watcher.registry.client import RegistryClient
from watcher.registry.listing import DistributionListing
from watcher.registry.manifests import RegistryImages
from watcher.registry.own_api import RegistryOwnApi
from watcher.registry.referrers import RegistryReferrers
from watcher.registry.settings import RegistrySettings
from watcher.testing.images import build_image, build_layer

Drain = Callable[..., Awaitable[bytes]]
APP = RepositoryName("team/app")
V1 = Tag("v1")
LAYER = build_layer({"app": b"hello" * 1000})
IMAGE = build_image([LAYER])
TEXT = b'{"a": "' + b"x" * 1000 + b'"}'
ENCODED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "X-GZip": gzip.compress,
    "deflate": zlib.compress,
    "deflate ": partial(zlib.compress, wbits=-15),
    "identity, gzip": gzip.compress,
    "deflate, gzip": lambda body: gzip.compress(zlib.compress(body)),
}


@pytest.mark.parametrize("encoding", ENCODED)
def test_what_is_encoded_is_decoded(encoding: str) -> None:
    """By whichever of its names, in one header or in several."""
    body = ENCODED[encoding](TEXT)
    assert decoded(body, [encoding], len(TEXT)) == decoded(body, encoding.split(","), len(TEXT)) == TEXT


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (TEXT, "gzip"),
        (TEXT, "br"),
        (TEXT, ""),
        (
            reduce(lambda body, _: gzip.compress(body, mtime=0), range(MAX_ENCODINGS + 1), TEXT),
            ",".join(["gzip"] * (MAX_ENCODINGS + 1)),
        ),
        (b"", "gzip"),
        (gzip.compress(TEXT, mtime=0)[:-9], "gzip"),
        (gzip.compress(TEXT, mtime=0) + b"more", "gzip"),
        (gzip.compress(TEXT, mtime=0), "identity"),
        (gzip.compress(bytes(1 << 20)), "gzip"),
        (gzip.compress(b"x", mtime=0) * (MAX_MEMBERS + 1), "gzip"),
        (gzip.compress(gzip.compress(bytes(1 << 26))), "gzip, gzip"),
    ],
)
def test_what_is_not_encoded_so_is_left_as_it_is(body: bytes, encoding: str) -> None:
    """Nor is anything that becomes too long."""
    assert decoded(body, [encoding], 1 << 16) == body


@given(st.binary(max_size=200), st.text(max_size=30))
def test_any_label_on_any_bytes(body: bytes, encoding: str) -> None:
    """There is a body, within the bound."""
    assert len(decoded(body, [encoding, "gzip"], 1000)) <= 1000


Encode = Callable[[bytes], tuple[bytes, str]]
PAGES: dict[str, tuple[str, bytes]] = {
    "/v2/team/app/tags/list": ("application/json", b'{"name": "team/app", "tags": ["v1"]}'),
    f"/v2/team/app/referrers/{IMAGE.digest}": (OCI_INDEX, json.dumps({"mediaType": OCI_INDEX, "manifests": []}).encode()),
    "/api": ("application/json", b'{"ours": true}'),
    "/token": ("application/json", b'\xef\xbb\xbf{"token": "T"}'),
}


@asynccontextmanager
async def serve(
    encode: Encode, *, chunked: bool = False, asks: bool = False, says_digest: bool = True
) -> AsyncIterator[RegistryClient]:
    """A registry whose every answer goes through `encode`: the bytes to send, and their Content-Encoding."""

    async def answer(request: web.Request) -> web.StreamResponse:
        path, headers = request.path, {}
        if asks and path.startswith("/v2/") and request.headers.get("Authorization") != "Bearer T":
            return web.Response(status=401, headers={"WWW-Authenticate": f'Bearer realm="http://{request.host}/token"'})
        if path in {f"/v2/team/app/manifests/{V1}", f"/v2/team/app/manifests/{IMAGE.digest}"}:
            kind, body = OCI_MANIFEST, IMAGE.raw
            headers = {"Docker-Content-Digest": IMAGE.digest} if says_digest else {}
        elif path.startswith("/v2/team/app/blobs/"):
            kind, body = "application/octet-stream", IMAGE.blobs[Digest(path.rpartition("/")[2])]
        elif path in PAGES:
            kind, body = PAGES[path]
        else:
            return web.Response(status=404)
        sent, label = encode(body)
        response = web.StreamResponse(headers={**headers, "Content-Type": kind, "Content-Encoding": label})
        if chunked:
            response.enable_chunked_encoding()
        else:
            response.content_length = len(sent)
        await response.prepare(request)
        if request.method == "GET":
            # As some do that compress while they send: the first chunk ends within the first header.
            await response.write(sent[:7])
            await response.write(sent[7:])
        return response

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with RegistryClient(RegistrySettings(host=f"127.0.0.1:{runner.addresses[0][1]}")) as client:
            yield client
    finally:
        await runner.cleanup()


def applied(body: bytes) -> tuple[bytes, str]:
    return gzip.compress(body), "gzip"


def in_members(body: bytes) -> tuple[bytes, str]:
    return b"".join(gzip.compress(body[start : start + 70]) for start in range(0, len(body), 70)), "gzip, identity"


def deflated(body: bytes) -> tuple[bytes, str]:
    return zlib.compress(body), "deflate"


def labelled(body: bytes) -> tuple[bytes, str]:
    return body, "gzip"


def stored() -> Sequence[Descriptor]:
    """The image's own blobs, one of them in gzip."""
    kinds = {content: "+gzip" if content.startswith(b"\x1f\x8b") else "" for content in IMAGE.blobs.values()}
    return [
        Descriptor(media_type=f"application/vnd.oci.image.layer.v1.tar{kind}", digest=digest_of(content), size=len(content))
        for content, kind in kinds.items()
    ]


@pytest.mark.enable_socket
@pytest.mark.parametrize("encode", [applied, in_members, deflated, labelled])
@pytest.mark.parametrize("says_digest", [True, False])
async def test_every_answer_is_read_as_it_was_meant(encode: Encode, says_digest: bool, drain: Drain) -> None:
    """Manifests by tag and by digest, small blobs, tags, referrers, tokens and own APIs; digests are of the bytes as stored."""
    async with serve(encode, asks=True, says_digest=says_digest) as client:
        images = RegistryImages(client, APP)
        for reference in (V1, IMAGE.digest):
            found = await images.manifest(reference)
            assert (found.raw, found.digest) == (IMAGE.raw, IMAGE.digest)
            assert await images.head(reference) == IMAGE.digest
        assert await images.describe(IMAGE.digest) == Descriptor(media_type=OCI_MANIFEST, digest=IMAGE.digest, size=len(IMAGE.raw))
        for each in stored():
            assert await images.blob(each, limit_bytes=1 << 20) == IMAGE.blobs[each.digest]
        assert [tag async for tag in DistributionListing(client).tags(APP)] == ["v1"]
        assert await RegistryReferrers(client).in_api(APP, IMAGE.digest) == ()
        assert (await RegistryOwnApi(client).call("GET", "/api")).document == {"ours": True}


@pytest.mark.enable_socket
@pytest.mark.parametrize("encode", [applied, in_members, labelled])
@pytest.mark.parametrize("chunked", [True, False])
async def test_layers_are_poured_as_they_are_stored(encode: Encode, chunked: bool, drain: Drain) -> None:
    """The label on a layer that is stored in gzip does not matter, nor does gzip that a proxy has put around a plain one."""
    async with serve(encode, chunked=chunked) as client:
        for each in stored():
            assert await drain(RegistryImages(client, APP), each) == IMAGE.blobs[each.digest]


@pytest.mark.enable_socket
async def test_a_bomb_is_none(drain: Drain) -> None:
    """What becomes more than was announced, or more than is ever read, is refused."""

    def bomb(body: bytes) -> tuple[bytes, str]:
        return gzip.compress(body + bytes(1 << 24)), "gzip"

    async with serve(bomb, says_digest=False) as client:
        images = RegistryImages(client, APP)
        for asking in (images.manifest(IMAGE.digest), images.blob(stored()[0], limit_bytes=1 << 20), drain(images, stored()[0])):
            with pytest.raises(DigestMismatchError):
                await asking
        with pytest.raises(InvalidManifestError):
            await images.manifest(V1)
        with pytest.raises(RegistryRefusedError):
            await RegistryOwnApi(client).call("GET", "/api")


@pytest.mark.enable_socket
async def test_other_bytes_in_gzip_are_other_bytes(drain: Drain) -> None:
    """An encoding excuses nothing."""

    def changed(body: bytes) -> tuple[bytes, str]:
        return gzip.compress(body[:-1] + b"!"), "gzip"

    async with serve(changed) as client:
        images = RegistryImages(client, APP)
        for asking in (images.manifest(V1), images.manifest(IMAGE.digest), images.blob(stored()[0], limit_bytes=1 << 20)):
            with pytest.raises(DigestMismatchError):
                await asking
        with pytest.raises(WatcherError):
            await drain(images, stored()[0])
