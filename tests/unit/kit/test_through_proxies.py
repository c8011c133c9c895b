"""Everybody who speaks HTTP does so through the proxies of the environment, over real sockets."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from tests.doubles.certificates import Authority
from tests.doubles.proxy_server import proxy_server
from tests.doubles.publishing import Notes, publisher_context
from tests.doubles.scripted_server import scripted_server
from tests.doubles.verdicts import a_verdict
from watcher.advisories.fetching import Fetcher
from watcher.kit import tunnel
from watcher.kit.http_trouble import ProxyError
from watcher.kit.proxies import Proxies, parse_proxy
from watcher.kit.secret import Secret
from watcher.kit.through_proxies import through
from watcher.model.errors import RetryableError
from watcher.publishing.github_api import github_api
from watcher.publishing.settings import WebhookPublisherSettings
from watcher.publishing.webhook import WebhookPublisher
from watcher.registry.entra import entra_token
from watcher.registry.settings import AcrAuth
from watcher.sources.webhook_fetch import fetch

pytestmark = pytest.mark.enable_socket

NAME = "hooks.test"  # which no name server has
URL_THERE = f"http://{NAME}/hook"


async def answer(_request: web.Request) -> web.Response:
    return web.json_response({"access_token": "entra"})


async def fetch_a_key(_directory: Path) -> None:
    await fetch(URL_THERE)


async def fetch_an_advisory(_directory: Path) -> None:
    async with Fetcher(sleep=lambda _: asyncio.sleep(0)) as fetcher:
        await fetcher.record(URL_THERE)


async def find_a_webhook(directory: Path) -> None:
    async with publisher_context(directory / "w.db") as context:
        await WebhookPublisher(WebhookPublisherSettings(url=URL_THERE), context).open()


async def tell_a_webhook(directory: Path) -> None:
    async with publisher_context(directory / "w.db") as context:
        await WebhookPublisher(WebhookPublisherSettings(url=URL_THERE), context).publish(a_verdict(), Notes())


async def call_an_api(directory: Path) -> None:
    async with publisher_context(directory / "w.db") as context:
        await github_api("status", URL_THERE, Secret("token"), context.session, context.clock).call("GET", "/")


async def ask_entra(_directory: Path) -> None:
    settings = AcrAuth(tenant="t", client_id="c", client_secret="env:APP_SECRET")
    await entra_token(settings, Proxies.of_environment())


ASKING: list[Callable[[Path], Awaitable[None]]] = [
    fetch_a_key, fetch_an_advisory, find_a_webhook, tell_a_webhook, call_an_api, ask_entra,
]  # fmt: skip


@pytest.mark.parametrize("ask", ASKING)
async def test_everybody_asks_through_it(
    ask: Callable[[Path], Awaitable[None]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that only the proxy finds answers; a proxy that refuses, or is not there, is named, and its password is not."""
    monkeypatch.setenv("APP_SECRET", "s3cret")
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", f"http://{NAME}")
    async with scripted_server(answer) as server, proxy_server({NAME: int(server.host.rpartition(":")[2])}, password="p") as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url_with_password)
        await ask(tmp_path)
        if ask is not find_a_webhook:  # which connects, and hangs up
            assert any(f"http://{NAME}/" in each for each in proxy.asked)
            monkeypatch.setenv("HTTP_PROXY", proxy.url_with_password.replace(":p@", ":wr0ng@"))
            with pytest.raises(RetryableError, match=rf"the proxy 127\.0\.0\.1:{proxy.port} refuses us: .*407") as caught:
                await ask(tmp_path)
            assert "wr0ng" not in str(caught.value)
    with pytest.raises(RetryableError, match=rf"the proxy 127\.0\.0\.1:{proxy.port} cannot be reached: Connection refused"):
        await ask(tmp_path)


async def test_the_identity_of_this_machine_is_never_asked_of_another() -> None:
    """A proxy would get that of its own."""
    async with scripted_server(answer) as server, proxy_server() as proxy:
        everything = Proxies.always(parse_proxy(proxy.url, "proxy"))
        assert (await entra_token(AcrAuth(identity_endpoint=server.url), everything)).reveal() == "entra"
        assert not proxy.asked


async def test_each_step_of_a_redirect_has_its_own_proxy(tmp_path: Path) -> None:
    """From http to https: as a whole URL through one, in a tunnel through the other."""
    authority = Authority(tmp_path, hosts=["secure.test"])

    async def lead(_request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": "https://secure.test/"})

    async with (
        scripted_server(lead) as plain,
        scripted_server(answer, tls=authority.server_context()) as secure,
        proxy_server({NAME: int(plain.host.rpartition(":")[2])}) as one,
        proxy_server({"secure.test:443": int(secure.host.rpartition(":")[2])}) as other,
    ):
        proxies = Proxies(http=parse_proxy(one.url, "http"), https=parse_proxy(other.url, "https"))
        trusting = ssl.create_default_context(cafile=str(authority.path))
        async with aiohttp.ClientSession(middlewares=(through(proxies),)) as session:
            async with session.get(URL_THERE, ssl=trusting) as response:
                assert (await response.json())["access_token"] == "entra"
            # Who answers in a tunnel cannot speak for the proxy.
            with pytest.raises(aiohttp.ClientConnectorError) as caught:
                await session.get("https://secure.test/")
            assert caught.value.__notes__ == [f"through the proxy 127.0.0.1:{other.port}"]
        assert one.asked == [f"GET {URL_THERE}"]
        assert other.asked == ["CONNECT secure.test:443"] * 2
        _, writer = await tunnel.connect(URL("https://secure.test"), proxies, trusting)
        assert writer.get_extra_info("ssl_object").version().startswith("TLS")
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("said", [b"", b"SSH-2.0\r\n\r\n", b"HTTP/1.1 2x0\r\n\r\n", b"x" * 100_000, b"HTTP/1.1 403 No\r\n\r\n"])
async def test_a_proxy_that_is_none(said: bytes) -> None:
    """Whatever it says instead of 200 ends the attempt, and no more of it is read than a head may have."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        proxies = Proxies.always(parse_proxy(url, "proxy"))
        with pytest.raises(ProxyError, match=r"the proxy .* (does not answer as one of HTTP|refuses to connect us.*403)"):
            await tunnel.connect(URL("https://registry.test"), proxies, ssl.create_default_context())
