"""The API of Amazon SQS, on threads: receive, delete, and say when a message may be seen again.

Spec: Amazon SQS API Reference, 2012-11-05.
"""

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from watcher.kit.aws_trouble import Asked, translated
from watcher.kit.threads import Threads
from watcher.sources.sqs_queue_client_errors import QueueError, UnreachableError, queue_error
from watcher.sources.sqs_queue_client_sockets import Sockets

BATCH = 10  # the most messages in one call, of any kind
_AT_ONCE = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Which queue, and how it is read. None for `region` and `endpoint_url` leaves them to the SDK."""

    url: str
    region: str | None
    endpoint_url: str | None
    receivers: int
    wait_seconds: int
    visibility_seconds: int
    timeout_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Message:
    """One receipt of a message; received again it is another. `receipts` counts them, this one included.

    `attributes` are those of its sender that are texts or numbers, by their names.
    """

    id: str
    handle: str
    body: bytes
    sent_at: datetime | None
    receipts: int
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """One entry of a batch that was not done. `final`: the same call will fail the same way."""

    message: Message
    code: str
    final: bool


class SqsClient:
    """Every call runs on a thread of its kind: polls never hold up the others. Connects at the first call.

    Raises of every call:
        QueueError: what was asked is not done, or nobody knows.
    """

    def __init__(self, address: Address, *, name: str) -> None:
        self._address = address
        self._asked = Asked(name=address.url, noun="queue")
        self._pollers = Threads(address.receivers, name=f"sqs-receive:{name}")
        self._settlers = Threads(address.receivers, name=f"sqs-settle:{name}")
        self._sockets = Sockets()
        self._hung_up = threading.Event()
        self._building = threading.Lock()
        self._built: tuple[Any, Any] | None = None

    def receive(self, most: int, *, waits: bool) -> asyncio.Future[list[Message]]:
        """Up to `most` messages, invisible to others from now on; waits for the first one if it `waits`."""
        return self._pollers.call(lambda: self._receive(most, waits=waits))

    def delete(self, messages: Sequence[Message]) -> asyncio.Future[list[Failed]]:
        """Up to BATCH messages; returns those that are still there."""
        return self._settlers.call(lambda: self._delete(messages))

    def hide(self, seconds: Mapping[Message, int]) -> asyncio.Future[list[Failed]]:
        """Make up to BATCH messages visible so many seconds from now; returns those that are not changed."""
        return self._settlers.call(lambda: self._hide(seconds))

    def hang_up(self) -> None:
        """End every poll now. What one has received in this moment is returned to its caller, or goes back to the queue."""
        self._hung_up.set()
        self._sockets.hang_up()

    def close(self) -> None:
        """Waits for nothing: a thread that is still in a call ends after it."""
        self.hang_up()
        for threads in (self._pollers, self._settlers):
            threads.close()
        if self._built is not None:
            _close(self._built)

    def _receive(self, most: int, *, waits: bool) -> list[Message]:
        if self._hung_up.is_set():
            return []
        with self._translated("receive"):
            answer = self._clients()[0].receive_message(
                QueueUrl=self._address.url,
                MaxNumberOfMessages=most,
                WaitTimeSeconds=self._address.wait_seconds if waits else 0,
                VisibilityTimeout=self._address.visibility_seconds,
                AttributeNames=["SentTimestamp", "ApproximateReceiveCount"],  # the older name, which imitations know too
                MessageAttributeNames=["All"],
            )
            _check(answer, self._address.url)
            messages = [message_of(each) for each in answer.get("Messages", [])]
        if self._hung_up.is_set() and messages:
            # Nobody may be left who waits for them.
            with contextlib.suppress(QueueError):
                self._hide(dict.fromkeys(messages, _AT_ONCE))
            return []
        return messages

    def _delete(self, messages: Sequence[Message]) -> list[Failed]:
        entries = [{"Id": str(number), "ReceiptHandle": each.handle} for number, each in enumerate(messages)]
        with self._translated("delete messages"):
            answer = self._clients()[1].delete_message_batch(QueueUrl=self._address.url, Entries=entries)
            _check(answer, self._address.url)
            return _failed(messages, answer)

    def _hide(self, seconds: Mapping[Message, int]) -> list[Failed]:
        entries = [
            {"Id": str(number), "ReceiptHandle": each.handle, "VisibilityTimeout": hidden}
            for number, (each, hidden) in enumerate(seconds.items())
        ]
        with self._translated("change the visibility of messages"):
            answer = self._clients()[1].change_message_visibility_batch(QueueUrl=self._address.url, Entries=entries)
            _check(answer, self._address.url)
            return _failed(list(seconds), answer)

    @contextlib.contextmanager
    def _translated(self, operation: str) -> Iterator[None]:
        try:
            with translated(self._asked, operation, queue_error):
                yield
        except UnreachableError:
            raise
        except QueueError:
            # Whatever a person changes, files of credentials above all, is read by new clients only.
            built, self._built = self._built, None
            if built is not None:
                _close(built)
            raise

    def _clients(self) -> tuple[Any, Any]:
        """One for polls, one for the rest, with the same credentials."""
        with self._building:
            if self._built is None:
                self._built = self._build()
            return self._built

    def _build(self) -> tuple[Any, Any]:
        import boto3
        from botocore.config import Config

        address = self._address
        # A session of its own: the default one must not be used by two threads.
        session: Any = boto3.session.Session()

        def client(read_seconds: float) -> Any:
            config = Config(
                connect_timeout=address.timeout_seconds,
                read_timeout=read_seconds,
                retries={"total_max_attempts": 1},  # `max_attempts: 1` would be one retry, of a poll that was just ended
                max_pool_connections=address.receivers,
                tcp_keepalive=True,
            )
            return session.client("sqs", region_name=address.region, endpoint_url=address.endpoint_url, config=config)

        polls, rest = client(address.wait_seconds + address.timeout_seconds), client(address.timeout_seconds)
        self._sockets.watch(polls)
        return polls, rest


def _close(clients: tuple[Any, Any]) -> None:
    for client in clients:
        client.close()


def _check(answer: Mapping[str, Any], url: str) -> None:
    """The SDK takes a page that a proxy answers for an answer without anything in it: an empty queue, nothing that failed."""
    kind = str(answer["ResponseMetadata"]["HTTPHeaders"].get("content-type", ""))
    if "json" not in kind and "xml" not in kind:
        raise UnreachableError(f"{url}: answered, but not by SQS: {kind[:80]!r}")


def message_of(received: Mapping[str, Any]) -> Message:
    """A message as the service describes it, and the AWS CLI prints it."""
    system = received.get("Attributes", {})
    attributes = received.get("MessageAttributes", {})
    return Message(
        id=str(received.get("MessageId", "")),
        handle=str(received.get("ReceiptHandle", "")),
        body=str(received.get("Body", "")).encode(errors="surrogatepass"),
        sent_at=_moment(system.get("SentTimestamp")),
        receipts=_count(system.get("ApproximateReceiveCount")),
        attributes={name: value["StringValue"] for name, value in attributes.items() if "StringValue" in value},
    )


def _failed(messages: Sequence[Message], answer: Mapping[str, Any]) -> list[Failed]:
    """Spec: BatchResultErrorEntry."""
    return [
        Failed(message=messages[int(each["Id"])], code=str(each.get("Code", "")), final=bool(each.get("SenderFault")))
        for each in answer.get("Failed", [])
    ]


def _moment(milliseconds: str | None) -> datetime | None:
    try:
        return None if milliseconds is None else datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _count(text: str | None) -> int:
    return int(text) if text is not None and text.isdecimal() else 1
