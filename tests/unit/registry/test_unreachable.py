"""What is said when a registry cannot be spoken to: the same of a request and of a blob, over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from watcher.kit.http_trouble import SPEAKS_PLAIN, SPEAKS_TLS
from watcher.model.digest import digest_of
from watcher.model.errors import AuthenticationError, DigestMismatchError, RegistryUnavailableError, WatcherError
from watcher.model.image import Descriptor
from watcher.model.reference import RepositoryName
from watcher.registry.client import RegistryClient
from watcher.registry.manifests import RegistryImages
from watcher.testing.faults import Fault
from watcher.testing.registry import MemoryRegistry, serve_registry

pytestmark = pytest.mark.enable_socket

Connect = Callable[..., RegistryClient]
Drain = Callable[..., Awaitable[bytes]]
APP = RepositoryName("team/app")
BLOB = Descriptor(media_type="application/vnd.oci.image.layer.v1.tar+gzip", digest=digest_of(b"layer"), size=5)
PLAIN_400 = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"


@asynccontextmanager
async def saying(answer: bytes) -> AsyncIterator[int]:
    """A port where everybody hears this, once he has said something."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def said_of_both(client: RegistryClient, drain: Drain, kind: type[WatcherError]) -> list[str]:
    said = []
    for ask in (lambda: client.request("GET", "/v2/", attempts=1), lambda: drain(RegistryImages(client, APP), BLOB)):
        with pytest.raises(kind) as caught:
            await ask()
        said.append(str(caught.value))
    return said


@pytest.mark.parametrize(
    ("scheme", "answer", "expected"),
    [
        ("http", b"\x15\x03\x03\x00\x02\x02\x46", SPEAKS_TLS),
        ("http", PLAIN_400, SPEAKS_TLS),
        ("http", b"SSH-2.0-OpenSSH_9.2p1\r\n", "what it answers is not HTTP"),
        ("http", b"", "the connection was closed without an answer"),
        ("https", b"HTTP/1.0 400 Bad Request\r\n\r\n", SPEAKS_PLAIN),
        ("https", b"\x15\x03\x03\x00\x02\x02\x28", "it refuses us in TLS"),
    ],
)
async def test_who_speaks_something_else(
    scheme: str, answer: bytes, expected: str, registry: MemoryRegistry, connect: Connect, drain: Drain
) -> None:
    """It is said what it speaks, and which setting that is about; a parser's words are not."""
    async with saying(answer) as port:
        said = await said_of_both(connect(registry, host=f"127.0.0.1:{port}", scheme=scheme), drain, RegistryUnavailableError)
    assert [expected in each for each in said] == [True, True], said
    if expected in {SPEAKS_TLS, SPEAKS_PLAIN}:
        assert all("scheme" in each for each in said)


async def test_a_store_that_refuses_is_named(registry: MemoryRegistry, connect: Connect, drain: Drain) -> None:
    """Whoever answered behind a redirect, or did not, and not the signed query of the way there."""
    async with serve_registry() as store:
        store.faults.add(Fault(status=403, times=99, body=b"<Error>s1gned</Error>"))
        away = Fault(status=307, headers={"Location": f"{store.url}/there?X-Signature=s1gned"}, times=99)
        registry.faults.add(away)
        client = connect(registry)
        refused = await said_of_both(client, drain, AuthenticationError)
    gone = await said_of_both(client, drain, RegistryUnavailableError)
    for each in refused:
        assert f"{registry.host}/" in each
        assert each.endswith(f", redirected to {store.host}: answered 403")
    for each in gone:
        assert f", redirected to {store.host}: " in each
        assert "Connection refused" in each
    assert "s1gned" not in "".join(refused + gone)


async def test_a_web_page_is_no_registry(registry: MemoryRegistry, connect: Connect, drain: Drain) -> None:
    """The login of a network, or an application that answers everything with its first page, is waited out."""
    body, headers = b"\n<!DOCTYPE html><html>", {"Content-Type": "text/html; charset=utf-8"}
    registry.content.writable(APP).blobs[BLOB.digest] = b"layer"
    client = connect(registry)
    registry.faults.add(Fault(status=200, body=body, headers=headers, times=5))
    for said in await said_of_both(client, drain, RegistryUnavailableError):
        assert "a web page, not a registry" in said
    registry.faults.add(Fault(status=200, body=body, headers=headers, times=1))
    await client.request("GET", "/v2/", attempts=2)
    registry.faults.add(Fault(status=200, body=body, headers=headers, times=1))
    assert await drain(RegistryImages(client, APP), BLOB) == b"layer"


async def test_a_body_that_ends_too_early_comes_to_an_end(registry: MemoryRegistry, connect: Connect, drain: Drain) -> None:
    """In chunks, and whole by them: asked again, it is other bytes than the manifest says. One that is cut is waited for."""
    begin, part, end = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"2\r\nla\r\n", b"0\r\n\r\n"
    answers: list[tuple[bytes, type[WatcherError], str]] = [
        (begin + part + end, DigestMismatchError, "ends after 2 bytes at each attempt, the manifest says 5"),
        (begin + part, RegistryUnavailableError, "without progress"),
        (begin + end, RegistryUnavailableError, "without progress"),
    ]
    for answer, kind, said in answers:
        async with saying(answer) as port:
            with pytest.raises(kind, match=said):
                await drain(RegistryImages(connect(registry, host=f"127.0.0.1:{port}"), APP), BLOB)


@pytest.mark.parametrize("size", [5, 5000])
@pytest.mark.parametrize(
    "sent", [b"Content-Length: 8\r\n\r\n<script>", b"Transfer-Encoding: chunked\r\n\r\n8\r\n<script>\r\n0\r\n\r\n"]
)
async def test_a_page_in_place_of_a_layer(sent: bytes, size: int, registry: MemoryRegistry, connect: Connect, drain: Drain) -> None:
    """However it is sent, and shorter or longer than the layer: the way is in trouble, and the layer has no part in it."""
    async with saying(b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n" + sent) as port:
        images = RegistryImages(connect(registry, host=f"127.0.0.1:{port}"), APP)
        with pytest.raises(RegistryUnavailableError):
            await drain(images, replace(BLOB, size=size))
