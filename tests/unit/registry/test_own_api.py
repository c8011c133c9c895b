"""What a registry can do by an API of its own."""

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web

from tests.doubles.scripted_server import scripted_server
from watcher.model.errors import AuthenticationError, ConfigurationError, NotFoundError, RegistryRefusedError
from watcher.registry.client import RegistryClient
from watcher.registry.own_api import RegistryOwnApi
from watcher.registry.protocol import ApiAnswer

pytestmark = pytest.mark.enable_socket

Connect = Callable[..., RegistryClient]


async def answer(request: web.Request) -> web.Response:
    """By path; `/echo` gives back what was sent, and how."""
    match request.path:
        case "/echo":
            return web.json_response([await request.json(), request.content_type, request.headers.get("Authorization")])
        case "/nothing":
            return web.Response(status=204)
        case "/page":
            return web.Response(text="<html>")
        case "/denied":
            return web.Response(status=403)
    return web.Response(status=404)


async def test_a_document_is_sent_and_answered(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """User name and password are shown without being asked for, since such an API does not ask."""
    monkeypatch.setenv("ROBOT", "beep")
    async with scripted_server(answer) as server:
        api = RegistryOwnApi(connect(server, auth={"type": "basic", "username": "robot", "password": "env:ROBOT"}))
        shown = "Basic " + base64.b64encode(b"robot:beep").decode()
        body = {"id": 7}
        assert await api.call("POST", "/echo", body=body) == ApiAnswer(status=200, document=[body, "application/json", shown])
        assert await api.call("DELETE", "/nothing", accept=(204,)) == ApiAnswer(status=204)
        assert await api.call("GET", "/gone", accept=(200, 404)) == ApiAnswer(status=404)


async def test_a_token_of_its_own_is_shown_instead(connect: Connect, tmp_path: Path) -> None:
    """And read again each time, so that it can be replaced."""
    token = tmp_path / "token"
    token.write_text("first")
    async with scripted_server(answer) as server:
        client = connect(server, api_token=f"file:{token}")
        for value in ("first", "second"):
            token.write_text(value)
            assert (await RegistryOwnApi(client).call("PUT", "/echo", body={})).document[2] == f"Bearer {value}"
        token.unlink()
        with pytest.raises(AuthenticationError, match="api_token"):
            await RegistryOwnApi(client).call("PUT", "/echo", body={})
        with pytest.raises(ConfigurationError, match="cannot be read"):
            connect(server, api_token=f"file:{token}")


@pytest.mark.parametrize(
    ("path", "error"), [("/page", RegistryRefusedError), ("/denied", AuthenticationError), ("/gone", NotFoundError)]
)
async def test_what_is_refused_is_said(connect: Connect, path: str, error: type[Exception]) -> None:
    async with scripted_server(answer) as server:
        with pytest.raises(error, match=path):
            await RegistryOwnApi(connect(server)).call("GET", path)
