import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.doubles.publishing import Notes, publisher_context
from tests.doubles.verdicts import a_verdict
from watcher.kit.secret import Secret
from watcher.publishing.context import PublisherContext
from watcher.publishing.links import Links
from watcher.publishing.receiver import ReceiverRefusedError, ReceiverUnavailableError
from watcher.publishing.settings import WebhookPublisherSettings
from watcher.publishing.webhook import WebhookPublisher, sign

pytestmark = pytest.mark.enable_socket


class Receiver:
    """Answers what it is told to and remembers what it was sent."""

    def __init__(self) -> None:
        self.status = 202
        self.headers: dict[str, str] = {}
        self.requests: list[tuple[dict[str, str], bytes]] = []

    async def take(self, request: web.Request) -> web.Response:
        self.requests.append(({name.lower(): value for name, value in request.headers.items()}, await request.read()))
        return web.Response(status=self.status, headers=self.headers)


@pytest.fixture
async def receiver() -> AsyncIterator[tuple[Receiver, str]]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/", receiver.take)
    async with TestServer(app) as server:
        yield receiver, str(server.make_url("/"))


@pytest.fixture
async def context(tmp_path: Path) -> AsyncIterator[PublisherContext]:
    async with publisher_context(tmp_path / "w.db") as context:
        yield context


async def test_a_message_leads_to_the_verdict(receiver: tuple[Receiver, str], context: PublisherContext) -> None:
    """Where the watcher can be reached from outside."""
    taken, url = receiver
    linked = replace(context, links=Links(public_url="https://watcher.example.com"))
    await WebhookPublisher(WebhookPublisherSettings(url=url), linked).publish(a_verdict(), Notes())
    assert json.loads(taken.requests[0][1])["verdicturl"] == "https://watcher.example.com/api/v1/verdicts/v-1"


async def test_a_verdict_arrives_signed(
    receiver: tuple[Receiver, str], context: PublisherContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The receiver can check id, time and body with the shared secret."""
    monkeypatch.setenv("OUT_SECRET", "shared")
    taken, url = receiver
    publisher = WebhookPublisher(WebhookPublisherSettings(url=url, secret="env:OUT_SECRET"), context)
    await publisher.publish(a_verdict(), Notes())
    ((headers, body),) = taken.requests
    assert json.loads(body)["data"]["outcome"] == "fail"
    assert headers["content-type"].startswith("application/cloudevents+json")
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(b"shared", signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"


async def test_while_keys_are_changed_both_sign(
    receiver: tuple[Receiver, str], context: PublisherContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A receiver that has either key takes the message."""
    monkeypatch.setenv("NEW", "new")
    monkeypatch.setenv("OLD", "old")
    taken, url = receiver
    settings = WebhookPublisherSettings(url=url, secret="env:NEW", former_secret="env:OLD")
    await WebhookPublisher(settings, context).publish(a_verdict(), Notes())
    ((headers, body),) = taken.requests
    signatures = [sign(Secret(key), headers["webhook-id"], headers["webhook-timestamp"], body) for key in ("new", "old")]
    assert headers["webhook-signature"].split(" ") == signatures


def test_a_former_key_alone_is_a_mistake() -> None:
    """Whoever forgot to write the new one would send what the old one signs for ever."""
    with pytest.raises(ValueError, match="former_secret"):
        WebhookPublisherSettings(url="https://hooks.example.com", former_secret="env:OLD")


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
async def test_a_receiver_that_cannot_now_is_asked_again(
    status: int, receiver: tuple[Receiver, str], context: PublisherContext
) -> None:
    """What it says of when is passed on."""
    taken, url = receiver
    taken.status, taken.headers = status, {"Retry-After": "7"}
    with pytest.raises(ReceiverUnavailableError) as caught:
        await WebhookPublisher(WebhookPublisherSettings(url=url), context).publish(a_verdict(), Notes())
    assert caught.value.retry_after_seconds == 7


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("Wed, 25 Nov 2026 10:00:30 GMT", 30),
        ("1795600830", 30),
        ("0", 1),
        ("86400", 300),
        ("9" * 400, 300),
        ("-1", None),
        ("later", None),
    ],
)
async def test_when_a_receiver_wants_to_be_asked(
    value: str, seconds: float | None, receiver: tuple[Receiver, str], context: PublisherContext
) -> None:
    """As a date or a Unix time as well, by the receiver's own clock; never less than a second nor more than five minutes."""
    taken, url = receiver
    taken.status, taken.headers = 503, {"Retry-After": value, "Date": "Wed, 25 Nov 2026 10:00:00 GMT"}
    with pytest.raises(ReceiverUnavailableError) as caught:
        await WebhookPublisher(WebhookPublisherSettings(url=url), context).publish(a_verdict(), Notes())
    assert caught.value.retry_after_seconds == seconds


@pytest.mark.parametrize("status", [301, 400, 401, 404, 410])
async def test_a_receiver_that_refuses_is_not_asked_again(
    status: int, receiver: tuple[Receiver, str], context: PublisherContext
) -> None:
    """Redirects included: a verdict goes where it was configured to go."""
    taken, url = receiver
    taken.status, taken.headers = status, {"Location": "/elsewhere"}
    with pytest.raises(ReceiverRefusedError):
        await WebhookPublisher(WebhookPublisherSettings(url=url), context).publish(a_verdict(), Notes())
    assert len(taken.requests) == 1


async def test_a_receiver_that_is_gone_is_asked_again(context: PublisherContext) -> None:
    """Nothing listens on the discard port of the loopback."""
    with pytest.raises(ReceiverUnavailableError):
        await WebhookPublisher(WebhookPublisherSettings(url="http://127.0.0.1:9/"), context).publish(a_verdict(), Notes())


def test_a_whsec_secret_is_base64() -> None:
    """The form in which Standard Webhooks libraries hand out keys."""
    key = base64.b64encode(b"0123456789").decode()
    assert sign(Secret(f"whsec_{key}"), "i", "1", b"{}") == sign(Secret("0123456789"), "i", "1", b"{}")
