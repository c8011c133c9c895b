"""SNS over HTTP with moto's server as SNS: its own signatures and certificates, its own API.

Moto tells services apart by the signature of a request, Amazon by the host name: requests without a signature (a certificate, a
confirmation) go through a door that says which service is meant. Moto sends no SubscriptionConfirmation, so a test signs one.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import pytest
from aiohttp import web

from tests.doubles.receiver import Receiver, WrittenDialect, running_receiver
from watcher.kit.clock import utc_now
from watcher.sources.webhook import WebhookSource
from watcher.sources.webhook_settings import SnsAuth, WebhookSourceSettings
from watcher.testing.ports import free_port
from watcher.testing.senders.sns_topic import SigningTopic

REGION = "eu-west-1"
TOPIC = f"arn:aws:sns:{REGION}:123456789012:ecr-events"
SIGNED_FOR_SNS = {
    "Authorization": f"AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/sns/aws4_request, SignedHeaders=host, Signature=0"
}


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """The URL of moto's server."""
    port = free_port()
    program = Path(sys.executable).with_name("moto_server")
    with subprocess.Popen(
        [program, "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        yield f"http://127.0.0.1:{port}"
        server.terminate()


@dataclass
class Door:
    """In front of moto: `asked` has every request without a signature, `files` what is answered without asking moto."""

    moto: str
    url: str = ""
    asked: list[tuple[str, str, dict[str, list[str]]]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    status: int = 0
    error: bytes = b""

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        assert "Authorization" not in request.headers
        self.asked.append((request.method, request.path, parse_qs(body.decode())))
        if self.status:
            return web.Response(status=self.status, body=self.error)
        if request.path.lstrip("/") in self.files:
            return web.Response(body=self.files[request.path.lstrip("/")])
        headers = {**SIGNED_FOR_SNS, "Content-Type": request.headers.get("Content-Type", "")}
        async with (
            aiohttp.ClientSession() as session,
            session.request(request.method, self.moto + request.path, data=body, headers=headers) as answer,
        ):
            return web.Response(status=answer.status, body=await answer.read(), content_type=answer.content_type)


@pytest.fixture
async def door(moto: str) -> AsyncIterator[Door]:
    door = Door(moto)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", door.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    door.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield door
    await runner.cleanup()


class Sns:
    """The API, as the owner of topics uses it."""

    def __init__(self, url: str) -> None:
        import boto3

        session = boto3.session.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)
        self._client: Any = session.client("sns", endpoint_url=url)

    async def call(self, name: str, **values: Any) -> Any:
        return await asyncio.to_thread(getattr(self._client, name), **values)


@pytest.fixture
async def sns(moto: str) -> Sns:
    async with asyncio.timeout(20), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.post(f"{moto}/moto-api/reset"):
                    break
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)
    return Sns(moto)


@pytest.fixture
def dialect() -> WrittenDialect:
    return WrittenDialect()


@pytest.fixture
async def receiver(tmp_path: Path, door: Door, dialect: WrittenDialect) -> AsyncIterator[Receiver]:
    auth = SnsAuth(topics=(TOPIC,), endpoint_url=door.url)
    source = WebhookSource(WebhookSourceSettings(name="sns", dialect="ecr", auth=auth), max_body_bytes=65536)
    async with running_receiver(tmp_path, [source], dialect) as running:
        yield running


async def subscribed(sns: Sns, receiver: Receiver, name: str) -> str:
    topic = (await sns.call("create_topic", Name=name))["TopicArn"]
    await sns.call("subscribe", TopicArn=topic, Protocol="http", Endpoint=f"{receiver.api.url}/hooks/sns")
    return str(topic)


async def test_what_sns_publishes_is_taken_in(sns: Sns, door: Door, receiver: Receiver, dialect: WrittenDialect) -> None:
    """Signed by it, checked with the certificate that it serves, and read as it was sent."""
    topic = await subscribed(sns, receiver, "ecr-events")
    assert topic == TOPIC
    event = json.dumps({"source": "aws.ecr", "detail": {"repository-name": "team/app", "é": "\n"}})
    await sns.call("publish", TopicArn=topic, Message=event)
    ((method, path, _),) = door.asked
    assert (method, path.startswith("/SimpleNotificationService-")) == ("GET", True)
    (delivery,) = dialect.read_so_far
    message = json.loads(delivery.body)
    assert (message["Type"], message["TopicArn"], message["Message"]) == ("Notification", TOPIC, event)


async def test_what_another_topic_publishes_is_refused(sns: Sns, door: Door, receiver: Receiver) -> None:
    """However well SNS signs it; and nothing is fetched for it."""
    topic = await subscribed(sns, receiver, "of-somebody")
    await sns.call("publish", TopicArn=topic, Message="{}")
    assert door.asked == []
    assert receiver.backlog.arrivals == []


async def test_a_subscription_is_confirmed_by_the_api(sns: Sns, door: Door, receiver: Receiver) -> None:
    """Without credentials, with topic and token, and answered 200 once that is done."""
    await sns.call("create_topic", Name="ecr-events")
    amazon = SigningTopic(utc_now, topic=TOPIC)
    door.files[amazon.certificate_url.rpartition("/")[2]] = amazon.pem
    headers = {"x-amz-sns-message-type": "SubscriptionConfirmation", "x-amz-sns-topic-arn": TOPIC, "Content-Type": "text/plain"}
    status, _, _ = await receiver.send("POST", "sns", amazon.body("SubscriptionConfirmation", Token="t0ken"), headers)
    assert status == 200
    method, path, form = door.asked[-1]
    assert (method, path, form["Action"], form["TopicArn"], form["Token"]) == (
        "POST",
        "/",
        ["ConfirmSubscription"],
        [TOPIC],
        ["t0ken"],
    )
    assert len(receiver.backlog.arrivals) == 1


@pytest.mark.parametrize(
    ("status", "code", "answer"),
    [
        (500, "InternalError", 503),
        (503, "", 503),
        (429, "", 503),
        (400, "Throttling", 503),
        (403, "", 503),
        (200, "", 503),
        (200, "html", 503),
        (400, "InvalidParameter", 200),
        (403, "AuthorizationError", 200),
    ],
)
async def test_sns_hears_again_of_a_confirmation_that_may_succeed_later(
    door: Door, receiver: Receiver, status: int, code: str, answer: int
) -> None:
    """503 while the API has trouble, or is not what answers; a token that it refuses is refused again, so SNS is told 200."""
    amazon = SigningTopic(utc_now, topic=TOPIC)
    door.files[amazon.certificate_url.rpartition("/")[2]] = amazon.pem
    assert (await receiver.send("POST", "sns", amazon.body()))[0] == 200
    door.status = status
    door.error = f"<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>".encode() if code else b""
    assert (await receiver.send("POST", "sns", amazon.body("SubscriptionConfirmation")))[0] == answer


async def test_an_api_that_is_not_there_is_no_reason_to_refuse(receiver: Receiver, door: Door) -> None:
    """Neither for a message whose certificate cannot be fetched nor for a confirmation: 503 to both."""
    amazon = SigningTopic(utc_now, topic=TOPIC)
    door.status = 500
    assert (await receiver.send("POST", "sns", amazon.body()))[0] == 503
    door.status = 404
    assert (await receiver.send("POST", "sns", amazon.body()))[0] == 401
    assert receiver.backlog.arrivals == []


async def test_a_stranger_is_refused(receiver: Receiver, door: Door) -> None:
    """With a signature of his own, with none, and by raw delivery; one and the same answer."""
    stranger = SigningTopic(utc_now, topic=TOPIC)
    door.files[stranger.certificate_url.rpartition("/")[2]] = SigningTopic(utc_now).pem
    raw = {"x-amz-sns-rawdelivery": "true", "x-amz-sns-topic-arn": TOPIC}
    answers = [
        await receiver.send("POST", "sns", stranger.body()),
        await receiver.send("POST", "sns", b"{}"),
        await receiver.send("POST", "sns", b"{}", raw),
        await receiver.send("POST", "sns", stranger.body(), raw),
        await receiver.send("POST", "nobody", b"{}"),
    ]
    assert {(status, body) for status, _, body in answers} == {(401, answers[0][2])}
    assert receiver.backlog.arrivals == []
