"""Google's own client, publisher and subscriber, against a double of the published protocol that is cut off, refuses and lies."""

import asyncio
import json
import socket
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
import structlog
from google.cloud import pubsub_v1
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport

from tests.doubles.intakes import RecordingIntake, open_intake
from tests.doubles.pubsub_bench import source_at, until
from tests.doubles.pubsub_server import INVALID, SUBSCRIPTION, TOPIC, Code, PubsubServer
from tests.doubles.source_bench import listening
from watcher.dialects.protocol import Delivery
from watcher.sources.condition import UNAVAILABLE
from watcher.sources.protocol import Accepted

LATER = "TRANSIENT_FAILURE_SERVICE_UNAVAILABLE"


@pytest.fixture
def server() -> Iterator[PubsubServer]:
    running = PubsubServer()
    running.start()
    yield running
    running.kill()


def bodies(intake: RecordingIntake) -> set[bytes]:
    return {delivery.body for _, delivery in intake.taken}


async def test_what_googles_publisher_publishes_arrives(server: PubsubServer) -> None:
    """Once each, and acknowledged."""
    channel = grpc.insecure_channel(server.endpoint)
    settings = pubsub_v1.types.BatchSettings(max_latency=0.01)
    publisher = pubsub_v1.PublisherClient(settings, transport=PublisherGrpcTransport(channel=channel))
    intake, source = open_intake(), source_at(server)
    async with listening(source, intake):
        sent = [publisher.publish(TOPIC, b"%d" % number, action="INSERT") for number in range(300)]
        ids = {await asyncio.wrap_future(each) for each in sent}
        await until(lambda: set(server.main.acknowledged) == ids)
        assert source.health.connected
    publisher.stop()
    channel.close()
    assert Counter(delivery.body for _, delivery in intake.taken) == {b"%d" % number: 1 for number in range(300)}
    assert {delivery.headers["x-goog-pubsub-attribute-action"] for _, delivery in intake.taken} == {"INSERT"}


async def test_an_emulator_is_found_in_the_environment(server: PubsubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is shown no credentials, and told in the log; an endpoint that is configured stands above it."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", server.endpoint)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere")
    intake = open_intake()
    with structlog.testing.capture_logs() as lines:
        async with listening(source_at(server, endpoint=""), intake):
            server.publish(b"{}")
            await until(lambda: server.main.acknowledged)
    assert [line["endpoint"] for line in lines if line["event"] == "emulator.used"] == [server.endpoint]
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "localhost:1")
    async with listening(source_at(server), intake):
        server.publish(b"{}")
        await until(lambda: len(server.main.acknowledged) == 2)


async def test_a_broker_that_is_killed_loses_nothing(server: PubsubServer) -> None:
    """Messages in flight come again after its return at the same port, and the source needs no restart."""
    intake, source = RecordingIntake(), source_at(server)
    async with listening(source, intake):
        server.publish(*[b"%d" % number for number in range(40)])
        await until(lambda: len(server.main.leases) == 40)
        server.kill()
        intake.gate.set()
        await until(lambda: "cannot be read now" in source.health.problem)
        assert not source.health.connected
        server.publish(*[b"%d" % number for number in range(40, 50)])
        server.start()
        await until(lambda: len(set(server.main.acknowledged)) == 50)
        await until(lambda: source.health.connected)
    assert bodies(intake) == {b"%d" % number for number in range(50)}


async def test_a_stream_that_is_ended_now_and_then_is_no_outage(server: PubsubServer) -> None:
    """The service does it; nothing is lost, and nobody is told."""
    intake, source = open_intake(), source_at(server)
    async with listening(source, intake):
        await until(lambda: source.health.connected)
        with structlog.testing.capture_logs() as lines:
            for number in range(3):
                server.publish(b"%d" % number)
                await until(lambda: len(server.main.acknowledged) == number + 1)  # noqa: B023  awaited in this round
                server.end_streams(Code.UNAVAILABLE, "The service was unable to fulfill your request.")
                await until(lambda: server.streams == 1)
            server.publish(b"last")
            await until(lambda: len(server.main.acknowledged) == 4)
        assert lines == []
        assert source.health.connected


async def test_what_is_not_stored_is_given_back_at_the_end(server: PubsubServer) -> None:
    """At once, so that another watcher has it long before its lease ends."""
    intake, later = RecordingIntake(), open_intake()
    async with listening(source_at(server), intake):
        server.publish(*[b"%d" % number for number in range(20)])
        await until(lambda: len(server.main.leases) == 20)
        await intake.entered.wait()
    assert len(server.main.given_back) == 20
    assert server.main.leases == {}
    async with listening(source_at(server), later):
        await until(lambda: len(server.main.acknowledged) == 20)
    assert len(later.taken) == 20
    assert intake.taken == []


async def test_what_cannot_be_stored_is_kept(server: PubsubServer) -> None:
    """Until it can be: a subscription makes a dead letter of what it had to deliver five times, which is a minute's full disk."""
    intake, source = open_intake(), source_at(server)
    intake.broken = True
    async with listening(source, intake):
        server.publish(b"1", b"2")
        await until(lambda: source.health.problem.startswith(UNAVAILABLE))
        await asyncio.sleep(1)
        intake.broken = False
        await until(lambda: len(server.main.acknowledged) == 2)
        assert source.health.connected
    assert (len(intake.taken), len(server.main.delivered)) == (2, 2)


async def test_what_cannot_be_stored_for_long_is_given_back(server: PubsubServer) -> None:
    """Another may be able to; it comes again to us too, and is stored when it can be."""
    intake, source = open_intake(), source_at(server, held_seconds=0.5)
    intake.broken = True
    async with listening(source, intake):
        server.publish(b"1")
        await until(lambda: len(server.main.delivered) >= 2)
        intake.broken = False
        await until(lambda: server.main.acknowledged)
    assert bodies(intake) == {b"1"}


async def test_a_message_that_is_kept_long_stays_ours(server: PubsubServer) -> None:
    """Its lease is extended at its receipt, whatever the subscription's own deadline is."""
    server.main.ack_deadline_seconds = 1.0
    intake = RecordingIntake()
    async with listening(source_at(server), intake):
        server.publish(b"{}")
        await intake.entered.wait()
        await asyncio.sleep(1.5)
        assert len(server.main.delivered) == 1
        intake.gate.set()
        await until(lambda: server.main.acknowledged)


async def test_an_exactly_once_acknowledgement_is_tried_again(server: PubsubServer) -> None:
    """One that failed for the moment; the message does not come again."""
    server.main.exactly_once = True
    server.main.ack_answers.extend([LATER, LATER])
    intake, source = open_intake(), source_at(server)
    async with listening(source, intake):
        server.publish(b"{}")
        await until(lambda: server.main.acknowledged)
        assert source.health.problem == ""
    assert (len(intake.taken), len(server.main.delivered)) == (1, 1)


async def test_an_exactly_once_acknowledgement_that_came_too_late_is_a_duplicate(server: PubsubServer) -> None:
    """The message comes again with its id, by which it is recognised, and then is acknowledged."""
    server.main.exactly_once = True
    server.main.ack_answers.append(INVALID)
    intake, source = open_intake(), source_at(server)
    with structlog.testing.capture_logs() as lines:
        async with listening(source, intake):
            (message_id,) = server.publish(b"{}")
            await until(lambda: server.main.acknowledged == [message_id])
            await until(lambda: source.health.problem == "")
    assert [delivery.headers["x-goog-pubsub-message-id"] for _, delivery in intake.taken] == [message_id] * 2
    told = [line for line in lines if line["event"] == "acknowledgement.failed"]
    assert [(line["detail"].endswith(INVALID), line["log_level"], line["message_id"]) for line in told] == [
        (True, "warning", message_id)
    ]


async def test_a_source_stops_while_acknowledgements_fail(server: PubsubServer) -> None:
    """With one of an exactly-once subscription under way, and with a service that answers none."""
    server.main.exactly_once = True
    server.main.ack_answers.extend([LATER] * 1000)
    for _ in range(2):
        intake = open_intake()
        async with listening(source_at(server), intake):
            server.publish(b"{}")
            await until(lambda: intake.taken)  # noqa: B023  awaited in this round
        server.main.exactly_once = False
        server.refuse("Acknowledge", Code.UNAVAILABLE, "later")


async def test_acknowledgements_that_fail_are_told(server: PubsubServer) -> None:
    """Messages arrive all the same, so the source is connected; and again and again, so it has a problem."""
    server.refuse("Acknowledge", Code.PERMISSION_DENIED, "no")
    intake, source = open_intake(), source_at(server)
    async with listening(source, intake):
        server.publish(b"{}")
        await until(lambda: "PERMISSION_DENIED" in source.health.problem)
        assert source.health.connected
        server.allow("Acknowledge")
        server.publish(b"{}")
        await until(lambda: source.health.problem == "")


async def test_a_refusal_is_told_and_waited_out(server: PubsubServer) -> None:
    """At the start and later: an error for a person in the log, once, and no restart."""
    server.refuse("StreamingPull", Code.PERMISSION_DENIED, "User not authorized.")
    intake, source = open_intake(), source_at(server)
    with structlog.testing.capture_logs() as lines:
        async with listening(source, intake):
            await until(lambda: "may not read it" in source.health.problem)
            assert not source.health.connected
            server.allow("StreamingPull")
            server.publish(b"1")
            await until(lambda: source.health.connected)
            server.refuse("StreamingPull", Code.PERMISSION_DENIED, "User not authorized.")
            await until(lambda: "may not read it" in source.health.problem)
            server.publish(b"2")
            server.allow("StreamingPull")
            await until(lambda: len(server.main.acknowledged) == 2)
    assert bodies(intake) == {b"1", b"2"}
    told = [line["log_level"] for line in lines if line["event"] == "source.disconnected"]
    assert told == ["error", "error"]


class LingeringIntake(RecordingIntake):
    """One that has something to finish when it is cancelled."""

    def __init__(self) -> None:
        super().__init__()
        self.leaving = asyncio.Event()

    async def __call__(self, source: str, delivery: Delivery) -> Accepted:
        try:
            return await super().__call__(source, delivery)
        finally:
            self.leaving.set()
            await asyncio.sleep(0.1)


async def test_a_source_that_is_stopped_while_its_stream_breaks_stops(server: PubsubServer) -> None:
    """What it was about to wait for is not waited for."""
    intake = LingeringIntake()
    async with listening(source_at(server), intake):
        server.publish(b"{}")
        await intake.entered.wait()
        server.refuse("StreamingPull", Code.NOT_FOUND, "Resource not found.")
        await intake.leaving.wait()


async def test_a_service_that_says_nothing_is_not_connected() -> None:
    """It takes the connection and never answers."""
    absent = PubsubServer()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        absent.port = silent.getsockname()[1]
        source = source_at(absent, timeout="500ms")
        async with listening(source, open_intake()):
            await until(lambda: "did not answer" in source.health.problem)
            assert not source.health.connected


LISTENER = """
import asyncio, signal, sys
from tests.doubles.intakes import open_intake
from watcher.kit.telemetry import configure_logging
from watcher.dialects.protocol import Delivery
from watcher.sources.protocol import Accepted
from watcher.sources.pubsub import PubsubSource
from watcher.sources.pubsub_settings import PubsubSourceSettings

async def main():
    settings = PubsubSourceSettings(subscription=sys.argv[1], endpoint=sys.argv[2])
    task = asyncio.create_task(PubsubSource(settings).run(open_intake()))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await asyncio.wait([task])
    assert task.cancelled()

configure_logging(as_json=True)
asyncio.run(main())
"""


async def test_nothing_but_our_own_lines_gets_into_the_log(server: PubsubServer) -> None:
    """Of a process whose broker is killed and comes back: gRPC and the SDK have threads that die of it, and their own stderr."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-c", LISTENER, SUBSCRIPTION, server.endpoint),
        stderr=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.stderr is not None

    async def line() -> dict[str, str]:
        async with asyncio.timeout(20):
            said: dict[str, str] = json.loads(await process.stderr.readline())  # type: ignore[union-attr]  # looked at above
            return said

    try:
        assert (await line())["event"] == "source.connected"
        server.kill()
        assert (await line())["event"] == "source.disconnected"
        server.start()
        while (said := await line())["event"] != "source.connected":
            assert said["event"] == "source.disconnected"
    finally:
        process.terminate()
    assert await process.stderr.read() == b""
    assert await process.wait() == 0
