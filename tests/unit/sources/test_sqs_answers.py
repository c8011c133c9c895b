"""What the SQS source makes of answers that moto never gives: failures, of whole calls and of single messages, and silence."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from tests.doubles.certificates import Authority
from tests.doubles.intakes import RecordingIntake, open_intake
from tests.doubles.moto import isolate_identity
from tests.doubles.scripted_server import scripted_server
from tests.doubles.source_bench import listening
from tests.doubles.sqs_bench import until
from watcher.sources.patience import HELD_SECONDS
from watcher.sources.sqs import SqsSource
from watcher.sources.sqs_queue import LONGEST_AWAY_SECONDS, away_seconds
from watcher.sources.sqs_queue_client import Address, SqsClient
from watcher.sources.sqs_settings import SqsSourceSettings

pytestmark = pytest.mark.enable_socket

SENT = "1767225600500"  # 2026-01-01T00:00:00.5Z
EXPIRED = "Signature expired: 20260101T000000Z is now earlier than 20260101T000500Z (20260101T001000Z - 5 min.) SECRET"
EARLY = "Signature not yet current: 20260101T001000Z is still later than 20260101T000500Z (20260101T000000Z + 5 min.) SECRET"


@pytest.fixture(autouse=True)
def identity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in isolate_identity(tmp_path).items():
        monkeypatch.setenv(name, value)


def message(number: int, **changes: Any) -> dict[str, Any]:
    attributes = {"SentTimestamp": SENT, "ApproximateReceiveCount": "1"}
    return {"MessageId": f"id-{number}", "ReceiptHandle": f"receipt-{number}", "Body": "{}", "Attributes": attributes, **changes}


@dataclass
class Service:
    """A queue whose messages are given out once each. `calls` are (operation, request); `answers` go before its own."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    url: str = ""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    answers: dict[str, Callable[[dict[str, Any]], Awaitable[web.Response]]] = field(default_factory=dict)

    async def answer(self, request: web.Request) -> web.Response:
        operation, asked = request.headers["X-Amz-Target"].partition(".")[2], await request.json()
        self.calls.append((operation, asked))
        if operation in self.answers:
            return await self.answers[operation](asked)
        if operation != "ReceiveMessage":
            return web.json_response({"Successful": [{"Id": each["Id"]} for each in asked["Entries"]], "Failed": []})
        if not self.messages and asked["WaitTimeSeconds"]:
            await asyncio.sleep(0.05)
        given, self.messages = self.messages[: asked["MaxNumberOfMessages"]], self.messages[asked["MaxNumberOfMessages"] :]
        return web.json_response({"Messages": given})

    async def silence(self, asked: dict[str, Any]) -> web.Response:
        """No answer while the test goes on."""
        await self.over.wait()
        return web.json_response({})

    def asked(self, operation: str) -> list[dict[str, Any]]:
        return [asked for called, asked in self.calls if called == operation]


def refusing(code: str, text: str = "no", status: int = 400) -> Callable[[dict[str, Any]], Awaitable[web.Response]]:
    async def answer(asked: dict[str, Any]) -> web.Response:
        return web.json_response({"__type": f"com.amazonaws.sqs#{code}", "message": text}, status=status)

    return answer


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    service = Service()
    async with scripted_server(service.answer) as server:
        service.url = f"{server.url}/123456789012/queue"
        yield service
        service.over.set()


def source_of(url: str, *, held_seconds: float = HELD_SECONDS, **given: Any) -> SqsSource:
    usual: dict[str, Any] = {"name": "main", "registry": "registry.example.com", "region": "eu-west-1", "receivers": 1}
    return SqsSource(SqsSourceSettings(queue_url=url, **{**usual, **given}), held_seconds=held_seconds)


async def test_a_message_is_a_delivery(service: Service) -> None:
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
async def test_an_odd_message_is_a_delivery_too(service: Service, changes: dict[str, Any]) -> None:
    """Whether it is an event is for its dialect to say; it is deleted, and its neighbour arrives."""
    service.messages = [message(1, **changes), message(2, Body="neighbour")]
    source, intake = source_of(service.url), open_intake()
    async with listening(source, intake):
        await until(lambda: sum(len(each["Entries"]) for each in service.asked("DeleteMessageBatch")) == 2)
        assert source.health.connected
    assert sorted(delivery.headers["x-amz-sqs-message-id"] for _, delivery in intake.taken) == ["id-1", "id-2"]


async def test_what_could_not_be_deleted_is_deleted_again(service: Service) -> None:
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


async def test_a_queue_that_may_not_be_deleted_from_still_gives_news(service: Service) -> None:
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
async def test_a_queue_that_gives_nothing_is_told_and_tried_again(service: Service, answer: Any, problem: str, level: str) -> None:
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


async def test_a_poll_that_began_before_the_trouble_does_not_end_it(service: Service) -> None:
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


async def test_what_answers_may_be_something_else(service: Service) -> None:
    """A proxy's page is no answer of the queue."""

    async def page(asked: dict[str, Any]) -> web.Response:
        return web.Response(text="<html>log in</html>", content_type="text/html")

    service.answers["ReceiveMessage"] = page
    source = source_of(service.url)
    async with listening(source, open_intake()):
        await until(lambda: "not by SQS" in source.health.problem)


async def test_a_service_that_does_not_wait_is_not_asked_without_a_pause(service: Service) -> None:
    """Some imitations, and proxies, answer a long poll at once."""

    async def nothing(asked: dict[str, Any]) -> web.Response:
        return web.json_response({})

    service.answers["ReceiveMessage"] = nothing
    async with listening(source_of(service.url), open_intake()):
        await until(lambda: service.calls)
        await asyncio.sleep(0.3)
    assert len(service.calls) <= 4


async def test_a_machine_without_credentials_gets_them_later(
    service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whatever is put into the SDK's files is found without a restart."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    source = source_of(service.url)
    async with listening(source, open_intake()):
        await until(lambda: "no AWS credentials" in source.health.problem)
        (tmp_path / "credentials").write_text("[default]\naws_access_key_id = a\naws_secret_access_key = b\n")
        await until(lambda: source.health.connected)


async def test_a_region_that_nobody_tells_is_asked_for(service: Service) -> None:
    """Neither the URL nor the machine has one."""
    source = source_of(service.url, region="")
    async with listening(source, open_intake()):
        await until(lambda: "set `region`" in source.health.problem)


@pytest.mark.parametrize("encrypted", [False, True])
async def test_a_source_stops_in_the_middle_of_a_poll(encrypted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a second, though the service would be silent for much longer; its threads end with it."""
    authority = Authority(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.path))
    polled = asyncio.Event()
    service = Service()

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


async def test_a_source_stops_though_the_service_is_silent(service: Service) -> None:
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


async def test_what_was_stored_and_not_yet_deleted_is_deleted_at_the_end(service: Service) -> None:
    """A message that is on disk need not come again."""
    service.answers["DeleteMessageBatch"] = refusing("RequestThrottled")
    service.messages = [message(1)]
    async with listening(source_of(service.url), open_intake()):
        await until(lambda: service.asked("DeleteMessageBatch"))
        del service.answers["DeleteMessageBatch"]
    assert [each["ReceiptHandle"] for each in service.asked("DeleteMessageBatch")[-1]["Entries"]] == ["receipt-1"]
    assert service.asked("ChangeMessageVisibilityBatch") == []


async def test_what_arrives_after_the_end_goes_back(service: Service) -> None:
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


async def test_a_full_disk_burns_no_receipts(service: Service) -> None:
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


async def test_what_cannot_be_stored_for_long_goes_back(service: Service) -> None:
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


async def test_no_more_is_asked_for_than_may_be_held(service: Service) -> None:
    """With 12 messages in flight at most, ten and then two; nothing more until some are stored."""
    service.messages = [message(number) for number in range(30)]
    intake = RecordingIntake()
    async with listening(source_of(service.url, in_flight=12), intake):
        await until(lambda: len(service.asked("ReceiveMessage")) == 2)
        await asyncio.sleep(0.05)  # that nothing more is asked for cannot be waited for
        assert [asked["MaxNumberOfMessages"] for asked in service.asked("ReceiveMessage")] == [10, 2]
        intake.gate.set()
        await until(lambda: len(intake.taken) == 30)
