"""What a publisher to Pub/Sub sends, and what it makes of the answers."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import msgspec
import pytest

from tests.doubles.courier_pubsub import service_account
from tests.doubles.proxy_server import proxy_server
from tests.doubles.publishing import Notes, publisher_context
from tests.doubles.pubsub_server import TOPIC, PubsubServer, Subscription
from tests.doubles.verdicts import IMAGE, SUBJECT, a_verdict
from watcher.model.errors import ConfigurationError, PermanentError
from watcher.model.verdict import Outcome
from watcher.publishing.cloud_errors import (
    DestinationCredentialsError,
    DestinationDeniedError,
    DestinationMissingError,
    DestinationRefusedError,
    DestinationUnreachableError,
    MessageRefusedError,
)
from watcher.publishing.pubsub import PubsubPublisher
from watcher.publishing.pubsub_settings import PubsubPublisherSettings

pytestmark = pytest.mark.enable_socket

Code = grpc.StatusCode


@pytest.fixture
def server() -> Iterator[PubsubServer]:
    server = PubsubServer()
    server.start()
    yield server
    server.kill()


@asynccontextmanager
async def publishing(folder: Path, **given: Any) -> AsyncIterator[PubsubPublisher]:
    async with publisher_context(folder / "w.db") as context:
        publisher = PubsubPublisher(PubsubPublisherSettings(**{"topic": TOPIC, **given}), context)
        try:
            yield publisher
        finally:
            await publisher.aclose()


@pytest.fixture
def unprepared(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the environment is before anybody has spoken gRPC, and is again afterwards."""
    for name in ("grpc_proxy", "no_grpc_proxy", "https_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.mark.usefixtures("unprepared")
async def test_a_service_is_reached_through_the_proxy(
    server: PubsubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for one on this machine."""
    (tmp_path / "account.json").write_text(json.dumps(service_account()))
    (tmp_path / "away").mkdir()
    async with proxy_server(answers=503) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.removeprefix("http://"))
        async with publishing(tmp_path, endpoint=server.endpoint) as publisher:
            await publisher.open()
        assert not proxy.asked
        given = {"endpoint": "pubsub.test:443", "credentials_file": str(tmp_path / "account.json")}
        async with publishing(tmp_path / "away", **given) as publisher:
            with pytest.raises(DestinationUnreachableError):
                await publisher.open()
        assert "CONNECT pubsub.test:443" in proxy.asked


async def test_a_message_is_an_event_with_attributes(server: PubsubServer, tmp_path: Path) -> None:
    """And with a key of its image, so that a subscription may keep the order of that."""
    async with publishing(tmp_path, endpoint=server.endpoint) as publisher:
        await publisher.open()
        await publisher.publish(a_verdict(), Notes())
    (message,) = server.main.waiting
    event, attributes = json.loads(message.data), dict(message.attributes)
    assert attributes.pop("content-type").startswith("application/cloudevents+json")
    assert {name: event[name] for name in attributes} == attributes
    assert message.ordering_key == f"registry.example.com/team/app@{IMAGE}"


async def test_a_subscription_filters_by_attributes(server: PubsubServer, tmp_path: Path) -> None:
    """What it does not want it never gets."""
    failures = Subscription(filter='attributes.outcome = "fail" AND attributes.environment = "production"')
    server.subscriptions["projects/p/subscriptions/failures"] = failures
    async with publishing(tmp_path, endpoint=server.endpoint) as publisher:
        for verdict in (
            a_verdict(id="v-1"),
            a_verdict(id="v-2", outcome=Outcome.PASS),
            a_verdict(id="v-3", subject=replace(SUBJECT, environment=None)),
        ):
            await publisher.publish(verdict, Notes())
    assert [json.loads(each.data)["id"] for each in failures.waiting] == ["v-1"]
    assert len(server.main.waiting) == 3


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (Code.NOT_FOUND, DestinationMissingError),
        (Code.PERMISSION_DENIED, DestinationDeniedError),
        (Code.UNAUTHENTICATED, DestinationCredentialsError),
        (Code.UNAVAILABLE, DestinationUnreachableError),
        (Code.RESOURCE_EXHAUSTED, DestinationUnreachableError),
        (Code.FAILED_PRECONDITION, DestinationRefusedError),
        (Code.INVALID_ARGUMENT, MessageRefusedError),
    ],
)
async def test_what_a_person_can_change_is_tried_again(
    code: grpc.StatusCode, kind: type[Exception], server: PubsubServer, tmp_path: Path
) -> None:
    """And succeeds once it is changed: a message that failed stops none that comes after it, not even of its image."""
    async with publishing(tmp_path, endpoint=server.endpoint) as publisher:
        server.refuse("Publish", code, "no")
        with pytest.raises(kind) as caught:
            await publisher.publish(a_verdict(), Notes())
        assert isinstance(caught.value, PermanentError) is (kind is MessageRefusedError)
        assert TOPIC in str(caught.value)
        server.allow("Publish")
        await publisher.publish(a_verdict(), Notes())
    assert len(server.main.waiting) == 1


async def test_the_wait_that_is_asked_for_is_kept(server: PubsubServer, tmp_path: Path) -> None:
    """A quota that is used up says when there is more."""
    server.retry_seconds = 11
    server.refuse("Publish", Code.RESOURCE_EXHAUSTED, "quota")
    async with publishing(tmp_path, endpoint=server.endpoint) as publisher:
        with pytest.raises(DestinationUnreachableError) as caught:
            await publisher.publish(a_verdict(), Notes())
    assert caught.value.retry_after_seconds == 11


async def test_who_may_publish_need_not_look(server: PubsubServer, tmp_path: Path) -> None:
    """A right to see the topic is not asked for; that there is none is said at the start."""
    async with publishing(tmp_path, endpoint=server.endpoint) as publisher:
        server.refuse("GetTopic", Code.PERMISSION_DENIED, "no")
        await publisher.open()
    async with publishing(tmp_path, endpoint=server.endpoint, topic="projects/p/topics/other") as publisher:
        server.allow("GetTopic")
        with pytest.raises(DestinationMissingError, match="no such topic"):
            await publisher.open()


async def test_a_service_that_was_away_is_found_again(server: PubsubServer, tmp_path: Path) -> None:
    """By the same publisher, as soon as it is back."""
    async with publishing(tmp_path, endpoint=server.endpoint) as publisher:
        await publisher.publish(a_verdict(id="v-1"), Notes())
        await asyncio.to_thread(server.kill)
        with pytest.raises(DestinationUnreachableError):
            await publisher.publish(a_verdict(id="v-2"), Notes())
        await asyncio.to_thread(server.start)
        async with asyncio.timeout(20):
            while True:
                try:
                    await publisher.publish(a_verdict(id="v-2"), Notes())
                except DestinationUnreachableError:
                    continue
                break
    assert [json.loads(each.data)["id"] for each in server.main.waiting] == ["v-1", "v-2"]


async def test_attributes_are_what_the_service_takes(server: PubsubServer, tmp_path: Path) -> None:
    """Whatever somebody called an environment."""
    strange = replace(SUBJECT, environment="\x1b[31m\0\ufffe" + "\U0001f433" * 3000)
    async with publishing(tmp_path, endpoint=server.endpoint) as publisher:
        await publisher.publish(a_verdict(subject=strange), Notes())
    (message,) = server.main.waiting
    assert dict(message.attributes)["environment"].startswith("\ufffd[31m\ufffd\ufffd\U0001f433")


async def test_the_emulator_of_the_environment_is_used(
    server: PubsubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As every tool of Google's reads it, unless an endpoint is written."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", server.endpoint)
    async with publishing(tmp_path) as publisher:
        await publisher.publish(a_verdict(), Notes())
    assert len(server.main.waiting) == 1


async def test_a_file_of_credentials_is_looked_for_at_the_start(tmp_path: Path) -> None:
    """And what is in it when it is needed: somebody may put another there."""
    file = tmp_path / "key.json"
    with pytest.raises(ConfigurationError, match=r"key\.json"):
        async with publishing(tmp_path, credentials_file=str(file)):
            pass
    file.write_text("{}")
    async with publishing(tmp_path, credentials_file=str(file)) as publisher:
        with pytest.raises(DestinationCredentialsError, match="no credentials in"):
            await publisher.publish(a_verdict(), Notes())


@pytest.mark.parametrize(
    ("given", "objected"),
    [
        ({"topic": "verdicts"}, "topic"),
        ({"topic": "projects/p/subscriptions/s"}, "topic"),
        ({"endpoint": "https://pubsub.googleapis.com"}, "endpoint"),
        ({"endpoint": "localhost:8085", "credentials_file": "key.json"}, "credentials_file"),
        ({"timeout": "0s"}, "timeout"),
    ],
)
def test_what_cannot_be_meant_is_said_at_the_start(given: dict[str, str], objected: str) -> None:
    """With the name of the field."""
    with pytest.raises(msgspec.ValidationError, match=objected):
        msgspec.convert({"topic": TOPIC, **given}, PubsubPublisherSettings)
