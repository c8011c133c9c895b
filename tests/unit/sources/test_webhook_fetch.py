"""What is fetched to judge a sender, from a server on loopback."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.doubles.receiver import WrittenDialect, running_receiver
from watcher.kit.clock import utc_now
from watcher.sources.webhook import WebhookSource
from watcher.sources.webhook_fetch import MAX_BYTES, FetchError, fetch
from watcher.sources.webhook_settings import OidcAuth, WebhookSourceSettings

pytestmark = pytest.mark.enable_socket

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
JWKS = json.dumps({"keys": [{**jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True), "kid": "k1"}]}).encode()
AUDIENCE, EMAIL = "https://watcher.example.com/hooks/gar", "push@my-project.iam.gserviceaccount.com"


@dataclass
class Keys:
    """A server whose every answer is written by the test."""

    url: str = ""
    status: int = 200
    body: bytes = JWKS
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        await self.gate.wait()
        return web.Response(status=self.status, body=self.body, headers=self.headers)


@pytest.fixture
async def keys() -> AsyncIterator[Keys]:
    keys = Keys()
    keys.gate.set()
    app = web.Application()
    app.router.add_get("/{path:.*}", keys.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    keys.url = f"http://127.0.0.1:{runner.addresses[0][1]}/certs"
    yield keys
    keys.gate.set()
    await runner.cleanup()


async def test_an_answer_comes_with_status_and_headers(keys: Keys) -> None:
    """Names of headers compare without case."""
    keys.headers["Cache-Control"] = "max-age=600"
    status, headers, body = await fetch(keys.url)
    assert (status, headers["cache-control"], body) == (200, "max-age=600", JWKS)


async def test_a_redirect_is_an_answer_and_not_followed(keys: Keys) -> None:
    """What was checked is the address that was asked, and no other."""
    keys.status, keys.headers = 302, {"Location": "/elsewhere"}
    assert (await fetch(keys.url))[0] == 302
    assert keys.asked == ["/certs"]


async def test_an_answer_without_end_is_none(keys: Keys) -> None:
    """Neither in size nor in time; nor is a server that is not there."""
    keys.body = b" " * MAX_BYTES
    assert len((await fetch(keys.url))[2]) == MAX_BYTES
    keys.body += b" "
    with pytest.raises(FetchError, match="more than"):
        await fetch(keys.url)
    keys.gate.clear()
    with pytest.raises(FetchError):
        await fetch(keys.url, timeout_seconds=0.05)
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        with pytest.raises(FetchError):
            await fetch(f"http://127.0.0.1:{unheard.getsockname()[1]}/certs")


async def test_a_push_subscription_proves_itself_with_its_token(keys: Keys, tmp_path: Path) -> None:
    """204 with it; one and the same 401 without, and for another; 503 and not 401 while the keys cannot be had."""
    auth = OidcAuth(audience=AUDIENCE, email=EMAIL, jwks_url=keys.url)
    source = WebhookSource(WebhookSourceSettings(dialect="gar", auth=auth), max_body_bytes=1024)
    now = int(utc_now().timestamp())
    claims = {"iss": "accounts.google.com", "aud": AUDIENCE, "email": EMAIL, "email_verified": True, "iat": now, "exp": now + 60}

    def token(**changes: str) -> dict[str, str]:
        return {"Authorization": "Bearer " + jwt.encode({**claims, **changes}, KEY, algorithm="RS256", headers={"kid": "k1"})}

    async with running_receiver(tmp_path, [source], WrittenDialect()) as receiver:
        keys.status = 500
        status, headers, _ = await receiver.send("POST", "gar", b"{}", token())
        assert (status, headers["Retry-After"]) == (503, "1")
        keys.status = 200
        # Another one, which has not just been told that there are no keys.
        source = WebhookSource(WebhookSourceSettings(dialect="gar", auth=auth), max_body_bytes=1024)
    async with running_receiver(tmp_path, [source], WrittenDialect()) as receiver:
        status, _, body = await receiver.send("POST", "gar", b"{}", token())
        assert (status, body) == (204, b"")
        refused = [
            await receiver.send("POST", "gar", b"{}", each)
            for each in ({}, {"Authorization": "Bearer x"}, token(aud="https://other.example.com"), token(email="other"))
        ]
        refused.append(await receiver.send("POST", "nobody", b"{}"))
        assert {(status, body) for status, _, body in refused} == {(401, refused[0][2])}
        assert len(receiver.backlog.arrivals) == 1
        reader, writer = await receiver.connect()
        wrong = token(aud="https://other.example.com")["Authorization"]
        writer.write(f"POST /hooks/gar HTTP/1.1\r\nHost: x\r\nAuthorization: {wrong}\r\nContent-Length: 1000000\r\n\r\n".encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 401")
        writer.close()
        await writer.wait_closed()
