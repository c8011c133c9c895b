"""Verdicts in topics, queues and buses of a real server of AWS's APIs, and who gets them by a filter."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.moto import ACCOUNT, REGION, Moto, MotoQueue, isolate_identity, shared_moto
from tests.doubles.publishing import Notes, publisher_context
from tests.doubles.verdicts import FINDING, SUBJECT, a_verdict
from watcher.model.errors import PermanentError
from watcher.model.reference import RepositoryName, Tag
from watcher.model.verdict import Outcome, Verdict
from watcher.publishing.catalog import build_publisher
from watcher.publishing.eventbridge_settings import EventBridgePublisherSettings
from watcher.publishing.settings import AnyPublisherSettings
from watcher.publishing.sns_settings import SnsPublisherSettings
from watcher.publishing.sqs_settings import SqsPublisherSettings

pytestmark = pytest.mark.enable_socket


@pytest.fixture
def moto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Moto:
    for name, value in isolate_identity(tmp_path).items():
        monkeypatch.setenv(name, value)
    return shared_moto()


@asynccontextmanager
async def publishing(settings: AnyPublisherSettings, folder: Path) -> AsyncIterator[Any]:
    async with AsyncExitStack() as stack:
        publisher = build_publisher(settings, await stack.enter_async_context(publisher_context(folder / "w.db")))
        stack.push_async_callback(publisher.aclose)
        await publisher.open()
        yield publisher


def received(queue: MotoQueue) -> list[dict[str, Any]]:
    """Everything in it, taken out."""
    found = []
    while (
        messages := queue.moto.client("sqs")
        .receive_message(QueueUrl=queue.url, MaxNumberOfMessages=10, AttributeNames=["All"], MessageAttributeNames=["All"])
        .get("Messages")
    ):
        for each in messages:
            queue.moto.client("sqs").delete_message(QueueUrl=queue.url, ReceiptHandle=each["ReceiptHandle"])
        found += messages
    return found


def attributes(message: Mapping[str, Any]) -> dict[str, str]:
    return {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}


def fifo(moto: Moto, name: str) -> MotoQueue:
    url = moto.client("sqs").create_queue(QueueName=f"{name}.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    return MotoQueue(moto=moto, url=url)


PASS = a_verdict(id="v-2", outcome=Outcome.PASS, findings=())


async def test_a_subscriber_of_a_topic_filters_by_attributes(moto: Moto, tmp_path: Path) -> None:
    """One that wants failures of production gets no other, with its attributes beside the message."""
    queue = moto.queue()
    topic = queue.topic(raw=True)
    sns = moto.client("sns")
    (subscription,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    policy = json.dumps({"outcome": ["fail"], "environment": ["production"], "repository": [{"prefix": "team/"}]})
    sns.set_subscription_attributes(
        SubscriptionArn=subscription["SubscriptionArn"], AttributeName="FilterPolicy", AttributeValue=policy
    )
    elsewhere = a_verdict(id="v-3", subject=replace(SUBJECT, environment="staging"))
    async with publishing(SnsPublisherSettings(topic_arn=topic, endpoint_url=moto.endpoint), tmp_path) as publisher:
        for verdict in (PASS, elsewhere, a_verdict()):
            await publisher.publish(verdict, Notes())
    (message,) = received(queue)
    event = json.loads(message["Body"])
    assert event["id"] == "v-1"
    assert attributes(message)["content-type"].startswith("application/cloudevents+json")
    assert attributes(message).items() - {("content-type", attributes(message)["content-type"])} <= event.items()


async def test_a_queue_gets_a_message_with_its_attributes(moto: Moto, tmp_path: Path) -> None:
    """What a consumer routes by it reads without the body."""
    queue = moto.queue()
    async with publishing(SqsPublisherSettings(queue_url=queue.url, region=REGION), tmp_path) as publisher:
        await publisher.publish(a_verdict(), Notes())
    (message,) = received(queue)
    assert attributes(message)["outcome"] == "fail"
    assert json.loads(message["Body"])["data"]["outcome"] == "fail"


async def test_a_rule_of_a_bus_matches_attributes(moto: Moto, tmp_path: Path) -> None:
    """They are fields of the detail."""
    moto.client("events").create_event_bus(Name="ops")
    queue = moto.queue()
    events = moto.client("events")
    pattern = {"source": ["registry-watcher"], "detail": {"outcome": ["fail"], "environment": ["production"]}}
    events.put_rule(Name=queue.name, EventBusName="ops", EventPattern=json.dumps(pattern))
    events.put_targets(Rule=queue.name, EventBusName="ops", Targets=[{"Id": queue.name, "Arn": queue.arn}])
    settings = EventBridgePublisherSettings(bus=f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/ops", endpoint_url=moto.endpoint)
    async with publishing(settings, tmp_path) as publisher:
        for verdict in (PASS, a_verdict()):
            await publisher.publish(verdict, Notes())
    (message,) = received(queue)
    event = json.loads(message["Body"])
    assert event["detail-type"] == "io.registry-watcher.verdict.v1"
    assert event["detail"]["id"] == "v-1"


def strange(number: int) -> Verdict:
    """Of whatever somebody can write into an image or name one."""
    message = "in \x1b[31m/a + b#\0\x0b\ufffe\uffff\U0001f433 " + "y" * 9000
    findings = tuple(replace(FINDING, key=f"key-{each}", message=message) for each in range(20))
    subject = replace(
        SUBJECT,
        repository=RepositoryName("/".join(["a" * 60] * 4)),
        tags=(Tag("x" * 128),),
        environment="\x1b[31m pr\0d\ufffe" + "e" * 3000,
    )
    return a_verdict(id=f"v-{number}", subject=subject, tag=Tag("x" * 128), findings=findings)


async def test_a_fifo_keeps_one_of_what_is_sent_twice(moto: Moto, tmp_path: Path) -> None:
    """A queue and a topic alike, whatever the names are; a repository keeps its order."""
    direct, behind = fifo(moto, f"direct-{tmp_path.name}"), fifo(moto, f"behind-{tmp_path.name}")
    topic_attributes = {"FifoTopic": "true"}
    topic = moto.client("sns").create_topic(Name=f"{tmp_path.name}.fifo", Attributes=topic_attributes)["TopicArn"]
    raw = {"RawMessageDelivery": "true"}
    moto.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=behind.arn, Attributes=raw)
    to_queue = SqsPublisherSettings(queue_url=direct.url, region=REGION)
    to_topic = SnsPublisherSettings(topic_arn=topic, endpoint_url=moto.endpoint)
    for settings, queue in ((to_queue, direct), (to_topic, behind)):
        async with publishing(settings, tmp_path) as publisher:
            for verdict in (strange(1), strange(2), strange(1), a_verdict(id="v-3")):
                await publisher.publish(verdict, Notes())
        messages = received(queue)
        assert [json.loads(each["Body"])["id"] for each in messages] == ["v-1", "v-2", "v-3"]
        groups = [each["Attributes"]["MessageGroupId"] for each in messages]
        assert groups[0] == groups[1] != groups[2] == "registry.example.com/team/app"
        assert json.loads(messages[0]["Body"])["data"]["findings"][0]["message"].startswith("in \x1b[31m/a + b#\0\x0b\ufffe\uffff")


async def test_a_queue_that_is_not_there_is_said_at_the_start(moto: Moto, tmp_path: Path) -> None:
    """Before the first verdict waits for it."""
    queue = moto.queue()
    queue.delete()
    with pytest.raises(Exception, match="there is no such queue") as caught:
        async with publishing(SqsPublisherSettings(queue_url=queue.url, region=REGION), tmp_path):
            pass
    assert not isinstance(caught.value, PermanentError)
