"""The MQTT source against mosquitto: what is acknowledged, when, and what is left in the session of one who went away."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from structlog.testing import capture_logs

from tests.doubles.intakes import DiskFullError, RecordingIntake, open_intake
from tests.doubles.mosquitto import Mosquitto, start_mosquitto
from tests.doubles.mqtt_bench import CLIENT, DEADLINE_SECONDS, TOPIC, publish, renew_session, source_at, until
from tests.doubles.source_bench import listening
from watcher.dialects.protocol import Delivery
from watcher.sources.mqtt_connection import connect
from watcher.sources.protocol import Accepted

Version = Literal[5, "3.1.1"]
both_versions = pytest.mark.parametrize("version", [5, "3.1.1"])


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    running = start_mosquitto(tmp_path / "broker")
    yield running
    running.stop()


def bodies(intake: RecordingIntake) -> list[bytes]:
    return [delivery.body for _, delivery in intake.taken]


def numbered(count: int) -> list[bytes]:
    return [str(number).encode() for number in range(count)]


@dataclass
class HoldingIntake:
    """Keeps `held` waiting, each until it is let go, and takes everything else; it notes how many waited at once."""

    held: dict[bytes, asyncio.Event] = field(default_factory=dict)
    taken: list[bytes] = field(default_factory=list)
    waiting: int = 0
    most_waiting: int = 0

    async def __call__(self, source: str, delivery: Delivery) -> Accepted:
        self.waiting += 1
        self.most_waiting = max(self.most_waiting, self.waiting)
        try:
            if (gate := self.held.get(delivery.body)) is not None:
                await gate.wait()
        finally:
            self.waiting -= 1
        self.taken.append(delivery.body)
        return Accepted(accepted=1)

    async def found(self, source: str, pushes: object, *, fresh: bool = False) -> Accepted:
        raise AssertionError("a source of events finds nothing")


@both_versions
async def test_what_was_not_stored_comes_again(broker: Mosquitto, version: Version) -> None:
    """A source that ends while it stores a message has not acknowledged it, and the next one gets it."""
    intake = RecordingIntake()
    async with listening(source_at(broker.port, version=version), intake, connected=True):
        await publish(broker.port, b"1")
        await intake.entered.wait()
    assert f"Received PUBACK from {CLIENT}" not in broker.log
    again = open_intake()
    async with listening(source_at(broker.port, version=version), again, connected=True):
        await until(lambda: f"Received PUBACK from {CLIENT}" in broker.log)
    assert (bodies(intake), bodies(again)) == ([], [b"1"])


async def test_a_process_that_is_killed_has_acknowledged_nothing(broker: Mosquitto) -> None:
    """Of ten messages under way at SIGKILL, all ten come to the next process."""
    await renew_session(broker.port)
    await publish(broker.port, *numbered(10))
    program = f"""
import asyncio, sys
from watcher.sources.mqtt import MqttSource
from watcher.sources.mqtt_settings import MqttSourceSettings
async def intake(source, delivery):
    print(delivery.body.decode(), file=sys.stderr, flush=True)
    await asyncio.Event().wait()
settings = MqttSourceSettings(name="main", host="127.0.0.1", port={broker.port}, topic="{TOPIC}", registry="registry.example.com")
asyncio.run(MqttSource(settings).run(intake))
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    async with asyncio.timeout(DEADLINE_SECONDS):
        seen = [(await process.stderr.readline()).strip() for _ in range(10)]
    process.kill()
    await process.wait()
    assert seen == numbered(10)
    intake = open_intake()
    async with listening(source_at(broker.port), intake, connected=True):
        await until(lambda: len(intake.taken) == 10)
    assert bodies(intake) == numbered(10)


@both_versions
async def test_the_session_is_kept_while_we_are_away(broker: Mosquitto, version: Version) -> None:
    """What is published meanwhile arrives, in order."""
    async with listening(source_at(broker.port, version=version), open_intake(), connected=True):
        pass
    await publish(broker.port, *numbered(20))
    intake = open_intake()
    async with listening(source_at(broker.port, version=version), intake, connected=True):
        await until(lambda: len(intake.taken) == 20)
    assert bodies(intake) == numbered(20)


@both_versions
async def test_a_broker_that_is_killed_loses_nothing(broker: Mosquitto, version: Version) -> None:
    """What was under way, and what had still to be sent, comes after its restart; it is said meanwhile."""
    source = source_at(broker.port, version=version)
    intake = RecordingIntake()
    async with listening(source, intake, connected=True):
        sent = [f"message {number}.".encode() for number in range(30)]
        await publish(broker.port, *sent)
        await intake.entered.wait()
        # It acknowledges to the publisher before it writes to its disk; what it loses in between no receiver can find.
        broker.save()
        await until(lambda: all(body in broker.saved for body in sent))
        broker.kill()
        await until(lambda: not source.health.connected)
        assert f"127.0.0.1:{broker.port}" in source.health.problem
        intake.gate.set()
        broker.start()
        await until(lambda: set(sent) == set(bodies(intake)))
        await until(lambda: source.health.connected)
    assert bodies(intake) == sent


async def test_a_broker_that_is_killed_while_it_is_left_unread_loses_nothing(broker: Mosquitto) -> None:
    """Nothing of what had come can be acknowledged any more, so it comes again, with the rest."""
    source = source_at(broker.port, receive_maximum=5)
    intake = RecordingIntake()
    async with listening(source, intake, connected=True):
        sent = [f"message {number}.".encode() for number in range(30)]
        await publish(broker.port, *sent)
        await intake.entered.wait()
        broker.save()
        await until(lambda: all(body in broker.saved for body in sent))
        broker.kill()
        broker.start()
        intake.gate.set()
        await until(lambda: set(sent) == set(bodies(intake)))
        await until(lambda: source.health.connected)
    assert len(intake.taken) <= 30 + 2 * 5


async def test_a_session_that_the_broker_lost_is_told(broker: Mosquitto) -> None:
    """With it went what was published meanwhile, so it is a warning; the source subscribes anew."""
    source = source_at(broker.port)
    intake = open_intake()
    with capture_logs() as logs:
        async with listening(source, intake, connected=True):
            broker.kill()
            (broker.directory / "mosquitto.db").unlink()
            broker.start()
            await until(lambda: any(each["event"] == "session.lost" for each in logs))
            await until(lambda: source.health.connected)
            await publish(broker.port, b"after")
            await until(lambda: bodies(intake) == [b"after"])


async def test_acknowledgements_go_out_in_the_order_of_the_messages(broker: Mosquitto) -> None:
    """Messages are stored at the same time; one that is stored early waits for those before it (MQTT 5.0 section 4.6)."""
    intake = HoldingIntake(held={b"0": asyncio.Event()})
    async with listening(source_at(broker.port), intake, connected=True):
        await publish(broker.port, *numbered(5))
        await until(lambda: len(intake.taken) == 4)
        await asyncio.sleep(0.05)  # that something does not happen cannot be waited for
        assert f"Received PUBACK from {CLIENT}" not in broker.log
        intake.held[b"0"].set()
        await until(lambda: broker.log.count(f"Received PUBACK from {CLIENT}") == 5)
    acknowledged = [line.split("Mid: ")[1] for line in broker.log.splitlines() if f"PUBACK from {CLIENT}" in line]
    assert acknowledged == sorted(acknowledged)


@both_versions
async def test_a_full_disk_acknowledges_nothing_and_loses_nothing(broker: Mosquitto, version: Version) -> None:
    """What came is kept, and the connection with it, until everything could be stored; the reason is told."""
    source = source_at(broker.port, version=version)
    intake = RecordingIntake(broken=True)
    intake.gate.set()
    async with listening(source, intake, connected=True):
        await publish(broker.port, *numbered(5))
        await until(lambda: not source.health.connected)
        assert source.health.problem == "events cannot be taken in now: disk full"
        assert f"Received PUBACK from {CLIENT}" not in broker.log
        intake.broken = False
        await until(lambda: len(intake.taken) == 5)
        await until(lambda: broker.log.count(f"Received PUBACK from {CLIENT}") == 5)
        await until(lambda: source.health.connected)
        assert f"Client {CLIENT} " not in broker.log.partition("Sending PUBLISH")[2]  # nor does it disconnect
    assert sorted(bodies(intake)) == numbered(5)


async def test_a_message_that_only_we_have_is_not_given_back(broker: Mosquitto) -> None:
    """With QoS 0 the broker has forgotten it: it is kept here until it can be stored. Of many, the trouble is said once."""
    source = source_at(broker.port)
    intake = RecordingIntake(broken=True)
    with capture_logs() as logs:
        async with listening(source, intake, connected=True):
            await publish(broker.port, b"once", b"more", qos=0)
            await until(lambda: intake.held == 2)
            intake.gate.set()
            await until(lambda: [each for each in logs if each["event"] == "delivery.postponed"])
            intake.broken = False
            await until(lambda: sorted(bodies(intake)) == [b"more", b"once"])
            assert source.health.connected
    assert len([each for each in logs if each["event"] == "delivery.postponed"]) == 1


@both_versions
async def test_what_waits_is_bounded(broker: Mosquitto, version: Version) -> None:
    """At most `receive_maximum` messages are being stored, and then everything comes, once."""
    gate = asyncio.Event()
    intake = HoldingIntake(held=dict.fromkeys(numbered(500), gate))
    async with listening(source_at(broker.port, version=version, receive_maximum=8), intake, connected=True):
        await publish(broker.port, *numbered(500))
        await until(lambda: intake.waiting == 8)
        gate.set()
        await until(lambda: len(intake.taken) == 500)
    assert intake.most_waiting == 8
    assert intake.taken == numbered(500)


@both_versions
async def test_a_broker_that_keeps_no_limit_is_left_unread(broker: Mosquitto, version: Version) -> None:
    """Mosquitto answers each acknowledgement with more than one message; no more of them come into memory than may."""
    settings = source_at(broker.port, version=version, receive_maximum=8)._broker()
    await renew_session(broker.port)
    payloads = [str(number).encode().ljust(8_000) for number in range(150)]
    await publish(broker.port, *payloads)
    received: list[bytes] = []
    most_in_memory = 0
    async with connect(settings) as connection:
        async for message in connection.messages():
            received.append(message.payload)
            if len(received) == len(payloads):
                break
            await asyncio.sleep(0.001)  # somebody who stores
            most_in_memory = max(most_in_memory, len(connection._client.messages) + 1)
            connection.acknowledge(message)
    assert received == payloads
    assert most_in_memory <= 8


async def test_a_retained_message_comes_once(broker: Mosquitto) -> None:
    """A source that subscribes for the first time hears what was published last; by MQTT 5 one that comes back does not."""
    await publish(broker.port, b"kept", retain=True)
    intake = open_intake()
    for _ in range(2):
        async with listening(source_at(broker.port), intake, connected=True):
            await until(lambda: intake.taken)
    ((_, delivery),) = intake.taken
    assert (delivery.body, delivery.headers["mqtt-retain"]) == (b"kept", "1")


async def test_a_message_that_is_too_large_is_acknowledged(broker: Mosquitto) -> None:
    """It is handed over as what it is: nobody wants it a second time."""
    intake = open_intake()
    async with listening(source_at(broker.port, max_payload="64KiB"), intake, connected=True):
        await publish(broker.port, b"x" * (65 * 1024), b"small")
        await until(lambda: broker.log.count(f"Received PUBACK from {CLIENT}") == 2)
    (_, large), (_, small) = intake.taken
    assert (len(large.body), large.whole_bytes) == (4096, 65 * 1024)
    assert small.body == b"small"


async def test_a_client_with_the_same_id_is_suspected(broker: Mosquitto) -> None:
    """The broker gives the session to the later one and does not tell the earlier one why."""
    source = source_at(broker.port)
    with capture_logs() as logs:
        async with listening(source, open_intake(), connected=True):
            await renew_session(broker.port)
            await until(lambda: any("same `client_id`" in each.get("detail", "") for each in logs))
            await until(lambda: source.health.connected)


async def test_a_shared_subscription_is_warned_about(broker: Mosquitto) -> None:
    """It works, and it loses what its other members do not come back for."""
    intake = open_intake()
    with capture_logs() as logs:
        async with listening(source_at(broker.port, topic=(f"$share/watchers/{TOPIC}",)), intake, connected=True):
            await publish(broker.port, *numbered(3))
            await until(lambda: len(intake.taken) == 3)
    assert [each["topic"] for each in logs if each["event"] == "subscription.shared"] == [f"$share/watchers/{TOPIC}"]


async def test_a_disk_that_fills_up_now_and_then_loses_nothing(broker: Mosquitto) -> None:
    """Of 300 messages every 60th attempt fails, and only that message is tried again."""
    attempts = 0
    taken: list[bytes] = []

    class FlakyIntake(HoldingIntake):
        async def __call__(self, source: str, delivery: Delivery) -> Accepted:
            nonlocal attempts
            attempts += 1
            if attempts % 60 == 0:
                raise DiskFullError("disk full")
            taken.append(delivery.body)
            return Accepted(accepted=1)

    await renew_session(broker.port)
    await publish(broker.port, *numbered(300))
    async with listening(source_at(broker.port, receive_maximum=20), FlakyIntake(), connected=True):
        await until(lambda: set(taken) == set(numbered(300)))
    assert (len(taken), attempts) == (300, 300 + attempts // 60)
