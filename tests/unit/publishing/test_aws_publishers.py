"""What publishers to AWS make of its answers, and what they send."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from tests.doubles.moto import isolate_identity
from tests.doubles.publishing import Notes, publisher_context
from tests.doubles.scripted_server import scripted_server
from tests.doubles.verdicts import SUBJECT, a_verdict
from watcher.model.errors import PermanentError, RetryableError
from watcher.model.reference import Host, RepositoryName
from watcher.publishing.aws_message import MAX_GROUP_CHARACTERS, attributes_of, fifo_ids, group_of
from watcher.publishing.catalog import build_publisher
from watcher.publishing.cloud_errors import (
    DestinationClockError,
    DestinationCredentialsError,
    DestinationDeniedError,
    DestinationMissingError,
    DestinationRefusedError,
    DestinationUnreachableError,
    MessageRefusedError,
)
from watcher.publishing.eventbridge_settings import EventBridgePublisherSettings
from watcher.publishing.protocol import Publisher
from watcher.publishing.settings import AnyPublisherSettings
from watcher.publishing.sns_settings import SnsPublisherSettings
from watcher.publishing.sqs_settings import SqsPublisherSettings

pytestmark = pytest.mark.enable_socket

TOPIC = "arn:aws:sns:eu-west-1:123456789012:verdicts"

Answering = Callable[[web.Request], Any]


@pytest.fixture(autouse=True)
def _identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in isolate_identity(tmp_path).items():
        monkeypatch.setenv(name, value)


def refusing(code: str, text: str = "no", status: int = 400, **headers: str) -> Answering:
    """As services that speak JSON say it, and as SNS does."""

    async def answer(request: web.Request) -> web.Response:
        if "X-Amz-Target" in request.headers:
            return web.json_response({"__type": code, "message": text}, status=status, headers=headers)
        body = f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{text}</Message></Error></ErrorResponse>"
        return web.Response(text=body, status=status, content_type="text/xml", headers=headers)

    return answer


@asynccontextmanager
async def publisher_at(
    answer: Answering, tmp_path: Path, settings: Callable[[str], AnyPublisherSettings]
) -> AsyncIterator[Publisher]:
    """Of a service that gives this answer to everything."""
    async with scripted_server(answer) as server, publisher_context(tmp_path / "w.db") as context:
        publisher = build_publisher(settings(server.url), context)
        try:
            yield publisher
        finally:
            await publisher.aclose()


def sns(url: str) -> SnsPublisherSettings:
    return SnsPublisherSettings(topic_arn=TOPIC, endpoint_url=url, timeout="5s")


def sqs(url: str) -> SqsPublisherSettings:
    return SqsPublisherSettings(queue_url=f"{url}/123456789012/verdicts", region="eu-west-1", timeout="5s")


def eventbridge(url: str) -> EventBridgePublisherSettings:
    return EventBridgePublisherSettings(region="eu-west-1", endpoint_url=url, timeout="5s")


ALL = [sns, sqs, eventbridge]


@pytest.mark.parametrize("settings", ALL)
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refusing("NotFound", status=404), DestinationMissingError),
        (refusing("QueueDoesNotExist"), DestinationMissingError),
        (refusing("ResourceNotFoundException"), DestinationMissingError),
        (refusing("AuthorizationError", status=403), DestinationDeniedError),
        (refusing("AccessDeniedException"), DestinationDeniedError),
        (refusing("KMSAccessDeniedException"), DestinationDeniedError),
        (refusing("InvalidClientTokenId", status=403), DestinationCredentialsError),
        (refusing("ExpiredToken", status=403), DestinationCredentialsError),
        (refusing("SignatureDoesNotMatch", "Signature expired: it is late", status=403), DestinationClockError),
        (refusing("Throttled", status=429), DestinationUnreachableError),
        (refusing("ThrottlingException"), DestinationUnreachableError),
        (refusing("KMSThrottlingException"), DestinationUnreachableError),
        (refusing("InternalFailure", status=500), DestinationUnreachableError),
        (refusing("KMSDisabledException"), DestinationRefusedError),
        (refusing("InvalidParameterValue"), MessageRefusedError),
        (refusing("InvalidMessageContents"), MessageRefusedError),
    ],
)
async def test_what_a_person_can_change_is_tried_again(
    settings: Callable[[str], AnyPublisherSettings], answer: Answering, kind: type[Exception], tmp_path: Path
) -> None:
    """Only a message that is wrong itself is given up, and only it counts as a failure of the publication."""
    async with publisher_at(answer, tmp_path, settings) as publisher:
        with pytest.raises(kind) as caught:
            await publisher.publish(a_verdict(), Notes())
    assert isinstance(caught.value, PermanentError if kind is MessageRefusedError else RetryableError)
    assert getattr(caught.value, "outside", True)
    assert "testing" not in str(caught.value)


@pytest.mark.parametrize("settings", ALL)
async def test_the_wait_that_is_asked_for_is_kept(settings: Callable[[str], AnyPublisherSettings], tmp_path: Path) -> None:
    """By whoever stands in front of the service; AWS itself asks for none."""
    answer = refusing("ThrottlingException", status=429, **{"Retry-After": "7"})
    async with publisher_at(answer, tmp_path, settings) as publisher:
        with pytest.raises(DestinationUnreachableError) as caught:
            await publisher.publish(a_verdict(), Notes())
    assert caught.value.retry_after_seconds == 7


@pytest.mark.parametrize("settings", ALL)
async def test_a_page_of_a_proxy_is_no_answer(settings: Callable[[str], AnyPublisherSettings], tmp_path: Path) -> None:
    """What was not taken is not called published, however the SDK stumbles over it."""

    async def answer(request: web.Request) -> web.Response:
        body = "{}" if "X-Amz-Target" in request.headers else "<html><body>log in</body></html>"
        return web.Response(text=body, content_type="text/html")

    async with publisher_at(answer, tmp_path, settings) as publisher:
        with pytest.raises((DestinationUnreachableError, DestinationRefusedError)):
            await publisher.publish(a_verdict(), Notes())


@pytest.mark.parametrize("settings", ALL)
async def test_who_may_publish_need_not_look(settings: Callable[[str], AnyPublisherSettings], tmp_path: Path) -> None:
    """A right to describe what is published to is not asked for; that there is none of it is said at the start."""
    async with publisher_at(refusing("AccessDeniedException"), tmp_path, settings) as publisher:
        await publisher.open()
    async with publisher_at(refusing("ResourceNotFoundException"), tmp_path, settings) as publisher:
        with pytest.raises(DestinationMissingError):
            await publisher.open()


@pytest.mark.parametrize("settings", ALL)
async def test_a_machine_without_credentials_says_so(
    settings: Callable[[str], AnyPublisherSettings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And finds those that somebody puts there, without a restart."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    async with publisher_at(refusing("AccessDenied"), tmp_path, settings) as publisher:
        with pytest.raises(DestinationCredentialsError):
            await publisher.publish(a_verdict(), Notes())
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        with pytest.raises(DestinationDeniedError):
            await publisher.publish(a_verdict(), Notes())


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        ({"ErrorCode": "ThrottlingException", "ErrorMessage": "slow"}, DestinationUnreachableError),
        ({"ErrorCode": "InternalFailure"}, DestinationUnreachableError),
        ({"ErrorCode": "NotAuthorizedForSourceException"}, DestinationDeniedError),
        ({"ErrorCode": "MalformedDetail"}, MessageRefusedError),
        ({}, DestinationUnreachableError),
    ],
)
async def test_an_entry_that_failed_is_no_success(entry: dict[str, str], kind: type[Exception], tmp_path: Path) -> None:
    """EventBridge answers 200 to a call of which nothing was done."""

    async def answer(_request: web.Request) -> web.Response:
        return web.json_response({"FailedEntryCount": 1, "Entries": [entry]})

    async with publisher_at(answer, tmp_path, eventbridge) as publisher:
        with pytest.raises(kind):
            await publisher.publish(a_verdict(), Notes())


def test_a_message_has_ten_attributes_at_most() -> None:
    """SNS drops a message with more on its way to a queue without its envelope."""
    attributes = attributes_of(a_verdict(owner="team-a"))
    assert len(attributes) == 10
    assert all(each["StringValue"] for each in attributes.values())


def test_only_a_fifo_is_told_of_order() -> None:
    """Others refuse to hear of it."""
    verdict = a_verdict()
    assert fifo_ids(verdict, TOPIC) == {}
    assert fifo_ids(verdict, f"{TOPIC}.fifo") == {
        "MessageGroupId": "registry.example.com/team/app",
        "MessageDeduplicationId": "v-1",
    }


def test_a_long_name_is_a_group_of_its_own() -> None:
    """Two that begin alike do not hold each other up."""
    names = ["a" * 120 + "/b", "a" * 120 + "/c"]
    verdicts = [a_verdict(subject=replace(SUBJECT, registry=Host("r" * 100), repository=RepositoryName(name))) for name in names]
    groups = {group_of(each) for each in verdicts}
    assert len(groups) == 2
    assert {len(each) for each in groups} == {MAX_GROUP_CHARACTERS}


@pytest.mark.parametrize(
    ("given", "objected"),
    [
        ({"type": "sns", "topic_arn": "verdicts"}, "topic_arn"),
        ({"type": "sns", "topic_arn": TOPIC, "endpoint_url": "localhost"}, "endpoint_url"),
        ({"type": "sns", "topic_arn": TOPIC, "timeout": "0s"}, "timeout"),
        ({"type": "sqs", "queue_url": "https://user:secret@sqs.eu-west-1.amazonaws.com/1/q"}, "queue_url"),
        ({"type": "sqs", "queue_url": "https://sqs.eu-west-1.amazonaws.com/1/q", "region": "Frankfurt"}, "Frankfurt"),
        ({"type": "eventbridge", "bus": "a bus"}, "bus"),
        ({"type": "eventbridge", "bus": "arn:aws:events:eu-west-1:123456789012:rule/x"}, "bus"),
        ({"type": "eventbridge", "endpoint_url": "ftp://x"}, "endpoint_url"),
    ],
)
def test_what_cannot_be_meant_is_said_at_the_start(given: dict[str, str], objected: str) -> None:
    """And a URL with a password in it is not repeated."""
    with pytest.raises(msgspec.ValidationError, match=objected) as caught:
        msgspec.convert(given, AnyPublisherSettings)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "region"),
    [
        (SnsPublisherSettings(topic_arn="arn:aws-cn:sns:cn-north-1:123456789012:v.fifo"), "cn-north-1"),
        (SqsPublisherSettings(queue_url="https://sqs.eu-west-1.amazonaws.com/1/q"), "eu-west-1"),
        (SqsPublisherSettings(queue_url="http://localhost:4566/1/q"), None),
        (EventBridgePublisherSettings(), None),
        (EventBridgePublisherSettings(bus="arn:aws:events:eu-west-3:123456789012:event-bus/ops"), "eu-west-3"),
        (EventBridgePublisherSettings(region="eu-west-1", bus="ops"), "eu-west-1"),
    ],
)
def test_the_region_is_in_the_name_where_there_is_one(settings: Any, region: str | None) -> None:
    """Else it is what the SDK finds."""
    assert settings.service_region == region
