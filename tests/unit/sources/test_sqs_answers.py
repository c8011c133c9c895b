"""What the SQS source makes of answers that moto never gives: failures, of whole calls and of single messages, and silence."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from tests.doubles.intakes import open_intake
from tests.doubles.source_bench import listening
from tests.doubles.sqs_bench import until
from tests.doubles.sqs_scripted import ScriptedQueue, message, refusing, source_of

pytestmark = [pytest.mark.enable_socket, pytest.mark.untraced, pytest.mark.usefixtures("aws_identity")]

EXPIRED = "Signature expired: 20260101T000000Z is now earlier than 20260101T000500Z (20260101T001000Z - 5 min.) SECRET"
EARLY = "Signature not yet current: 20260101T001000Z is still later than 20260101T000500Z (20260101T000000Z + 5 min.) SECRET"


async def test_a_message_is_a_delivery(service: ScriptedQueue) -> None:
    """Its body as it is, its sender's attributes as headers, and what the queue says of it above them."""
    text = {"DataType": "String", "StringValue": "push"}
    forged = {"DataType": "String", "StringValue": "forged"}
    picture = {"DataType": "Binary", "BinaryValue": "AAAA"}
    given = {"X-Event": text, "x-amz-sqs-message-id": forged, "picture": picture}
    service.messages = [message(1, Body='{"a": "é"}', MessageAttributes=given)]
    source, intake = source_of(service.url, aliases=("proxy",)), open_intake()
    async with listening(source, intake):
        await until(lambda: service.asked("DeleteMessageBatch"))
        assert (source.health.connected, source.health.problem) == (True, "")
    ((name, delivery),) = intake.taken
    assert (name, str(delivery.registry), list(delivery.aliases)) == ("main", "registry.example.com", ["proxy"])
    assert delivery.body == '{"a": "é"}'.encode()
    assert delivery.headers == {
        "x-event": "push",
        "x-amz-sqs-message-id": "id-1",
        "x-amz-sqs-receive-count": "1",
        "x-amz-sqs-sent-at": "2026-01-01T00:00:00.500000Z",
    }
    assert source.health.lag_seconds is not None
    assert source.health.lag_seconds > 0
    assert source.health.last_event_at is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"Body": "\ud800"},
        {"Body": ""},
        {"Attributes": {"SentTimestamp": "soon", "ApproximateReceiveCount": "many"}},
        {"Attributes": {"SentTimestamp": "9" * 30, "ApproximateReceiveCount": "-1"}},
        {"Attributes": {}},
        {"MessageAttributes": {"x": {"DataType": "String"}}},
    ],
)
async def test_an_odd_message_is_a_delivery_too(service: ScriptedQueue, changes: dict[str, Any]) -> None:
    """Whether it is an event is for its dialect to say; it is deleted, and its neighbour arrives."""
    service.messages = [message(1, **changes), message(2, Body="neighbour")]
    source, intake = source_of(service.url), open_intake()
    async with listening(source, intake):
        await until(lambda: sum(len(each["Entries"]) for each in service.asked("DeleteMessageBatch")) == 2)
        assert source.health.connected
    assert sorted(delivery.headers["x-amz-sqs-message-id"] for _, delivery in intake.taken) == ["id-1", "id-2"]


async def test_what_could_not_be_deleted_is_deleted_again(service: ScriptedQueue) -> None:
    """Of ten messages the service deletes all but one at first; one whose receipt has become invalid is let go."""
    service.messages = [message(number) for number in range(10)]

    async def some_fail(asked: dict[str, Any]) -> web.Response:
        del service.answers["DeleteMessageBatch"]
        late, stale = asked["Entries"][3]["Id"], asked["Entries"][5]["Id"]
        failed = [
            {"Id": late, "Code": "InternalError", "SenderFault": False},
            {"Id": stale, "Code": "ReceiptHandleIsInvalid", "SenderFault": True},
        ]
        return web.json_response({"Successful": [], "Failed": failed})

    service.answers["DeleteMessageBatch"] = some_fail
    with capture_logs() as logs:
        async with listening(source_of(service.url), open_intake()):
            await until(lambda: len(service.asked("DeleteMessageBatch")) == 2)
            await asyncio.sleep(0.05)  # that nothing more is deleted cannot be waited for
    first, second = service.asked("DeleteMessageBatch")
    assert [each["ReceiptHandle"] for each in second["Entries"]] == [first["Entries"][3]["ReceiptHandle"]]
    (lost,) = [each for each in logs if each["event"] == "message.lost_hold"]
    assert lost["reason"] == "ReceiptHandleIsInvalid"


async def test_a_queue_that_may_not_be_deleted_from_still_gives_news(service: ScriptedQueue) -> None:
    """It is an error that is said once; the source goes on."""
    service.answers["DeleteMessageBatch"] = refusing("AccessDenied", "User: x is not authorized to perform: sqs:deletemessage")
    service.messages = [message(1)]
    source, intake = source_of(service.url), open_intake()
    with capture_logs() as logs:
        async with listening(source, intake):
            await until(lambda: len(service.asked("DeleteMessageBatch")) == 2)
            assert source.health.connected
            assert "we may not delete messages: User: x is not authorized" in source.health.problem
            service.messages = [message(2)]
            await until(lambda: len(intake.taken) == 2)
            del service.answers["DeleteMessageBatch"]
            await until(lambda: source.health.problem == "")
    assert [each["log_level"] for each in logs if each["event"] == "acknowledgement.failed"] == ["error"]


@pytest.mark.parametrize(
    ("answer", "problem", "level"),
    [
        (refusing("QueueDoesNotExist"), "no such queue", "error"),
        (refusing("AWS.SimpleQueueService.NonExistentQueue"), "no such queue", "error"),
        (refusing("AccessDeniedException", "not authorized to perform: sqs:receivemessage"), "sqs:receivemessage", "error"),
        (refusing("ExpiredToken", "SECRET"), "does not accept our credentials (ExpiredToken)", "error"),
        (refusing("SignatureDoesNotMatch", "SECRET"), "does not accept our credentials (SignatureDoesNotMatch)", "error"),
        (refusing("InvalidSignatureException", "SECRET"), "does not accept our credentials (InvalidSignatureException)", "error"),
        (refusing("InvalidSignatureException", EXPIRED), "the clock of this machine is slow", "error"),
        (refusing("SignatureDoesNotMatch", EARLY, 403), "the clock of this machine is fast", "error"),
        (refusing("RequestExpired", "SECRET"), "the clock of this machine is wrong", "error"),
        (refusing("UnsupportedOperation", "SECRET"), "UnsupportedOperation", "error"),
        (refusing("RequestThrottled"), "RequestThrottled", "warning"),
        (refusing("ServiceUnavailable", status=503), "ServiceUnavailable", "warning"),
    ],
)
async def test_a_queue_that_gives_nothing_is_told_and_tried_again(
    service: ScriptedQueue, answer: Any, problem: str, level: str
) -> None:
    """Once at each problem, at the level of who can help; and news arrives as soon as it can."""
    service.answers["ReceiveMessage"] = answer
    # Two receivers meet it at the same time, before the first pause is over.
    source, intake = source_of(service.url, receivers=2), open_intake()
    with capture_logs() as logs:
        async with listening(source, intake):
            await until(lambda: len(service.calls) >= 2 and problem in source.health.problem)
            assert not source.health.connected
            assert "SECRET" not in source.health.problem
            del service.answers["ReceiveMessage"]
            service.messages = [message(1)]
            await until(lambda: intake.taken)
            assert (source.health.connected, source.health.problem) == (True, "")
    assert [each["log_level"] for each in logs if each["event"] == "source.disconnected"] == [level]


async def test_a_poll_that_began_before_the_trouble_does_not_end_it(service: ScriptedQueue) -> None:
    """Of two at a time one waits while the other is refused: what it brings is taken in, and the trouble is told once."""
    release, polls = asyncio.Event(), 0

    async def one_waits(asked: dict[str, Any]) -> web.Response:
        nonlocal polls
        polls += 1
        if asked["WaitTimeSeconds"] == 0 and polls <= 2:
            return web.json_response({})  # the first of each, which does not wait
        if asked["WaitTimeSeconds"] and not release.is_set():
            if waiting.locked():
                return await refusing("ExpiredToken")(asked)
            async with waiting:
                await release.wait()
                return web.json_response({"Messages": [message(1)]})
        return await refusing("ExpiredToken")(asked)

    waiting = asyncio.Lock()
    service.answers["ReceiveMessage"] = one_waits
    source, intake = source_of(service.url, receivers=2), open_intake()
    with capture_logs() as logs:
        async with listening(source, intake):
            await until(lambda: "(ExpiredToken)" in source.health.problem)
            release.set()
            await until(lambda: intake.taken)
            before = polls
            await until(lambda: polls > before + 1)
            assert not source.health.connected
    assert [each["event"] for each in logs if each["event"].startswith("source.")] == ["source.connected", "source.disconnected"]


async def test_what_answers_may_be_something_else(service: ScriptedQueue) -> None:
    """A proxy's page is no answer of the queue."""

    async def page(asked: dict[str, Any]) -> web.Response:
        return web.Response(text="<html>log in</html>", content_type="text/html")

    service.answers["ReceiveMessage"] = page
    source = source_of(service.url)
    async with listening(source, open_intake()):
        await until(lambda: "not by SQS" in source.health.problem)


async def test_a_service_that_does_not_wait_is_not_asked_without_a_pause(service: ScriptedQueue) -> None:
    """Some imitations, and proxies, answer a long poll at once."""

    async def nothing(asked: dict[str, Any]) -> web.Response:
        return web.json_response({})

    service.answers["ReceiveMessage"] = nothing
    async with listening(source_of(service.url), open_intake()):
        await until(lambda: service.calls)
        await asyncio.sleep(0.3)
    assert len(service.calls) <= 4


async def test_a_machine_without_credentials_gets_them_later(
    service: ScriptedQueue, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whatever is put into the SDK's files is found without a restart."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    source = source_of(service.url)
    async with listening(source, open_intake()):
        await until(lambda: "no AWS credentials" in source.health.problem)
        (tmp_path / "credentials").write_text("[default]\naws_access_key_id = a\naws_secret_access_key = b\n")
        await until(lambda: source.health.connected)


async def test_a_region_that_nobody_tells_is_asked_for(service: ScriptedQueue) -> None:
    """Neither the URL nor the machine has one."""
    source = source_of(service.url, region="")
    async with listening(source, open_intake()):
        await until(lambda: "set `region`" in source.health.problem)
