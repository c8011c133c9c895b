"""What the SQS source does with messages that it has: while they cannot be stored, and when it ends."""

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from tests.doubles.certificates import Authority
from tests.doubles.intakes import RecordingIntake, open_intake
from tests.doubles.scripted_server import scripted_server
from tests.doubles.source_bench import listening
from tests.doubles.sqs_bench import until
from tests.doubles.sqs_scripted import SENT, ScriptedQueue, message, refusing, source_of
from watcher.sources.sqs_queue import LONGEST_AWAY_SECONDS, away_seconds
from watcher.sources.sqs_queue_client import Address, SqsClient

pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("aws_identity")]


@pytest.mark.parametrize("encrypted", [False, True])
async def test_a_source_stops_in_the_middle_of_a_poll(encrypted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a second, though the service would be silent for much longer; its threads end with it."""
    authority = Authority(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.path))
    polled = asyncio.Event()
    service = ScriptedQueue()

    async def hang(asked: dict[str, Any]) -> web.Response:
        if asked["WaitTimeSeconds"] == 0:
            return web.json_response({})
        polled.set()
        return await service.silence(asked)

    service.answers["ReceiveMessage"] = hang
    async with scripted_server(service.answer, tls=authority.server_context() if encrypted else None) as server:
        source = source_of(f"{server.url}/1/queue", name="stops")
        async with listening(source, open_intake()):
            await polled.wait()
            started = time.monotonic()
        assert time.monotonic() - started < 10
        assert source.health.problem == "stopped"
        await until(lambda: not threads("stops"))
        service.over.set()


def threads(name: str) -> list[str]:
    return [each.name for each in threading.enumerate() if f":{name}-" in each.name]


async def test_a_source_stops_though_the_service_is_silent(service: ScriptedQueue) -> None:
    """Even when what it holds cannot be given back: that comes again by itself, and is said."""
    service.answers["ChangeMessageVisibilityBatch"] = service.silence
    service.messages = [message(1)]
    intake = RecordingIntake()
    with capture_logs() as logs:
        async with listening(source_of(service.url), intake):
            await intake.entered.wait()
            started = time.monotonic()
        assert time.monotonic() - started < 10
    assert [each["event"] for each in logs if each["log_level"] == "warning"] == ["messages.abandoned"]


async def test_what_was_stored_and_not_yet_deleted_is_deleted_at_the_end(service: ScriptedQueue) -> None:
    """A message that is on disk need not come again."""
    service.answers["DeleteMessageBatch"] = refusing("RequestThrottled")
    service.messages = [message(1)]
    async with listening(source_of(service.url), open_intake()):
        await until(lambda: service.asked("DeleteMessageBatch"))
        del service.answers["DeleteMessageBatch"]
    assert [each["ReceiptHandle"] for each in service.asked("DeleteMessageBatch")[-1]["Entries"]] == ["receipt-1"]
    assert service.asked("ChangeMessageVisibilityBatch") == []


async def test_what_arrives_after_the_end_goes_back(service: ScriptedQueue) -> None:
    """A poll that could not be ended may still bring messages: its thread gives them back, whoever is gone."""
    address = Address(
        url=service.url,
        region="eu-west-1",
        endpoint_url=service.url.partition("/1234")[0],
        receivers=1,
        wait_seconds=20,
        visibility_seconds=30,
        timeout_seconds=5.0,
    )
    release = asyncio.Event()

    async def later(asked: dict[str, Any]) -> web.Response:
        await release.wait()
        return web.json_response({"Messages": [message(1)]})

    service.answers["ReceiveMessage"] = later
    client = SqsClient(address, name="late")
    client._sockets.watch = lambda client: None  # type: ignore[method-assign]  # as with a botocore that is built otherwise
    polled = client.receive(10, waits=True)
    await until(lambda: service.calls)
    client.close()
    release.set()
    assert await polled == []
    (given_back,) = service.asked("ChangeMessageVisibilityBatch")
    assert [(each["ReceiptHandle"], each["VisibilityTimeout"]) for each in given_back["Entries"]] == [("receipt-1", 0)]


async def test_a_full_disk_burns_no_receipts(service: ScriptedQueue) -> None:
    """What was received is kept until it can be stored; meanwhile one message at a time is asked for."""
    service.messages = [message(number) for number in range(13)]
    source, intake = source_of(service.url), RecordingIntake(broken=True)
    intake.gate.set()
    async with listening(source, intake):
        await until(lambda: len(service.asked("ReceiveMessage")) >= 3)
        assert source.health.problem == "events cannot be taken in now: disk full"
        intake.broken = False
        await until(lambda: len(intake.taken) == 13)
        assert source.health.connected
    most = [asked["MaxNumberOfMessages"] for asked in service.asked("ReceiveMessage")]
    assert most[0] == 10
    assert 1 in most[1:3]
    assert service.asked("ChangeMessageVisibilityBatch") == []


async def test_what_cannot_be_stored_for_long_goes_back(service: ScriptedQueue) -> None:
    """Later each time: its queue counts, and makes a dead letter of it in the end."""
    service.messages = [message(1, Attributes={"SentTimestamp": SENT, "ApproximateReceiveCount": "4"})]
    source, intake = source_of(service.url, held_seconds=0), RecordingIntake(broken=True)
    intake.gate.set()
    async with listening(source, intake):
        await until(lambda: service.asked("ChangeMessageVisibilityBatch"))
    (entry,) = service.asked("ChangeMessageVisibilityBatch")[0]["Entries"]
    assert entry["VisibilityTimeout"] == 7


def test_a_message_stays_away_longer_each_time() -> None:
    """The first time not at all, and never longer than a quarter of an hour."""
    assert [away_seconds(receipts) for receipts in (1, 2, 3, 4, 10, 11, 1000)] == [0, 1, 3, 7, 511, LONGEST_AWAY_SECONDS, 900]


async def test_no_more_is_asked_for_than_may_be_held(service: ScriptedQueue) -> None:
    """With 12 messages in flight at most, ten and then two; nothing more until some are stored."""
    service.messages = [message(number) for number in range(30)]
    intake = RecordingIntake()
    async with listening(source_of(service.url, in_flight=12), intake):
        await until(lambda: len(service.asked("ReceiveMessage")) == 2)
        await asyncio.sleep(0.05)  # that nothing more is asked for cannot be waited for
        assert [asked["MaxNumberOfMessages"] for asked in service.asked("ReceiveMessage")] == [10, 2]
        intake.gate.set()
        await until(lambda: len(intake.taken) == 30)
