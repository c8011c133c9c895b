"""The double of Amazon SQS does to the SDK what the service does."""

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError

from tests.doubles.moto import REGION
from tests.doubles.sqs_server import LARGEST_BYTES, SqsServer

pytestmark = pytest.mark.enable_socket

Serve = Callable[..., tuple[SqsServer, Any]]


@pytest.fixture
def serve(aws_identity: None) -> Iterator[Serve]:
    """`serve(…)`: a server, and a client of the SDK for it."""
    running: list[tuple[SqsServer, Any]] = []

    def begin(**how: Any) -> tuple[SqsServer, Any]:
        server = SqsServer(**how)
        server.start()
        config = Config(retries={"total_max_attempts": 1})
        client = boto3.session.Session().client("sqs", region_name=REGION, endpoint_url=server.endpoint, config=config)
        running.append((server, client))
        return running[-1]

    yield begin
    for server, client in running:
        client.close()
        server.close()


def receive(server: SqsServer, client: Any, **asked: Any) -> list[dict[str, Any]]:
    answer = client.receive_message(QueueUrl=server.url, AttributeNames=["All"], **{"MaxNumberOfMessages": 10, **asked})
    messages: list[dict[str, Any]] = answer.get("Messages", [])
    return messages


def delete(server: SqsServer, client: Any, *handles: str) -> Any:
    entries = [{"Id": str(number), "ReceiptHandle": handle} for number, handle in enumerate(handles)]
    return client.delete_message_batch(QueueUrl=server.url, Entries=entries)


def hide(server: SqsServer, client: Any, handle: str, seconds: int) -> Any:
    entries = [{"Id": "0", "ReceiptHandle": handle, "VisibilityTimeout": seconds}]
    return client.change_message_visibility_batch(QueueUrl=server.url, Entries=entries)


def test_a_message_is_somebodys_until_it_is_deleted(serve: Serve) -> None:
    """Hidden from others, counted at each receipt, and gone only with its latest handle."""
    server, client = serve()
    client.send_message_batch(
        QueueUrl=server.url,
        Entries=[{"Id": "0", "MessageBody": "{}", "MessageAttributes": {"a": {"DataType": "String", "StringValue": "b"}}}],
    )
    (first,) = receive(server, client)
    assert first["MessageAttributes"] == {"a": {"DataType": "String", "StringValue": "b"}}
    assert receive(server, client) == []
    assert server.counts() == (0, 1)
    hide(server, client, first["ReceiptHandle"], 0)
    (second,) = receive(server, client)
    assert (first["MessageId"], first["Body"]) == (second["MessageId"], second["Body"])
    assert [each["Attributes"]["ApproximateReceiveCount"] for each in (first, second)] == ["1", "2"]
    assert "Failed" not in delete(server, client, first["ReceiptHandle"])
    assert server.counts() == (0, 1)  # a stale handle deletes nothing, and is not told so
    assert hide(server, client, first["ReceiptHandle"], 9)["Failed"][0]["SenderFault"]
    delete(server, client, second["ReceiptHandle"])
    assert server.counts() == (0, 0)


def test_a_poll_waits_for_what_is_sent_and_for_what_comes_back(serve: Serve) -> None:
    """It is answered as soon as something can be received, long before its twenty seconds."""
    server, client = serve()
    server.send(b"{}")
    receive(server, client, VisibilityTimeout=0)
    (again,) = receive(server, client, WaitTimeSeconds=20, VisibilityTimeout=1)
    (later,) = receive(server, client, WaitTimeSeconds=20)
    assert again["MessageId"] == later["MessageId"]


def test_what_is_left_to_chance(serve: Serve) -> None:
    """Copies of some messages, in another order; every copy has to be deleted. The same seed does the same."""
    seen = []
    for _ in range(2):
        server, client = serve(duplicates=0.3, seed=1)
        server.send(*[str(number).encode() for number in range(40)])
        bodies = []
        while messages := receive(server, client):
            bodies += [each["Body"] for each in messages]
            delete(server, client, *[each["ReceiptHandle"] for each in messages])
        assert set(bodies) == {str(number) for number in range(40)}
        assert len(bodies) > 40
        assert bodies[:40] != sorted(bodies[:40], key=int)
        assert server.counts() == (0, 0)
        seen.append(bodies)
    assert seen[0] == seen[1]


def test_what_was_sent_outlives_the_service(serve: Serve) -> None:
    """It is back at the same port. What was received stays somebody's."""
    server, client = serve()
    server.send(b"1", b"2")
    (first,) = receive(server, client, MaxNumberOfMessages=1)
    server.kill()
    with pytest.raises(EndpointConnectionError):
        receive(server, client)
    server.start()
    assert [each["Body"] for each in receive(server, client)] == ["2"]
    delete(server, client, first["ReceiptHandle"])
    assert server.counts() == (0, 1)


def test_an_operation_that_is_cut_off_or_refused_is_not_done(serve: Serve) -> None:
    """The SDK sees a connection that broke, or an answer with a code."""
    server, client = serve()
    server.send(b"1")
    server.hook = lambda operation, _asked: operation != "DeleteMessageBatch"
    (message,) = receive(server, client)
    with pytest.raises(ConnectionClosedError):
        delete(server, client, message["ReceiptHandle"])
    assert server.counts() == (0, 1)
    with pytest.raises(ClientError, match=r"SendMessage .*more than 1048576 bytes"):
        client.send_message(QueueUrl=server.url, MessageBody="x" * (LARGEST_BYTES + 1))


@pytest.mark.parametrize(("ahead_seconds", "said"), [(600, "Signature expired"), (-600, "Signature not yet current")])
def test_a_signature_has_its_time(serve: Serve, ahead_seconds: float, said: str) -> None:
    """One that is ten minutes old, or of ten minutes from now, is refused."""
    server, client = serve()
    server.skew_seconds = ahead_seconds
    with pytest.raises(ClientError, match=rf"InvalidSignatureException.*{said}"):
        receive(server, client)
