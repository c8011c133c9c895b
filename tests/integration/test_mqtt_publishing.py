"""Verdicts at a real mosquitto: what stands there, what is taken away again, and what the broker does not take."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.mosquitto import Mosquitto, issue_certificates, start_mosquitto
from tests.doubles.mqtt_bench import until
from tests.doubles.mqtt_reader import Reader, reading
from tests.doubles.publishing import Notes, publisher_context
from tests.doubles.routes import nobody
from tests.doubles.verdicts import FINDING, IMAGE, MOMENT, SUBJECT, a_verdict
from watcher.kit.mqtt_client import hang_up
from watcher.model.digest import Digest
from watcher.model.errors import RetryableError
from watcher.model.publication import GONE
from watcher.model.reference import Tag
from watcher.model.verdict import Outcome, Verdict
from watcher.publishing.links import Links
from watcher.publishing.mqtt import MqttPublisher
from watcher.publishing.mqtt_link_connection_errors import (
    BrokerRefusedError,
    BrokerTlsError,
    BrokerUnavailableError,
    MessageTooLargeError,
    TopicRefusedError,
)
from watcher.publishing.mqtt_settings import MqttPublisherSettings
from watcher.store.protocol import Judged
from watcher.store.tags import StoredTagHistory
from watcher.store.verdicts import StoredVerdicts

pytestmark = pytest.mark.enable_socket

OTHER = Digest("sha256:" + "d" * 64)
PLACE = "registry.example.com/team/app"
UNTAGGED = f"watcher/digests/{PLACE}/sha256/" + "1" * 64
MANY = tuple(replace(FINDING, key=f"key-{number}", message="m" * 300) for number in range(300))


@dataclass(kw_only=True)
class Bench:
    """A publisher at a broker, the store that it asks, and somebody who reads."""

    broker: Mosquitto
    publisher: MqttPublisher
    verdicts: StoredVerdicts
    reader: Reader

    async def record(self, verdict_id: str, *tags: str, digest: Digest = IMAGE, **changes: Any) -> Verdict:
        """A verdict of an image with these tags, known to the store and published to nobody yet."""
        subject = replace(SUBJECT, digest=digest, tags=tuple(Tag(tag) for tag in tags))
        verdict = a_verdict(id=verdict_id, subject=subject, tag=subject.tags[0] if tags else None, **changes)
        await self.verdicts.record([Judged(verdict=verdict)], nobody)
        return verdict

    async def publish(self, verdict_id: str, *tags: str, **changes: Any) -> Verdict:
        verdict = await self.record(verdict_id, *tags, **changes)
        await self.publisher.publish(verdict, Notes())
        return verdict

    async def leave(self, digest: Digest, *tags: str) -> None:
        await self.verdicts.left(SUBJECT.registry, SUBJECT.repository, digest, [Tag(tag) for tag in tags])

    def standing(self) -> dict[str, str]:
        """Verdict by topic; those of tags by the tag alone."""
        return {topic.removeprefix(f"watcher/verdicts/{PLACE}/"): event["id"] for topic, event in self.reader.standing().items()}

    def events(self) -> list[str]:
        return [json.loads(each)["id"] for each in self.reader.of("watcher/events")]


Opening = Callable[..., Any]


@pytest.fixture
def opened(tmp_path: Path) -> Opening:
    @asynccontextmanager
    async def open_bench(*lines: str, user: tuple[str, str] | None = None, **given: Any) -> AsyncIterator[Bench]:
        broker = start_mosquitto(tmp_path / "broker", password=user, settings=lines)
        try:
            async with publisher_context(tmp_path / "w.db") as context:
                settings = MqttPublisherSettings(host="127.0.0.1", port=broker.port, **given)
                publisher = MqttPublisher(settings, replace(context, links=Links(public_url="https://w.example.com")))
                assert isinstance(context.tags, StoredTagHistory)
                verdicts = StoredVerdicts(context.tags._database, lambda: MOMENT)
                with reading(broker.port, user=user) as reader:
                    try:
                        yield Bench(broker=broker, publisher=publisher, verdicts=verdicts, reader=reader)
                    finally:
                        await publisher.aclose()
        finally:
            broker.stop()

    return open_bench


async def test_a_verdict_stands_at_every_tag(opened: Opening) -> None:
    """As a CloudEvent that is kept for whoever comes later, with its attributes beside it; and it is told once."""
    async with opened() as bench:
        await bench.publish("v-1", "latest", "v1")
        assert bench.standing() == {"latest": "v-1", "v1": "v-1"}
        assert bench.events() == ["v-1"]
        with reading(bench.broker.port) as late:
            (message,) = [each for each in late.messages if each.topic.endswith("/latest")]
            assert late.of("watcher/events") == []
        assert message.retain
        properties: Any = message.properties
        assert properties.ContentType.startswith("application/cloudevents+json")
        attributes = dict(properties.UserProperty)
        assert attributes["outcome"] == "fail"
        event = json.loads(message.payload)
        assert event["verdicturl"] == "https://w.example.com/api/v1/verdicts/v-1"
        assert {name: event[name] for name in attributes} == attributes


async def test_a_subscriber_without_properties_has_all_of_it(opened: Opening) -> None:
    """By MQTT 3.1.1 on our side, which is what old brokers speak."""
    async with opened(version="3.1.1", events=False) as bench:
        await bench.publish("v-1", "v1")
        assert bench.standing() == {"v1": "v-1"}
        assert bench.events() == []


async def test_a_tag_that_moves_has_the_verdict_of_its_new_image(opened: Opening) -> None:
    """Whoever comes late with the old one does not put it back, and what it has else stays."""
    async with opened() as bench:
        old = await bench.publish("v-1", "latest", "v1")
        await bench.leave(IMAGE, "latest")
        await bench.publish("v-2", "latest", "v2", digest=OTHER)
        await bench.publisher.publish(old, Notes())
        assert bench.standing() == {"latest": "v-2", "v1": "v-1", "v2": "v-2"}


async def test_a_late_verdict_never_takes_a_moved_tag_back(opened: Opening) -> None:
    """Not for a moment: no message of the old image comes after the first of the new one."""
    async with opened() as bench:
        olds = [await bench.record(f"old-{number}", "latest") for number in range(6)]
        first = asyncio.gather(*(bench.publisher.publish(each, Notes()) for each in olds[:3]))
        await bench.leave(IMAGE, "latest")
        new = await bench.record("new", "latest", digest=OTHER)
        await asyncio.gather(first, *(bench.publisher.publish(each, Notes()) for each in (*olds[3:], new)))
        told = [json.loads(each)["id"] for each in bench.reader.of(f"watcher/verdicts/{PLACE}/latest") if each]
        assert told[-1] == "new"
        assert "new" not in told[:-1]


async def test_a_deleted_tag_is_emptied(opened: Opening) -> None:
    """And an image that has lost all of them stands nowhere."""
    async with opened() as bench:
        await bench.publish("v-1", "v1", "v2")
        await bench.leave(IMAGE, "v2")
        await bench.publish("v-2", "v1")
        assert bench.standing() == {"v1": "v-2"}
        await bench.leave(IMAGE, "v1")
        await bench.publish("v-3")
        assert bench.standing() == {}


async def test_an_image_that_is_gone_stands_nowhere(opened: Opening) -> None:
    """Neither at its digest nor at tags that nobody has asked for since; and that it is gone is no event."""
    async with opened() as bench:
        untagged, tagged = await bench.publish("v-1"), await bench.publish("v-2", "v1", digest=OTHER)
        for verdict in (untagged, tagged):
            await bench.publisher.publish(verdict, Notes(GONE))
        assert bench.standing() == {}
        assert bench.events() == ["v-1", "v-2"]


async def test_an_image_that_gets_a_tag_leaves_its_digest(opened: Opening) -> None:
    """There is one place for each way of naming it."""
    async with opened() as bench:
        await bench.publish("v-1")
        assert bench.standing() == {UNTAGGED: "v-1"}
        await bench.publish("v-2", "v1")
        assert bench.standing() == {"v1": "v-2"}


async def test_an_outcome_that_is_not_wanted_any_more_is_taken_away(opened: Opening) -> None:
    """Who keeps failures has no failure of an image that passes now; nobody is told of the passing."""
    async with opened(outcomes=(Outcome.FAIL,)) as bench:
        await bench.publish("v-1", "v1")
        assert bench.standing() == {"v1": "v-1"}
        await bench.publish("v-2", "v1", outcome=Outcome.PASS)
        assert bench.standing() == {}
        assert bench.events() == ["v-1"]
        await bench.publish("v-3", "v1")
        assert bench.standing() == {"v1": "v-3"}


async def test_a_verdict_expires_when_asked_to(opened: Opening) -> None:
    """The broker says how long it keeps it yet; an event has no end."""
    async with opened(expiry="1h") as bench:
        await bench.publish("v-1", "v1")
        ends: dict[str, Any] = {
            each.topic: getattr(each.properties, "MessageExpiryInterval", None) for each in bench.reader.messages
        }
        assert 3500 < ends[f"watcher/verdicts/{PLACE}/v1"] <= 3600
        assert ends["watcher/events"] is None


async def test_the_broker_says_whether_we_are_there(opened: Opening) -> None:
    """By itself when the connection dies without a word; it is made again without anything to publish."""
    async with opened() as bench:
        await bench.publisher.open()
        assert bench.reader.of("watcher/status") == [b"online"]
        connection = await bench.publisher._link.connection()
        hang_up(connection._paho, None, connection._paho.socket())
        await until(lambda: bench.reader.of("watcher/status") == [b"online", b"offline", b"online"])
        await bench.publisher.aclose()
        await until(lambda: bench.reader.of("watcher/status")[3:] == [b"offline"])


async def test_a_broker_that_was_restarted_is_found_again(opened: Opening) -> None:
    """What is published meanwhile fails, is published again, and stands."""
    async with opened() as bench:
        verdict = await bench.publish("v-1", "v1")
        await asyncio.to_thread(bench.broker.stop)
        with pytest.raises(BrokerUnavailableError):
            await bench.publisher.publish(verdict, Notes())
        await asyncio.to_thread(bench.broker.start)
        again = await bench.record("v-2", "v1")
        await bench.publisher.publish(again, Notes())
        with reading(bench.broker.port) as later:
            assert [event["id"] for event in later.standing().values()] == ["v-2"]


async def test_whoever_waits_for_an_answer_is_told_of_the_end(opened: Opening) -> None:
    """A broker that dies before its answer is not waited for until the time is over."""
    async with opened(timeout="60s") as bench:
        await bench.publisher.open()
        verdicts = [await bench.record(f"v-{number}", "v1") for number in range(30)]
        publishing = asyncio.gather(*(bench.publisher.publish(each, Notes()) for each in verdicts), return_exceptions=True)
        await until(lambda: "Received PUBLISH from watcher-publish-mqtt" in bench.broker.log)
        bench.broker.kill()
        async with asyncio.timeout(20):
            results = await publishing
        failed = [each for each in results if each is not None]
        assert failed
        assert all(isinstance(each, BrokerUnavailableError) for each in failed)


async def test_findings_are_left_out_for_a_broker_that_takes_less(opened: Opening) -> None:
    """It says how large a packet may be, or only that this one is too large."""
    for number, line in enumerate(("max_packet_size 20000", "message_size_limit 20000")):
        async with opened(line) as bench:
            await bench.publish(f"v-{number}", "v1", findings=MANY)
            (event,) = bench.reader.standing().values()
            data = event["data"]
            assert 5 < len(data["findings"]) < 60
            assert data["findings_omitted"] == 300 - len(data["findings"])
            assert len(bench.events()) == 1


async def test_a_broker_that_takes_hardly_anything_needs_a_person(opened: Opening) -> None:
    """Trying again would change nothing."""
    for line in ("max_packet_size 500", "message_size_limit 300"):
        async with opened(line) as bench:
            with pytest.raises(MessageTooLargeError):
                await bench.publish("v-1", "v1")


async def test_a_topic_that_we_may_not_write_is_named(opened: Opening, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person may allow it at the broker, so it is tried again."""
    monkeypatch.setenv("PASSWORD", "secret")
    acl = tmp_path / "acl"
    acl.write_text("user watcher\ntopic readwrite watcher/status\ntopic readwrite watcher/verdicts/#\ntopic readwrite reader/#\n")
    async with opened(f"acl_file {acl}", user=("watcher", "secret"), username="watcher", password="env:PASSWORD") as bench:
        with pytest.raises(TopicRefusedError, match="watcher/events: Not authorized") as caught:
            await bench.publish("v-1", "v1")
        assert caught.value.outside
        assert bench.standing() == {"v1": "v-1"}


async def test_a_wrong_password_is_no_fault_of_the_verdict(opened: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried again, and the password is in no text."""
    monkeypatch.setenv("PASSWORD", "open sesame")
    async with opened(user=("watcher", "secret"), username="watcher", password="env:PASSWORD") as bench:
        with pytest.raises(BrokerRefusedError) as caught:
            await bench.publisher.open()
        assert caught.value.outside
        assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("tag", ["v1", "x" * 128, "a.b-c_d"])
async def test_long_and_strange_texts_arrive(tag: str, opened: Opening) -> None:
    """Labels and messages are whatever somebody wrote into an image."""
    message = "in \x1b[31m/a + b#\0\ufffe\U0001f433 " + "y" * 5000
    async with opened() as bench:
        await bench.publish("v-1", tag, findings=(replace(FINDING, message=message),))
        (event,) = bench.reader.standing().values()
        assert event["data"]["findings"][0]["message"] == message


async def test_a_broker_is_believed_by_its_certificate(tmp_path: Path) -> None:
    """And asks for ours. One that nobody vouches for is told nothing, and the trouble is named."""
    certificates, others = issue_certificates(tmp_path / "ours"), issue_certificates(tmp_path / "others")
    broker = start_mosquitto(tmp_path / "broker", certificates=certificates, asks_for_certificate=True)
    given: dict[str, Any] = {"host": "127.0.0.1", "port": broker.port, "client_cert": str(certificates.client)}
    given["client_key"] = str(certificates.client_key)
    try:
        async with publisher_context(tmp_path / "w.db") as context:
            for authority, kind in ((certificates, None), (others, BrokerTlsError)):
                publisher = MqttPublisher(MqttPublisherSettings(**given, ca_file=str(authority.ca)), context)
                with pytest.raises(kind, match="has a certificate") if kind else nullcontext():
                    await publisher.publish(a_verdict(), Notes())
                await publisher.aclose()
    finally:
        broker.stop()


async def test_a_password_that_is_replaced_is_that_of_the_next_connection(opened: Opening, tmp_path: Path) -> None:
    """Nobody has to start us again for it; while the file is away, it is tried again."""
    file = tmp_path / "password"
    file.write_text("first")
    async with opened(user=("watcher", "first"), username="watcher", password=f"file:{file}") as bench:
        await bench.publish("v-1", "v1")
        await asyncio.to_thread(bench.broker.stop)
        bench.broker.set_password("watcher", "second")
        file.unlink()
        await asyncio.to_thread(bench.broker.start)
        verdict = await bench.record("v-2", "v1")
        with pytest.raises(RetryableError, match="password"):
            await bench.publisher.publish(verdict, Notes())
        file.write_text("second")
        await bench.publisher.publish(verdict, Notes())
        with reading(bench.broker.port, user=("watcher", "second")) as later:
            assert [event["id"] for event in later.standing().values()] == ["v-2"]
