"""The SQS source against moto: how news gets into a queue, what is deleted from it, and what comes again."""

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.doubles.intakes import DiskFullError, RecordingIntake, open_intake
from tests.doubles.moto import Moto, MotoQueue, shared_moto
from tests.doubles.source_bench import listening
from tests.doubles.sqs_bench import DEADLINE_SECONDS, source_at, until, until_counts
from watcher.dialects.protocol import Delivery
from watcher.sources.protocol import Accepted

pytestmark = pytest.mark.usefixtures("aws_identity")

PUSH = {
    "Source": "aws.ecr",
    "DetailType": "ECR Image Action",
    "Detail": json.dumps(
        {
            "action-type": "PUSH",
            "result": "SUCCESS",
            "repository-name": "team/app",
            "image-digest": f"sha256:{'a' * 64}",
            "image-tag": "v1",
        }
    ),
}


@pytest.fixture
def moto() -> Moto:
    return shared_moto()


@pytest.fixture
async def queue(moto: Moto) -> MotoQueue:
    return await asyncio.to_thread(moto.queue)


async def send(queue: MotoQueue, *bodies: bytes) -> None:
    await asyncio.to_thread(queue.send, *bodies)


def bodies(intake: RecordingIntake) -> list[bytes]:
    return sorted(delivery.body for _, delivery in intake.taken)


def numbered(count: int) -> list[bytes]:
    return [f"{number:04}".encode() for number in range(count)]


@dataclass
class ChoosyIntake:
    """Takes everything but `refused`; `attempts` has every message that was tried."""

    refused: bytes
    attempts: list[bytes] = field(default_factory=list)

    async def __call__(self, source: str, delivery: Delivery) -> Accepted:
        self.attempts.append(delivery.body)
        if delivery.body == self.refused:
            raise DiskFullError("disk full")
        return Accepted(accepted=1)

    async def found(self, source: str, pushes: object, *, fresh: bool = False) -> Accepted:
        raise AssertionError("a source of events finds nothing")


async def test_eventbridge_puts_the_event_itself_into_the_queue(moto: Moto, queue: MotoQueue) -> None:
    """A rule for pushes takes one of three events; its message is the event as AWS writes it."""
    await asyncio.to_thread(queue.rule, {"source": ["aws.ecr"], "detail-type": ["ECR Image Action"]})
    intake = open_intake()
    async with listening(source_at(queue), intake, connected=True):
        others = [{**PUSH, "DetailType": "ECR Image Scan"}, {**PUSH, "Source": "aws.other"}]
        await asyncio.to_thread(moto.client("events").put_events, Entries=[*others, PUSH])
        await until(lambda: intake.taken)
        await until_counts(queue, (0, 0))
    ((_, delivery),) = intake.taken
    event = json.loads(delivery.body)
    assert (event["source"], event["detail-type"], event["detail"]["image-tag"]) == ("aws.ecr", "ECR Image Action", "v1")
    assert event["id"]
    assert delivery.headers["x-amz-sqs-message-id"]


@pytest.mark.parametrize("raw", [True, False])
async def test_sns_puts_the_event_or_its_envelope_into_the_queue(moto: Moto, queue: MotoQueue, raw: bool) -> None:
    """As the subscription says. A raw message brings its attributes, which become headers."""
    topic = await asyncio.to_thread(lambda: queue.topic(raw=raw))
    intake = open_intake()
    async with listening(source_at(queue), intake, connected=True):
        given = {"kind": {"DataType": "String", "StringValue": "push"}}
        publish = moto.client("sns").publish
        await asyncio.to_thread(lambda: publish(TopicArn=topic, Message='{"detail": 1}', MessageAttributes=given))
        await until(lambda: intake.taken)
        await until_counts(queue, (0, 0))
    ((_, delivery),) = intake.taken
    if raw:
        assert (delivery.body, delivery.headers["kind"]) == (b'{"detail": 1}', "push")
    else:
        envelope = json.loads(delivery.body)
        assert (envelope["Type"], envelope["Message"], envelope["TopicArn"]) == ("Notification", '{"detail": 1}', topic)


async def test_everything_in_a_queue_is_taken_in_and_deleted(queue: MotoQueue) -> None:
    """More messages than may be held at a time; and the queue says how long the last one had waited."""
    await send(queue, *numbered(120))
    source, intake = source_at(queue, in_flight=30, receivers=3), open_intake()
    async with listening(source, intake, connected=True):
        await until_counts(queue, (0, 0))
        assert source.health.lag_seconds is not None
        assert 0 <= source.health.lag_seconds < DEADLINE_SECONDS
    assert sorted(set(bodies(intake))) == numbered(120)  # of several polls, one may bring what another has


async def test_a_batch_is_stored_together(queue: MotoQueue) -> None:
    """All messages of a poll are in intake at the same time, so that they can share a commit; nothing is deleted before."""
    entered = 0

    class CountingIntake(RecordingIntake):
        async def __call__(self, source: str, delivery: Delivery) -> Accepted:
            nonlocal entered
            entered += 1
            return await super().__call__(source, delivery)

    await send(queue, *numbered(10))
    intake = CountingIntake()
    async with listening(source_at(queue, receivers=1), intake, connected=True):
        await until(lambda: entered == 10)
        assert await asyncio.to_thread(queue.counts) == (0, 10)
        intake.gate.set()
        await until_counts(queue, (0, 0))


async def test_what_waits_to_be_stored_stays_invisible(queue: MotoQueue) -> None:
    """For longer than `visibility_timeout`: nobody else gets it meanwhile, and it is taken in once."""
    await send(queue, b"slow")
    intake = RecordingIntake()
    async with listening(source_at(queue, visibility_timeout="2s"), intake, connected=True):
        await intake.entered.wait()
        end = time.monotonic() + 4.4
        while time.monotonic() < end:
            assert await asyncio.to_thread(queue.counts) == (0, 1)
            await asyncio.sleep(0.05)
        intake.gate.set()
        await until_counts(queue, (0, 0))
    assert bodies(intake) == [b"slow"]


async def test_what_was_not_stored_goes_back_at_once(queue: MotoQueue) -> None:
    """A source that is stopped while it stores gives the messages back at its end, whatever their `visibility_timeout`."""
    await send(queue, *numbered(12))
    intake = RecordingIntake()
    # With as many in flight as may be no poll goes on, to which moto would give them after its end.
    async with listening(source_at(queue, visibility_timeout="12h", in_flight=12), intake, connected=True):
        # What moto has given out may still be on its way to us, and lost when we hang up: what is here goes back.
        await until(lambda: intake.held == 12)
    assert await asyncio.to_thread(queue.counts) == (12, 0)
    again = open_intake()
    async with listening(source_at(queue), again, connected=True):
        await until_counts(queue, (0, 0))
    assert (bodies(intake), bodies(again)) == ([], numbered(12))


async def test_a_long_poll_does_not_hold_up_the_end(queue: MotoQueue) -> None:
    """Polls of twenty seconds, on an empty queue, end with the source."""
    source = source_at(queue, wait="20s", receivers=3)
    async with listening(source, open_intake(), connected=True):
        await asyncio.sleep(0.5)  # that a poll has gone out cannot be seen
        started = time.monotonic()
    assert time.monotonic() - started < 10


async def test_a_process_that_is_killed_has_deleted_nothing(queue: MotoQueue) -> None:
    """Of ten messages under way at SIGKILL all ten come again, once they are visible."""
    await send(queue, *numbered(10))
    program = f"""
import asyncio, sys
from watcher.sources.sqs import SqsSource
from watcher.sources.sqs_settings import SqsSourceSettings
async def intake(source, delivery):
    print(delivery.body.decode(), file=sys.stderr, flush=True)
    await asyncio.Event().wait()
settings = SqsSourceSettings(
    name="main", queue_url="{queue.url}", region="eu-west-1", visibility_timeout="2s", receivers=1, wait="1s"
)
asyncio.run(SqsSource(settings).run(intake))
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    async with asyncio.timeout(DEADLINE_SECONDS):
        seen = sorted([(await process.stderr.readline()).strip() for _ in range(10)])
    process.kill()
    await process.wait()
    assert seen == numbered(10)
    intake = open_intake()
    async with listening(source_at(queue), intake, connected=True):
        await until(lambda: len(intake.taken) == 10)
    assert bodies(intake) == numbered(10)


async def test_a_message_that_is_never_stored_becomes_a_dead_letter(moto: Moto) -> None:
    """After as many receipts as its queue's redrive policy says; its neighbours are not held up, and the source stays well."""
    queue = await asyncio.to_thread(lambda: moto.queue(max_receives=2))
    assert queue.dead_letters is not None
    intake = ChoosyIntake(refused=b"poison")
    source = source_at(queue, held_seconds=0)
    async with listening(source, intake, connected=True):
        await send(queue, b"poison", b"good")
        await until(lambda: b"good" in intake.attempts)
        await until_counts(queue.dead_letters, (1, 0))
        await until_counts(queue, (0, 0))
        await send(queue, b"better")
        await until_counts(queue, (0, 0))
        assert (source.health.connected, source.health.problem) == (True, "")
    assert intake.attempts.count(b"poison") == 2
    assert [each["Body"] for each in await asyncio.to_thread(queue.dead_letters.receive)] == ["poison"]


async def test_an_outage_of_the_store_loses_nothing(moto: Moto) -> None:
    """Everything is kept until it could be stored, though the queue would give it out once only; the reason is told meanwhile."""
    queue = await asyncio.to_thread(lambda: moto.queue(max_receives=1))
    intake = RecordingIntake(broken=True)
    intake.gate.set()
    source = source_at(queue)
    with capture_logs() as logs:
        async with listening(source, intake, connected=True):
            await send(queue, *numbered(15))
            await until(lambda: source.health.problem == "events cannot be taken in now: disk full")
            intake.broken = False
            await until(lambda: set(bodies(intake)) == set(numbered(15)))
            await until_counts(queue, (0, 0))
            assert source.health.connected
    assert [each["reason"] for each in logs if each["event"] == "delivery.postponed"] == ["store-unavailable"]


async def test_a_message_received_twice_is_handed_over_twice(queue: MotoQueue) -> None:
    """SQS delivers at least once. It is the same message by its id, and known as a duplicate by what it says."""
    await send(queue, b"twice")
    await asyncio.to_thread(lambda: queue.moto.client("sqs").receive_message(QueueUrl=queue.url, VisibilityTimeout=0))
    intake = open_intake()
    async with listening(source_at(queue), intake, connected=True):
        await until_counts(queue, (0, 0))
    ((_, delivery),) = intake.taken
    assert delivery.headers["x-amz-sqs-receive-count"] == "2"


async def test_a_queue_that_is_made_later(moto: Moto, queue: MotoQueue) -> None:
    """It is told that there is none, once; when there is one, it is read."""
    name = queue.name
    await asyncio.to_thread(queue.delete)
    source, intake = source_at(queue), open_intake()
    with capture_logs() as logs:
        task = asyncio.create_task(source.run(intake), name="source")
        await until(lambda: "there is no such queue" in source.health.problem)
        await asyncio.to_thread(lambda: moto.client("sqs").create_queue(QueueName=name))
        await send(queue, b"news")
        await until(lambda: intake.taken)
        assert source.health.connected
        task.cancel()
        await asyncio.wait([task])
    assert [each["reason"] for each in logs if each["log_level"] == "error"] == ["queue-missing"]


async def test_credentials_that_end_are_replaced_without_a_restart(
    moto: Moto, queue: MotoQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their end is told in the middle of polling; once the file has new ones all is well again."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    file = tmp_path / "credentials"
    file.write_text("[default]\naws_access_key_id = former\naws_secret_access_key = former\n")
    key = await asyncio.to_thread(lambda: reader_of(moto))
    source, intake = source_at(queue, receivers=1), open_intake()
    try:
        async with listening(source, intake, connected=True):
            await send(queue, b"before")
            await until(lambda: intake.taken)
            await asyncio.to_thread(lambda: moto.checks_permissions(does=True))
            await until(lambda: "we may not receive: 403" in source.health.problem)  # where AWS has a code, moto has none
            file.write_text(f"[default]\naws_access_key_id = {key[0]}\naws_secret_access_key = {key[1]}\n")
            await until(lambda: source.health.connected)
    finally:
        await asyncio.to_thread(lambda: moto.checks_permissions(does=False))


async def test_an_identity_that_may_not_read_the_queue(moto: Moto, queue: MotoQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is told what it may not."""
    key = await asyncio.to_thread(lambda: reader_of(moto, allowed="sqs:ListQueues"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key[0])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key[1])
    await asyncio.to_thread(lambda: moto.checks_permissions(does=True))
    source = source_at(queue)
    task = asyncio.create_task(source.run(open_intake()), name="source")
    try:
        await until(lambda: "we may not receive: " in source.health.problem)
    finally:
        await asyncio.to_thread(lambda: moto.checks_permissions(does=False))
        task.cancel()
        await asyncio.wait([task])


def reader_of(moto: Moto, *, allowed: str = "sqs:*") -> tuple[str, str]:
    """The keys of a new user."""
    iam, name = moto.client("iam"), f"reader-{time.monotonic_ns()}"
    iam.create_user(UserName=name)
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": allowed, "Resource": "*"}]}
    iam.put_user_policy(UserName=name, PolicyName="reads", PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]
