"""Verdicts of one daemon at a broker, a topic, a queue, a bus and a subscription, of images in a real registry."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.doubles.daemon import RunningDaemon
from tests.doubles.docker_registry import RunningRegistry
from tests.doubles.hooks import told_at
from tests.doubles.mosquitto import Mosquitto, start_mosquitto
from tests.doubles.moto import REGION, MotoQueue, isolate_identity, shared_moto
from tests.doubles.mqtt_reader import Reader
from tests.doubles.pubsub_server import TOPIC, PubsubServer, Subscription
from tests.doubles.pushing import skopeo_push, write_layout
from watcher.testing.images import BuiltImage, build_image, build_layer
from watcher.testing.ports import free_port

pytestmark = pytest.mark.timeout(180)

CONFIG = """\
registries: [{{host: "{host}"}}]
sources: [{{type: webhook, dialect: distribution, auth: {{type: bearer, secret: "env:HOOK_SECRET"}}}}]
publish:
  - {{type: mqtt, host: 127.0.0.1, port: {mqtt}}}
  - {{type: sns, topic_arn: "{topic}", endpoint_url: "{moto}"}}
  - {{type: sqs, queue_url: "{queue}", region: {region}}}
  - {{type: eventbridge, region: {region}, endpoint_url: "{moto}"}}
  - {{type: pubsub, topic: {pubsub_topic}, endpoint: "{pubsub}"}}
"""


@dataclass(kw_only=True)
class World:
    """A registry, a daemon that hears of it, and everything that it tells."""

    registry: RunningRegistry
    daemon: RunningDaemon
    broker: Mosquitto
    queues: dict[str, MotoQueue]
    pubsub: PubsubServer
    directory: Path

    def push(self, image: BuiltImage, tag: str) -> None:
        layout = write_layout(self.directory / f"layout-{image.digest[7:19]}", image)
        skopeo_push(layout, f"{self.registry.host}/team/app:{tag}")

    def standing(self) -> dict[str, str]:
        """What a subscriber that comes now is sent: the image by the tag."""
        reader = Reader(self.broker.port, "watcher/verdicts/#")
        try:
            prefix = f"watcher/verdicts/{self.registry.host}/team/app/"
            return {topic.removeprefix(prefix): event["data"]["image"]["digest"] for topic, event in reader.standing().items()}
        finally:
            reader.close()

    def stands(self, **images: BuiltImage) -> None:
        expected = {tag: image.digest for tag, image in images.items()}
        self.daemon.eventually(lambda: self.standing() == expected, what=f"{[*images]} at the broker")


@pytest.fixture
def world(
    start_docker_registry: Callable[..., RunningRegistry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    identity = isolate_identity(tmp_path)
    for name, value in identity.items():
        monkeypatch.setenv(name, value)
    port = free_port()
    registry = start_docker_registry(
        tmp_path / "registry",
        **told_at(port),
    )
    broker, moto, pubsub = start_mosquitto(tmp_path / "broker"), shared_moto(), PubsubServer()
    pubsub.start()
    queues = {name: moto.queue() for name in ("sns", "sqs", "eventbridge")}
    topic = queues["sns"].topic(raw=True)
    _filter(queues["sns"], topic, {"outcome": ["fail"], "registryhost": [str(registry.host)]})
    queues["eventbridge"].rule({"source": ["registry-watcher"], "detail": {"outcome": ["fail"], "repository": ["team/app"]}})
    pubsub.subscriptions["projects/p/subscriptions/failures"] = Subscription(filter='attributes.outcome = "fail"')
    config = CONFIG.format(
        host=registry.host,
        mqtt=broker.port,
        topic=topic,
        moto=moto.endpoint,
        queue=queues["sqs"].url,
        region=REGION,
        pubsub=pubsub.endpoint,
        pubsub_topic=TOPIC,
    )
    daemon = RunningDaemon(directory=tmp_path, config=config, port=port)
    daemon.start()
    yield World(registry=registry, daemon=daemon, broker=broker, queues=queues, pubsub=pubsub, directory=tmp_path)
    try:
        assert daemon.stop() == 0
    finally:
        broker.stop()
        pubsub.kill()


def _filter(queue: MotoQueue, topic: str, policy: dict[str, Any]) -> None:
    sns = queue.moto.client("sns")
    (subscription,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    sns.set_subscription_attributes(
        SubscriptionArn=subscription["SubscriptionArn"], AttributeName="FilterPolicy", AttributeValue=json.dumps(policy)
    )


def good(name: str) -> BuiltImage:
    return build_image([build_layer({"etc/os-release": "ID=debian\n", "name": name})], config={"User": "1000"})


def leaking(name: str) -> BuiltImage:
    key = "AKIA" + "Q3EGRIMZ7KLDOP5X"
    layer = build_layer({"root/.aws/credentials": f"[default]\naws_access_key_id = {key}\n", "name": name})
    return build_image([layer], config={"User": "1000"})


def test_a_broker_has_what_every_tag_leads_to(world: World) -> None:
    """When it moves, while the broker is restarted, and not when its image is deleted."""
    first, second, third = good("first"), leaking("second"), good("third")
    world.push(first, "latest")
    world.stands(latest=first)
    world.push(first, "v1")
    world.stands(latest=first, v1=first)
    world.push(second, "latest")
    world.stands(latest=second, v1=first)
    world.broker.stop()
    world.push(third, "latest")
    world.daemon.eventually(lambda: _judged(world, third), what="a verdict that cannot be published")
    world.broker.start()
    world.stands(latest=third, v1=first)
    request = Request(f"{world.registry.url}/v2/team/app/manifests/{first.digest}", method="DELETE")
    with urlopen(request, timeout=10) as answer:
        assert answer.status == 202
    world.stands(latest=third)


def _judged(world: World, image: BuiltImage) -> bool:
    return any(each["digest"] == image.digest for each in world.daemon.get("/api/v1/images")["images"])


def test_subscribers_get_what_they_ask_for(world: World) -> None:
    """By attributes, whoever carries them: of a good and a bad image only the bad one."""
    bad, fine = leaking("bad"), good("fine")
    world.push(fine, "v1")
    world.push(bad, "v2")
    failures = world.pubsub.subscriptions["projects/p/subscriptions/failures"]
    seen: dict[str, list[Any]] = {name: [] for name in world.queues}

    def all_there() -> bool:
        for name, queue in world.queues.items():
            seen[name] += [_event(queue, each) for each in queue.receive()]
        return all(seen.values()) and len({each["subject"] for each in seen["sqs"]}) == 2 and bool(failures.waiting)

    world.daemon.eventually(all_there, what="messages everywhere")
    events = [*seen["sns"], *seen["eventbridge"], *(json.loads(each.data) for each in failures.waiting)]
    assert {each["subject"] for each in events} == {f"{world.registry.host}/team/app@{bad.digest}"}
    assert {each["data"]["outcome"] for each in events} == {"fail"}
    assert len({each["id"] for each in events}) == 1


def _event(queue: MotoQueue, message: dict[str, Any]) -> Any:
    queue.moto.client("sqs").delete_message(QueueUrl=queue.url, ReceiptHandle=message["ReceiptHandle"])
    body = json.loads(message["Body"])
    return body.get("detail", body)


def test_an_end_is_told_to_the_broker(world: World) -> None:
    """At once when the daemon is stopped, and by the broker itself when it is killed."""

    def status() -> str:
        reader = Reader(world.broker.port, "watcher/status")
        try:
            return reader.of("watcher/status")[-1].decode()
        finally:
            reader.close()

    world.push(good("any"), "v1")
    world.daemon.eventually(world.standing, what="a verdict")
    assert status() == "online"
    world.daemon.kill()
    world.daemon.eventually(lambda: status() == "offline", what="the broker's word for it")
    world.daemon.start()
    world.daemon.eventually(lambda: status() == "online", what="our status")
    world.daemon.stop()
    world.daemon.eventually(lambda: status() == "offline", what="our last word")
