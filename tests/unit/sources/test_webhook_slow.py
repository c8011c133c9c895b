"""Senders that are slow, say nothing, or never end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from tests.doubles.receiver import Receiver, WrittenDialect, running_receiver
from watcher.api.limits import Limits
from watcher.sources.webhook import WebhookSource
from watcher.sources.webhook_settings import BearerAuth, HmacAuth, NoAuth, WebhookAuth, WebhookSourceSettings

pytestmark = pytest.mark.enable_socket

HEAD = b"POST /hooks/open HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture
async def receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Receiver]:
    monkeypatch.setenv("HOOK", "s3cret")
    limits = Limits(read_seconds=0.3, idle_seconds=0.3, min_connections=40, max_connections=40)
    auths: dict[str, WebhookAuth] = {
        "open": NoAuth(),
        "bearer": BearerAuth(secret="env:HOOK"),
        "signed": HmacAuth(secret="env:HOOK"),
    }
    sources = [
        WebhookSource(WebhookSourceSettings(name=name, dialect="generic", auth=auth), max_body_bytes=1024)
        for name, auth in auths.items()
    ]
    async with running_receiver(tmp_path, sources, WrittenDialect(), limits=limits) as running:
        yield running


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What was answered until the other side hung up."""
    with contextlib.suppress(ConnectionError):
        return await reader.read()
    return b""


async def answer_at_once(receiver: Receiver) -> bytes:
    """What a connection of its own is answered: one that is kept idle between two requests may be among those that make room."""
    reader, writer = await receiver.connect()
    writer.write(HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}")
    answer = await ended(reader)
    writer.close()
    return answer


async def answer_to_a_trickle(receiver: Receiver, head: bytes, piece: bytes) -> bytes:
    """All of it. Empty too when a piece came after the end and reset the connection, and what was answered with it."""
    reader, writer = await receiver.connect()
    writer.write(head)
    answered = asyncio.ensure_future(ended(reader))
    while not answered.done():
        writer.write(piece)
        await asyncio.sleep(0.02)
    writer.close()
    return await answered


@pytest.mark.parametrize("said", [b"", b"POST /hoo", HEAD, HEAD + b"X-A: " + b"a" * 100])
async def test_a_connection_that_does_not_come_to_its_request_is_closed(receiver: Receiver, said: bytes) -> None:
    """Whether it says nothing or stops in the middle of its headers."""
    reader, writer = await receiver.connect()
    writer.write(said)
    assert await ended(reader) == b""
    writer.close()


async def test_a_connection_that_trickles_headers_is_closed(receiver: Receiver) -> None:
    """A little now and then does not keep it alive."""
    assert await answer_to_a_trickle(receiver, HEAD, b"X-A: a\r\n") == b""


async def test_a_kept_connection_is_closed_when_it_is_idle(receiver: Receiver) -> None:
    """After the request it was good for."""
    reader, writer = await receiver.connect()
    writer.write(HEAD + b"Content-Length: 2\r\n\r\n{}")
    assert (await ended(reader)).startswith(b"HTTP/1.1 202")
    writer.close()


@pytest.mark.parametrize(
    "path_and_headers",
    [
        "/hooks/open HTTP/1.1\r\nHost: x",
        "/hooks/bearer HTTP/1.1\r\nHost: x\r\nAuthorization: s3cret",
        f"/hooks/signed HTTP/1.1\r\nHost: x\r\nX-Signature: sha256={'0' * 64}",
    ],
)
@pytest.mark.parametrize("framing", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
async def test_a_body_that_trickles_has_an_end(receiver: Receiver, path_and_headers: str, framing: str) -> None:
    """503, and the connection is closed, before the body is there."""
    head = f"POST {path_and_headers}\r\n{framing}\r\n\r\n".encode()
    piece = b"1\r\n{\r\n" if "chunked" in framing else b"{"
    while not (answer := await answer_to_a_trickle(receiver, head, piece)):
        pass
    assert answer.startswith(b"HTTP/1.1 503")
    assert receiver.backlog.arrivals == []


@pytest.mark.parametrize("framing", [b"Content-Length: 1000\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"])
async def test_a_sender_that_goes_away_is_no_crash(receiver: Receiver, framing: bytes) -> None:
    """Half a body is nothing to record, and nothing for a person to look into."""
    with structlog.testing.capture_logs() as logged:
        _, writer = await receiver.connect()
        writer.write(HEAD + framing)
        await writer.drain()
        writer.close()
        while not any(each["event"] == "delivery.postponed" for each in logged):
            await asyncio.sleep(0.01)
    assert {each["reason"] for each in logged if each["event"] == "delivery.postponed"} == {"body-unread"}
    assert "request.crashed" not in {each["event"] for each in logged}
    assert receiver.backlog.arrivals == []


async def test_many_that_are_slow_do_not_hurt_the_others(receiver: Receiver) -> None:
    """More connections than there may be: the oldest make room, and whoever has something to say is answered at once."""
    slow = []
    for index in range(120):
        reader, writer = await receiver.connect()
        writer.write(HEAD if index % 2 else HEAD + b"Content-Length: 1000\r\n\r\n{")
        slow.append((reader, writer))
        if index % 10 == 9:
            assert (await answer_at_once(receiver)).startswith(b"HTTP/1.1 202")
    for reader, writer in slow:
        await ended(reader)
        writer.close()
    assert (await answer_at_once(receiver)).startswith(b"HTTP/1.1 202")


@pytest.mark.parametrize(
    "said",
    [
        HEAD + b"X-A: " + b"a" * 20_000 + b"\r\n\r\n",
        HEAD + b"".join(b"X-%d: a\r\n" % index for index in range(500)) + b"\r\n",
        b"POST /hooks/open?" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        HEAD + b"Content-Length: -1\r\n\r\n",
    ],
    ids=["long header", "many headers", "long target", "two lengths", "two framings", "negative length"],
)
async def test_headers_beyond_all_limits_are_refused(receiver: Receiver, said: bytes) -> None:
    """400, before anybody is asked for a secret."""
    reader, writer = await receiver.connect()
    writer.write(said)
    assert (await ended(reader)).startswith(b"HTTP/1.0 400")
    writer.close()
    assert receiver.backlog.arrivals == []
    assert (await receiver.post("open"))[0] == 202
