"""Strangers at the door: connections that say nothing, half of something or nonsense, over plain TCP and TLS."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import structlog

from tests.doubles.api import RunningApi, running_api
from tests.doubles.certificates import Authority
from watcher.api.limits import Limits
from watcher.api.settings import ServerSettings, TlsSettings

pytestmark = pytest.mark.enable_socket

HASTY = Limits(head_seconds=0.2, idle_seconds=3600.0, unread_seconds=0.2)
CROWDED = Limits(head_seconds=3600.0, idle_seconds=3600.0, min_connections=20, max_connections=20)
GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"POST /api/v1/evaluations HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

Connected = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Door:
    """A running server, and ways to knock."""

    def __init__(self, api: RunningApi, trusted: ssl.SSLContext | None) -> None:
        self.api, self.trusted = api, trusted

    async def knock(self, said: bytes = b"", *, tls: bool = False, limit_bytes: int = 2**16) -> Connected:
        """A connection that reads ahead so much."""
        host, _, port = self.api.url.partition("://")[2].partition(":")
        reader, writer = await asyncio.open_connection(host, int(port), ssl=self.trusted if tls else None, limit=limit_bytes)
        writer.write(said)
        return reader, writer

    async def alive(self) -> bool:
        """Answered on a new connection, as a probe is."""
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=self.trusted or True, force_close=True)) as session,
            session.get(self.api.url + "/healthz") as response,
        ):
            return response.status == 200

    def ended(self, reason: str) -> float:
        return self.api.metrics.registry.get_sample_value("watcher_connections_ended_total", {"reason": reason}) or 0.0


@contextlib.asynccontextmanager
async def door(directory: Path, limits: Limits, *, tls: bool) -> AsyncIterator[Door]:
    settings, trusted = ServerSettings(port=0), None
    if tls:
        authority = Authority(directory / "tls")
        cert, key = authority.issue("server")
        settings = ServerSettings(port=0, tls=TlsSettings(cert=str(cert), key=str(key)))
        trusted = ssl.create_default_context(cafile=str(authority.path))
    async with running_api(directory, settings=settings, limits=limits) as api:
        yield Door(api, trusted)


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
async def either(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Door]:
    async with door(tmp_path, HASTY, tls=request.param) as opened:
        yield opened


@pytest.fixture
async def plain(tmp_path: Path) -> AsyncIterator[Door]:
    async with door(tmp_path, HASTY, tls=False) as opened:
        yield opened


@pytest.fixture
async def over_tls(tmp_path: Path) -> AsyncIterator[Door]:
    async with door(tmp_path, HASTY, tls=True) as opened:
        yield opened


async def rest(connected: Connected) -> bytes:
    """Everything that was answered until the other side hung up."""
    heard = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while piece := await connected[0].read(65536):
            heard += piece
    connected[1].close()
    return heard


@pytest.mark.parametrize("said", [b"", b"POST /ho", b"GET /healthz HTTP/1.1\r\nHost: x\r\n"])
async def test_a_first_request_has_seconds_to_come(either: Door, said: bytes) -> None:
    """However long a connection may be kept after it was answered."""
    assert await rest(await either.knock(said, tls=either.trusted is not None)) == b""
    assert either.ended("silent") == 1.0


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01\x02\x00", GET])
async def test_a_handshake_has_seconds_to_be_done(over_tls: Door, said: bytes) -> None:
    """Silence, half of a hello, and plain HTTP on a port that speaks TLS."""
    await rest(await over_tls.knock(said))
    assert over_tls.ended("tls") == 1.0
    assert await over_tls.alive()


async def test_a_further_request_has_seconds_too(plain: Door) -> None:
    """A connection that was answered is kept, but not while it says half of something."""
    connected = await plain.knock(GET)
    await connected[0].readuntil(b"}")
    connected[1].write(b"GET /hea")
    assert await rest(connected) == b""
    assert plain.ended("silent") == 1.0


async def test_a_connection_that_was_answered_is_kept(plain: Door) -> None:
    """Longer than its first request had time to come."""
    reader, writer = await plain.knock(GET)
    await reader.readuntil(b"}")
    silent = await plain.knock()
    assert await rest(silent) == b""  # as long as that took
    writer.write(GET)
    assert b"alive" in await reader.readuntil(b"}")
    writer.close()


async def test_who_takes_no_answer_is_hung_up_on(plain: Door) -> None:
    """A client that asks and asks and never reads holds its connection for seconds, not for ever."""
    _, writer = await plain.knock(limit_bytes=1)
    with pytest.raises(ConnectionError):
        while True:
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
            await writer.drain()
    writer.close()


@pytest.mark.parametrize("tls", [False, True])
async def test_more_connections_than_there_may_be(tmp_path: Path, tls: bool) -> None:
    """From the moment they are accepted, before their handshake: the oldest make room, and a probe is answered throughout."""
    async with door(tmp_path, CROWDED, tls=tls) as opened:
        silent = []
        for index in range(100):
            silent.append(await opened.knock(b"" if tls else b"POST /ho"))
            if index % 10 == 9:
                assert await opened.alive()
        assert await asyncio.gather(*(rest(each) for each in silent[:80])) == [b""] * 80
        assert opened.ended("crowded") >= 80
        for _, writer in silent:
            writer.close()


MALFORMED = {
    "no request": b"GARBAGE\r\n\r\n",
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a version that there is not": b"GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n",
    "a NUL in a name": b"GET /healthz HTTP/1.1\r\nHo\0st: x\r\n\r\n",
    "a NUL in a value": b"GET /healthz HTTP/1.1\r\nHost: \0\r\n\r\n",
    "a NUL in the target": b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a target that is no URL": b"GET http://[::1/hooks/main/hunter2 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a header beyond all limits": b"GET /healthz HTTP/1.1\r\nA: " + b"a" * 20_000 + b"\r\n\r\n",
    "no length of a chunk": CHUNKED + b"zz\r\n{}\r\n",
    "a chunk that is longer": CHUNKED + b"2\r\n{}xx\r\n0\r\n\r\n",
    "an absurd chunk": CHUNKED + b"f" * 30 + b"\r\n",
    "nonsense after a request": GET + b"GARBAGE\r\n\r\n",
    "nonsense after an upgrade": b"GET /healthz HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nabcdef",
}


@pytest.mark.parametrize("said", MALFORMED.values(), ids=MALFORMED)
async def test_what_is_no_http_is_counted(plain: Door, said: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Anybody can send it, at any rate: a number and a line for debugging, no traceback, and nothing of what was sent."""
    with structlog.testing.capture_logs() as logged:
        assert b"400" in await rest(await plain.knock(said))
    assert plain.ended("malformed") == 1.0
    assert [each["log_level"] for each in logged if each.get("reason") == "malformed"] == ["debug"]
    assert [each for each in logged if each["log_level"] != "debug"] == []
    assert [record for record in caplog.records if record.name.startswith("aiohttp")] == []
    assert "hunter2" not in repr(logged)


@pytest.mark.parametrize("path", ["/api/v1/evaluations", "/k8s/admission", "/healthz"])
@pytest.mark.parametrize("more", [b"zz\r\n", b"2\r\n{}xx\r\n", None])
async def test_a_body_that_breaks_off_later_is_no_mistake_of_ours(
    plain: Door, path: str, more: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Also when the request is being answered already: its sender went away, or made nonsense of it."""
    head = CHUNKED.replace(b"/api/v1/evaluations", path.encode()).replace(b"POST", b"GET" if path == "/healthz" else b"POST")
    with structlog.testing.capture_logs() as logged:
        connected = await plain.knock(head + b"1\r\n{\r\n")
        assert await plain.alive()  # the head above has been read by then
        if more is None:
            connected[1].close()
        else:
            connected[1].write(more)
            await rest(connected)
        assert await plain.alive()
    assert [each for each in logged if each["log_level"] not in ("debug", "info")] == []
    assert [record for record in caplog.records if record.name.startswith("aiohttp")] == []
