"""What goes wrong between a queue and the daemon: no image is lost, none is judged twice, and nothing stays in the queue."""

import json
import re
import signal
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.courier import Courier
from tests.doubles.courier_mqtt import MqttCourier
from tests.doubles.courier_pubsub import PubsubCourier
from tests.doubles.courier_sqs import SqsCourier
from tests.doubles.daemon import RunningDaemon, eventually
from tests.doubles.hooks import envelope, push_event, rows
from tests.doubles.served_registry import ServedRegistry
from watcher.testing.images import BuiltImage, build_image, build_layer

pytestmark = pytest.mark.timeout(180)

COURIERS: dict[str, Callable[[Path], Courier]] = {"sqs": SqsCourier, "pubsub": PubsubCourier, "mqtt": MqttCourier}
IDENTICAL = 1000
TEN_MINUTES = 600.0
# Of a daemon that reads them all: the SDK of Pub/Sub alone holds some copies of 64 MiB while it reads.
MAX_RESIDENT_KIB = 512 * 1024


class World:
    """A registry, every queue there is, and the one daemon that reads them all."""

    def __init__(self, registry: ServedRegistry, couriers: dict[str, Courier], daemon: RunningDaemon) -> None:
        self.registry, self.couriers, self.daemon = registry, couriers, daemon

    def good(self) -> tuple[str, BuiltImage]:
        """An image nobody has seen, in a repository of its own."""
        name = f"good/{uuid.uuid4().hex}"
        image = build_image([build_layer({"app/name": name})], config={"User": "1000"})
        self.registry.put(name, image)
        return name, image

    def pushed(self) -> tuple[str, dict[str, Any]]:
        """Such an image's repository, and the event of its push."""
        name, image = self.good()
        return name, push_event(self.registry.host, name, image)

    def verdicts(self, repository: str) -> int:
        return self.count("SELECT count(*) AS n FROM verdict WHERE repository = ?", repository)

    def jobs(self, repository: str) -> int:
        return self.count("SELECT count(*) AS n FROM job WHERE repository = ?", repository)

    def events(self, repository: str) -> int:
        return self.count("SELECT count(*) AS n FROM event WHERE repository = ?", repository)

    def count(self, statement: str, *values: object) -> int:
        (row,) = rows(self.daemon, statement, *values)
        number: int = row["n"]
        return number

    def counted(self, source: str, decision: str) -> int:
        """Events of a source since the daemon was started."""
        line = rf'^watcher_events_total{{decision="{decision}",reason="[^"]*",source="{source}"}} (\S+)$'
        return round(sum(float(number) for number in re.findall(line, self.daemon.text("/metrics"), re.MULTILINE)))

    def is_settled(self, courier: Courier, repository: str) -> None:
        """Wait until nothing is left in the queue and the image has its verdict; then it has only one."""
        self.daemon.eventually(lambda: courier.unsettled() == 0, what="an empty queue")
        self.daemon.eventually(lambda: self.verdicts(repository), what="a verdict")
        assert (self.verdicts(repository), self.jobs(repository)) == (1, 1)

    def source(self, courier: Courier) -> dict[str, Any]:
        (found,) = [each for each in self.daemon.get("/api/v1/sources")["sources"] if each["name"] == courier.name]
        shown: dict[str, Any] = found
        return shown

    def connected(self, courier: Courier) -> None:
        self.daemon.eventually(lambda: self.source(courier)["connected"], what="a connection")

    def logged(self, event: str, courier: Courier) -> list[dict[str, Any]]:
        return [line for line in self.daemon.lines() if line["event"] == event and line.get("source") == courier.name]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    registry = ServedRegistry()
    couriers = {name: begin(tmp_path_factory.mktemp(name)) for name, begin in COURIERS.items()}
    sources = "".join(f"- {courier.source(registry.host)}\n" for courier in couriers.values())
    daemon = RunningDaemon(
        directory=tmp_path_factory.mktemp("daemon"),
        config=f'registries: [{{host: "{registry.host}"}}]\nsources:\n{sources}publish: [{{type: log}}]\n',
        environment={name: value for courier in couriers.values() for name, value in courier.environment.items()},
    )
    daemon.start()
    yield World(registry, couriers, daemon)
    code = daemon.stop()
    for courier in couriers.values():
        courier.close()
    registry.close()
    assert code == 0


@pytest.fixture(params=COURIERS)
def courier(world: World, request: pytest.FixtureRequest) -> Courier:
    """One that the daemon hears."""
    chosen = world.couriers[request.param]
    world.connected(chosen)
    return chosen


def test_killed_between_commit_and_acknowledgement(world: World, courier: Courier) -> None:
    """Kill -9 when the acknowledgement is on its way, which is lost with it: the message comes again, as a duplicate."""
    repository, event = world.pushed()
    killed = courier.at_acknowledgement(world.daemon.kill)
    courier.publish(envelope(event))
    world.daemon.eventually(killed.is_set, what="an acknowledgement")
    assert world.events(repository) == 1
    assert courier.unsettled() == 1
    courier.give_up()
    world.daemon.start()
    world.is_settled(courier, repository)
    assert world.events(repository) == 1
    assert world.counted(courier.name, "duplicate") == 1
    assert world.counted(courier.name, "accepted") == 0


def test_a_thousand_identical_deliveries(world: World, courier: Courier) -> None:
    """Are one event and one job; all of them are acknowledged, and counted."""
    repository, event = world.pushed()
    accepted, duplicates = world.counted(courier.name, "accepted"), world.counted(courier.name, "duplicate")
    courier.publish(*[envelope(event)] * IDENTICAL)
    world.is_settled(courier, repository)
    assert world.events(repository) == 1
    assert world.counted(courier.name, "accepted") == accepted + 1
    assert world.counted(courier.name, "duplicate") == duplicates + IDENTICAL - 1


@pytest.mark.parametrize("poison", ["noise", "no JSON", "half", "another shape", "nothing"])
def test_poison(world: World, courier: Courier, poison: str) -> None:
    """What is no event is recorded as rejected, shown, and acknowledged; the next message is taken in."""
    repository, event = world.pushed()
    bodies = {
        "noise": courier.junk,
        "no JSON": b"<events/>",
        "half": envelope(event)[:-9],
        "another shape": json.dumps([event]).encode(),
        "nothing": b"",
    }
    rejected = world.counted(courier.name, "rejected")
    courier.publish(bodies[poison], envelope(event))
    world.is_settled(courier, repository)
    assert world.counted(courier.name, "rejected") == rejected + 1
    shown = [each for each in world.daemon.get("/api/v1/events")["events"] if each["source"] == courier.name]
    (bad,) = [each for each in shown[:2] if each["decision"] == "rejected"]
    assert bad["reason"]
    assert world.logged("event.rejected", courier)


def test_the_largest_messages(world: World, courier: Courier) -> None:
    """Each has an outcome and is acknowledged, and the daemon does not grow by them; the next message is taken in."""
    repository, event = world.pushed()
    empty = len(envelope({**event, "padding": ""}))
    outcomes = [courier.name, "rejected" if courier.largest > 1024 * 1024 else "ignored"]
    before = world.counted(*outcomes)
    for number in range(8):
        pull = {**event, "id": f"{number:036}", "action": "pull", "padding": "x" * (courier.largest - empty)}
        body = envelope(pull)
        assert len(body) == courier.largest
        courier.publish(body)
    courier.publish(envelope(event))
    world.is_settled(courier, repository)
    assert world.counted(*outcomes) == before + 8
    assert world.daemon.process is not None
    status = Path(f"/proc/{world.daemon.process.pid}/status").read_text()
    (peak,) = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")]
    assert peak < MAX_RESIDENT_KIB


def test_a_broker_that_is_killed_with_messages_in_flight(world: World, courier: Courier) -> None:
    """It is back where it was after a moment: everything arrives, and is recorded once."""
    repository, event = world.pushed()
    pulls = [{**event, "id": str(uuid.uuid4()), "action": "pull"} for _ in range(30)]
    assert world.daemon.process is not None
    world.daemon.process.send_signal(signal.SIGSTOP)
    try:
        courier.publish(*[envelope(each) for each in (*pulls, event)])
        eventually(courier.under_way, what="messages in flight")
        courier.kill()
        courier.start()
    finally:
        world.daemon.process.send_signal(signal.SIGCONT)
    courier.give_up()
    world.is_settled(courier, repository)
    for each in pulls:
        assert world.count("SELECT count(*) AS n FROM event WHERE event_id = ?", each["id"]) == 1
    world.connected(courier)


@pytest.mark.parametrize("direction", [1, -1])
def test_a_clock_that_is_ten_minutes_off(world: World, courier: Courier, direction: int) -> None:
    """The registry's, and the queue's as far as it bears that: nothing is lost, and nothing is late by less than nothing."""
    repository, event = world.pushed()
    event["timestamp"] = (datetime.now(UTC) + timedelta(seconds=direction * TEN_MINUTES)).isoformat()
    courier.set_clock(direction * courier.bearable_seconds)
    courier.publish(envelope(event))
    world.is_settled(courier, repository)
    courier.set_clock(0.0)
    lag_seconds = world.source(courier)["lag_seconds"]
    assert lag_seconds is None or lag_seconds >= 0


@pytest.mark.parametrize(("ahead_seconds", "clock"), [(TEN_MINUTES, "slow"), (-TEN_MINUTES, "fast")])
def test_a_clock_that_amazon_does_not_bear(world: World, ahead_seconds: float, clock: str) -> None:
    """Is said to be the trouble, once; when it is set right, what was received is deleted, and the rest arrives."""
    courier = world.couriers["sqs"]
    world.connected(courier)
    told = len(world.logged("source.disconnected", courier))
    courier.set_clock(ahead_seconds)
    bodies = {repository: envelope(event) for repository, event in (world.pushed(), world.pushed())}
    courier.publish(*bodies.values())
    eventually(
        lambda: f"the clock of this machine is {clock}" in (world.source(courier)["problem"] or ""), what="the clock's trouble"
    )
    assert courier.unsettled() == 2
    courier.set_clock(0.0)
    for repository in bodies:
        world.is_settled(courier, repository)
    world.connected(courier)
    assert [(line["level"], line["reason"]) for line in world.logged("source.disconnected", courier)[told:]] == [
        ("error", "queue-clock")
    ]


def test_what_we_prove_ourselves_with_ends(world: World, courier: Courier) -> None:
    """While the source listens: it comes back by itself with the next, and nothing is lost."""

    def troubles() -> int:
        return len(world.logged("source.disconnected", courier)) + len(world.logged("acknowledgement.failed", courier))

    repository, event = world.pushed()
    before = troubles()
    courier.end_identity()
    courier.publish(envelope(event))
    world.is_settled(courier, repository)
    assert troubles() > before
    world.connected(courier)
