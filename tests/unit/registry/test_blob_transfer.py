"""Pouring blobs into a pipe: verified, resumed, stoppable."""

import asyncio
import os
import select
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from watcher.model.digest import Digest, digest_of
from watcher.model.errors import (
    AuthenticationError,
    DigestMismatchError,
    ForbiddenAddressError,
    NotFoundError,
    RegistryRefusedError,
    RegistryUnavailableError,
    ThrottledError,
    TimedOutError,
)
from watcher.model.image import Descriptor
from watcher.model.reference import RepositoryName
from watcher.registry.blobs import MAX_FAILURES
from watcher.registry.client import RegistryClient
from watcher.registry.manifests import RegistryImages
from watcher.registry.settings import RegistrySettings
from watcher.testing.faults import Fault
from watcher.testing.registry import MemoryRegistry, serve_registry
from watcher.testing.tokens import Access, Gate

pytestmark = pytest.mark.enable_socket

Connect = Callable[..., RegistryClient]
Drain = Callable[..., Awaitable[bytes]]
APP = RepositoryName("team/app")
CONTENT = os.urandom(3_000_000)
BLOB = Descriptor(media_type="application/vnd.oci.image.layer.v1.tar+gzip", digest=digest_of(CONTENT), size=len(CONTENT))
AUTH = {"type": "basic", "username": "watcher", "password": "env:REGISTRY_PASSWORD"}
BLOBS = ".*/blobs/.*"


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_PASSWORD", "s3cret")


def hold(registry: MemoryRegistry, content: bytes = CONTENT, digest: Digest | None = None) -> None:
    registry.content.writable(APP).blobs[digest or digest_of(content)] = content


@pytest.fixture
def images(registry: MemoryRegistry, connect: Connect) -> RegistryImages:
    hold(registry)
    return RegistryImages(connect(registry), APP)


def ranges(registry: MemoryRegistry) -> list[str]:
    return [seen.range for seen in registry.seen]


def no_thread_is_left() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("transfer"):
            thread.join(10)
            assert not thread.is_alive()


async def test_a_blob_arrives_whole(images: RegistryImages, drain: Drain) -> None:
    """What comes out of the pipe is the blob as stored, and no thread is left."""
    assert await drain(images, BLOB) == CONTENT
    no_thread_is_left()


async def test_an_empty_blob(registry: MemoryRegistry, images: RegistryImages, drain: Drain) -> None:
    """Nothing is poured, and that nothing is verified."""
    hold(registry, b"")
    empty = Descriptor(media_type="x", digest=digest_of(b""), size=0)
    assert await drain(images, empty) == b""


async def test_cuts_are_resumed_where_they_happened(registry: MemoryRegistry, images: RegistryImages, drain: Drain) -> None:
    """Each attempt asks for the rest; cuts that bring progress are never too many."""
    for _ in range(MAX_FAILURES + 2):
        registry.faults.add(Fault(path=BLOBS, cut_after=300_000))
    assert await drain(images, BLOB) == CONTENT
    asked = ranges(registry)
    assert asked[0] == ""
    positions = [int(value.removeprefix("bytes=").removesuffix("-")) for value in asked[1:]]
    assert positions == sorted(set(positions))
    assert len(asked) == MAX_FAILURES + 3


async def test_a_server_that_ignores_ranges(registry: MemoryRegistry, images: RegistryImages, drain: Drain) -> None:
    """On 200 the bytes we have are read past, not written again."""
    registry.faults.add(Fault(path=BLOBS, cut_after=1_000_000))
    registry.faults.add(Fault(path=BLOBS, ignore_range=True))
    assert await drain(images, BLOB) == CONTENT


async def test_every_request_waits_for_its_turn(connect: Connect, drain: Drain, waits: list[float]) -> None:
    """The registry's rate counts the refused one, the token's, and the one with the token; and each again after a cut."""
    async with serve_registry(gate=Gate(access=Access.TOKEN)) as registry:
        hold(registry)
        registry.gate.expires_seconds = 0
        registry.gate.anonymous_pull = True
        images = RegistryImages(connect(registry, requests_per_second=0.001), APP)
        with pytest.raises(AuthenticationError):
            await drain(images, BLOB)
        assert len(registry.seen) > 2
        assert len(waits) == len(registry.seen) - 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=416),
        Fault(status=206),
        Fault(status=206, headers={"Content-Range": "bytes 7-9/3000000"}, body=b"789"),
        Fault(status=206, headers={"Content-Range": "bytes */3000000"}),
        Fault(status=206, headers={"Content-Type": "multipart/byteranges; boundary=x"}, body=b"--x\r\n"),
    ],
)
async def test_a_server_that_gives_another_part(
    fault: Fault, registry: MemoryRegistry, images: RegistryImages, drain: Drain
) -> None:
    """Or none: then all of it is asked for, and what is there is read past."""
    registry.faults.add(Fault(path=BLOBS, cut_after=1_000_000))
    registry.faults.add(replace(fault, path=BLOBS, times=1))
    assert await drain(images, BLOB) == CONTENT
    first, part, whole = ranges(registry)
    assert (first, whole) == ("", "")
    assert part.startswith("bytes=")


async def test_parts_that_do_not_belong_together(registry: MemoryRegistry, images: RegistryImages, drain: Drain) -> None:
    """Somebody else may have given the second one: that says nothing of the blob, which is asked for again another time."""
    registry.faults.add(Fault(path=BLOBS, cut_after=1_000_000))
    registry.faults.add(Fault(path=BLOBS, corrupt=True))
    with pytest.raises(RegistryUnavailableError, match="the bytes received in 2 parts are sha256"):
        await drain(images, BLOB)


async def test_no_progress_ends_the_transfer(registry: MemoryRegistry, images: RegistryImages, drain: Drain) -> None:
    """A connection that dies before the first byte, again and again, is an unavailable registry."""
    registry.faults.add(Fault(path=BLOBS, cut_after=0, times=99))
    with pytest.raises(RegistryUnavailableError, match=f"{MAX_FAILURES} attempts without progress at byte 0"):
        await drain(images, BLOB)
    assert len(registry.seen) == MAX_FAILURES


async def test_500s_are_retried_and_then_reported(registry: MemoryRegistry, images: RegistryImages, drain: Drain) -> None:
    """A passing 5xx costs an attempt; one that stays is the error."""
    registry.faults.add(Fault(path=BLOBS, status=502, times=2))
    assert await drain(images, BLOB) == CONTENT
    registry.faults.add(Fault(path=BLOBS, status=502, times=99))
    with pytest.raises(RegistryUnavailableError, match="answered 502"):
        await drain(images, BLOB)


async def test_wrong_bytes_are_refused(registry: MemoryRegistry, images: RegistryImages, drain: Drain) -> None:
    """A blob that lies about its digest is known at its end, and never asked for again."""
    registry.faults.add(Fault(path=BLOBS, corrupt=True))
    with pytest.raises(DigestMismatchError, match="bytes received are sha256"):
        await drain(images, BLOB)
    assert len(registry.seen) == 1


@pytest.mark.parametrize("size", [len(CONTENT) - 1, len(CONTENT) + 1, 0])
async def test_a_wrong_size_is_refused_at_once(size: int, images: RegistryImages, drain: Drain) -> None:
    """The manifest's size is part of what is verified; the answer's length already contradicts it."""
    with pytest.raises(DigestMismatchError, match="the manifest says"):
        await drain(images, Descriptor(media_type="x", digest=BLOB.digest, size=size))


async def test_throttling_goes_back_to_the_queue(registry: MemoryRegistry, images: RegistryImages, drain: Drain) -> None:
    """No thread sleeps through a Retry-After."""
    registry.faults.add(Fault(path=BLOBS, status=503, headers={"Retry-After": "33"}))
    with pytest.raises(ThrottledError) as caught:
        await drain(images, BLOB)
    assert caught.value.retry_after_seconds == 33


async def test_a_missing_blob(images: RegistryImages, drain: Drain) -> None:
    """404 is permanent, with the registry's own code."""
    with pytest.raises(NotFoundError, match="BLOB_UNKNOWN"):
        await drain(images, Descriptor(media_type="x", digest=digest_of(b"none"), size=4))


async def test_tokens_are_fetched_and_renewed_on_the_way(connect: Connect, drain: Drain) -> None:
    """The first 401 brings a token; one that expires between two attempts is replaced, and the transfer goes on."""
    async with serve_registry(gate=Gate(access=Access.TOKEN)) as registry:
        hold(registry)
        images = RegistryImages(connect(registry, auth=AUTH), APP)
        assert await drain(images, BLOB) == CONTENT
        registry.faults.add(Fault(path=BLOBS, cut_after=2_000_000))
        registry.faults.add(
            Fault(path=BLOBS, status=401, headers={"WWW-Authenticate": f'Bearer realm="{registry.url}/token",service="t"'})
        )
        assert await drain(images, BLOB) == CONTENT
        assert registry.gate.issued == 2
        assert ranges(registry)[-1] == "bytes=2000000-"


async def test_wrong_credentials_end_it(monkeypatch: pytest.MonkeyPatch, connect: Connect, drain: Drain) -> None:
    """A 401 that stays is an authentication error, asked once."""
    monkeypatch.setenv("REGISTRY_PASSWORD", "wrong")
    async with serve_registry(gate=Gate(access=Access.BASIC)) as registry:
        hold(registry)
        with pytest.raises(AuthenticationError):
            await drain(RegistryImages(connect(registry, auth=AUTH), APP), BLOB)
        assert len(registry.seen) == 2


async def test_a_store_behind_a_redirect_gets_no_credentials(connect: Connect, drain: Drain) -> None:
    """The bytes come from the store; the password does not go there, on resumes neither."""
    async with serve_registry() as store, serve_registry(gate=Gate(access=Access.BASIC)) as registry:
        hold(store)
        location = f"{store.url}/v2/team/app/blobs/{BLOB.digest}?sig=a%2Bb"
        images = RegistryImages(connect(registry, auth=AUTH), APP)
        await connect(registry, auth=AUTH).request("GET", "/v2/")
        registry.faults.add(Fault(path=BLOBS, status=307, headers={"Location": location}, times=9))
        store.faults.add(Fault(path=BLOBS, cut_after=1_000_000))
        assert await drain(images, BLOB) == CONTENT
        assert len(store.seen) == 2
        assert not any(seen.authorized for seen in store.seen)


@pytest.mark.parametrize("location", ["http://169.254.169.254/x", "http://metadata.test/x", "ftp://cdn.example.net/x"])
async def test_redirects_out_of_reach(
    location: str, registry: MemoryRegistry, images: RegistryImages, drain: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The metadata service is not dialled, by address or by name."""
    real = socket.getaddrinfo

    def resolve(host: str, port: int, *args: Any, **more: Any) -> Any:
        return real("169.254.169.254" if host == "metadata.test" else host, port, *args, **more)

    monkeypatch.setattr("socket.getaddrinfo", resolve)
    registry.faults.add(Fault(path=BLOBS, status=307, headers={"Location": location}))
    with pytest.raises(ForbiddenAddressError):
        await drain(images, BLOB)


async def test_redirects_end(registry: MemoryRegistry, images: RegistryImages, drain: Drain) -> None:
    """A circle is left after five hops; that says nothing of the blob."""
    registry.faults.add(Fault(path=BLOBS, status=302, headers={"Location": f"/v2/team/app/blobs/{BLOB.digest}"}, times=99))
    with pytest.raises(RegistryUnavailableError, match="more than 5"):
        await drain(images, BLOB)


async def test_a_reader_that_goes_away_ends_it_quietly(images: RegistryImages) -> None:
    """The reader's own end says why; the transfer just stops."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        await images.pour(BLOB, writing, timeout_seconds=5)
    finally:
        os.close(writing)


async def test_cancelling_a_transfer_that_waits_for_its_reader(images: RegistryImages) -> None:
    """A full pipe with nobody reading is left at once."""
    reading, writing = os.pipe()
    pouring = asyncio.create_task(images.pour(BLOB, writing, timeout_seconds=60))
    while not await asyncio.to_thread(_readable, reading):
        pass
    pouring.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pouring
    no_thread_is_left()
    os.close(writing)
    os.close(reading)


async def test_cancelling_a_transfer_that_waits_for_the_registry(registry: MemoryRegistry, images: RegistryImages) -> None:
    """A registry that has stopped talking holds no thread."""
    registry.faults.add(Fault(path=BLOBS, delay_seconds=30))
    reading, writing = os.pipe()
    pouring = asyncio.create_task(images.pour(BLOB, writing, timeout_seconds=60))
    await registry.arrived.wait()
    pouring.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pouring
    no_thread_is_left()
    os.close(writing)
    os.close(reading)


def _readable(descriptor: int) -> bool:
    return bool(select.select([descriptor], [], [], 1)[0])


@asynccontextmanager
async def serve(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[RegistryImages]:
    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with RegistryClient(RegistrySettings(host=f"127.0.0.1:{runner.addresses[0][1]}")) as client:
            yield RegistryImages(client, APP)
    finally:
        await runner.cleanup()


async def test_a_drip_ends_at_the_deadline(drain: Drain) -> None:
    """A registry that always sends one more byte does not hold a worker for ever."""

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = len(CONTENT)
        await response.prepare(request)
        for position in range(len(CONTENT)):
            await response.write(CONTENT[position : position + 1])
            await asyncio.sleep(0.01)
        return response

    async with serve(drip) as images:
        with pytest.raises(TimedOutError, match="not transferred within"):
            await drain(images, BLOB, seconds=0.2)


@pytest.mark.parametrize(("sent", "error"), [(CONTENT, None), (CONTENT + b"x", DigestMismatchError)])
async def test_bodies_without_a_length(sent: bytes, error: type[Exception] | None, drain: Drain) -> None:
    """A chunked body is read to its end, and one byte too many is seen."""

    async def chunked(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(sent)
        return response

    async with serve(chunked) as images:
        if error is None:
            assert await drain(images, BLOB) == CONTENT
        else:
            with pytest.raises(error):
                await drain(images, BLOB)


@pytest.mark.parametrize(
    ("status", "headers"),
    [(206, {"Content-Range": "bytes 5-9/10"}), (206, {}), (204, {})],
)
async def test_answers_that_were_not_asked_for(status: int, headers: dict[str, str], drain: Drain) -> None:
    """A part or a status that makes no sense here is refused."""

    async def odd(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers=headers, body=b"" if status == 204 else b"12345")

    async with serve(odd) as images:
        with pytest.raises(RegistryRefusedError):
            await drain(images, BLOB)


async def test_a_token_that_ends_in_the_middle_of_a_layer(connect: Connect, drain: Drain) -> None:
    """The connection is cut and the token is over: a new one is fetched, and only the rest is asked for."""
    async with serve_registry(gate=Gate(access=Access.TOKEN)) as registry:
        hold(registry)
        images = RegistryImages(connect(registry, auth=AUTH), APP)
        registry.faults.add(Fault(path=BLOBS, status=401, headers={"WWW-Authenticate": f'Bearer realm="{registry.url}/token"'}))
        registry.faults.add(Fault(path=BLOBS, cut_after=1_000_000))

        async def end_tokens() -> None:
            while not any(seen.path == "/token" for seen in registry.seen):
                await registry.arrived.wait()
                registry.arrived.clear()
            while sum("/blobs/" in seen.path for seen in registry.seen) < 2:
                await registry.arrived.wait()
                registry.arrived.clear()
            registry.gate.tokens.clear()

        async with asyncio.TaskGroup() as group:
            group.create_task(end_tokens(), name="end-tokens")
            assert await drain(images, BLOB) == CONTENT
        assert registry.gate.issued == 2
        assert ranges(registry)[-1] == "bytes=1000000-"


async def test_a_signed_address_that_has_run_out_is_asked_for_again(connect: Connect, drain: Drain) -> None:
    """403 from the store that the registry sent us to: it writes a new address, once."""
    async with serve_registry() as store, serve_registry() as registry:
        hold(store)
        location = f"{store.url}/v2/team/app/blobs/{BLOB.digest}?sig=x"
        registry.faults.add(Fault(path=BLOBS, status=307, headers={"Location": location}, times=9))
        store.faults.add(Fault(path=BLOBS, cut_after=1_000_000))
        store.faults.add(Fault(path=BLOBS, status=403))
        assert await drain(RegistryImages(connect(registry), APP), BLOB) == CONTENT
        assert (len(registry.seen), len(store.seen)) == (3, 3)
        store.faults.add(Fault(path=BLOBS, status=403, times=9))
        with pytest.raises(AuthenticationError):
            await drain(RegistryImages(connect(registry), APP), BLOB)
