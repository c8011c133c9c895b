"""Google's client for Pub/Sub, kept in bounds: its threads, its retries, and what it says in the log.

Spec: google.pubsub.v1, Subscriber.
"""

import itertools
import logging
import queue
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from watcher.kit.google_address import PUBSUB_HOST
from watcher.kit.google_credentials import credentials_of
from watcher.kit.grpc_environment import LOCAL, prepare
from watcher.sources.pubsub_stream_client_calls import Settler, refusal
from watcher.sources.pubsub_stream_client_connection import Connection
from watcher.sources.pubsub_stream_client_errors import StreamError, ended_by, stream_error, stream_trouble

# Of messages that we have and did not store: bounds memory where messages are large.
IN_FLIGHT_BYTES = 64 * 1024 * 1024
# As the SDK makes its own channels, but for what a proxy or a dead service would let grow.
CHANNEL_OPTIONS = (("grpc.max_receive_message_length", -1), ("grpc.keepalive_time_ms", 30_000), *LOCAL)
PERMANENT = "PERMANENT_"
# These log as warnings, with tracebacks, what a connection that is gone does to their threads. It is told in our words.
_TALKATIVE = ("google.api_core.bidi", "google.cloud.pubsub_v1", "callback-exceptions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Which subscription, where, and as whom. `endpoint` empty: Google's; `credentials_file` empty: what the machine has.

    `is_plain`: without TLS, and so without credentials.
    """

    subscription: str
    endpoint: str
    is_plain: bool
    credentials_file: str
    max_messages: int
    timeout_seconds: float


class Ears(Protocol):
    """Who is told what happens; on any thread, and without waiting."""

    def opened(self, number: int) -> None: ...

    def reached(self, number: int) -> None: ...

    def broke(self, number: int, error: StreamError) -> None: ...

    def over(self, error: StreamError) -> None: ...

    def delivered(self, message: Any) -> None: ...

    def acknowledged(self, ack_ids: Sequence[str], failed: Mapping[str, str]) -> None: ...


class PullClient:
    """One connection and the streaming pull on it. `start` and `close` take their time, so they have a thread to themselves."""

    def __init__(self, address: Address, ears: Ears) -> None:
        self._address = address
        self._ears = ears
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._numbers = itertools.count(1)
        self._held = Held()
        self._client: Any = None
        self._pulling: Any = None
        self._stream: Any = None
        self._connection: Connection

    def start(self) -> None:
        """Returns when messages may come. Raises StreamError when there is nobody we could say that we are."""
        prepare()
        from google.cloud import pubsub_v1

        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        client = self._build()
        # What the SDK calls on itself: it has no settings for these.
        client.streaming_pull = self._watched(client.streaming_pull)
        client.acknowledge = self._acknowledging(client.acknowledge)
        client.modify_ack_deadline = self._extending(client.modify_ack_deadline)
        flow = pubsub_v1.types.FlowControl(max_messages=self._address.max_messages, max_bytes=IN_FLIGHT_BYTES)
        with self._lock:
            if self._closing.is_set():
                client.close()
                return
            self._client = client
            self._connection = Connection(client.transport.grpc_channel, self._ears.reached)
            self._pulling = client.subscribe(
                self._address.subscription, callback=self._ears.delivered, flow_control=flow, scheduler=self._held
            )
        self._pulling.add_done_callback(self._over)

    def settle(self, message: Any, *, stored: bool) -> None:
        """Acknowledge it, of which `acknowledged` tells, or give it back. One that was given back at the end stays so."""
        if self._held.release(message):
            if stored:
                message.ack()
            else:
                message.nack()

    def close(self, within_seconds: float) -> None:
        """Give back every message that is not settled, and end the connection. Waits so long for the service."""
        with self._lock:
            self._closing.set()
        if self._client is not None:
            ended = threading.Event()
            self._pulling.add_done_callback(lambda _: ended.set())
            self._pulling.cancel()
            ended.wait(within_seconds)
            self._connection.close()
            self._client.close()

    def _over(self, done: Any) -> None:
        self._ears.over(ended_by(self._address.subscription, done.exception(), self._stream))

    def _watched(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Tells of every stream: the SDK makes them anew in silence."""

        def watched(requests: Any, **options: Any) -> Any:
            number = next(self._numbers)
            if self._closing.is_set():
                return Over()
            self._ears.opened(number)
            self._stream = stream = call(requests, **options)
            self._connection.carries(number)

            def broke() -> None:
                self._ears.broke(number, stream_error(self._address.subscription, stream.code().name, str(stream.details())))

            if not stream.add_callback(broke):
                broke()
            return stream

        return watched

    def _settling(self, call: Callable[..., Any]) -> Settler:
        return Settler(call, closing=self._closing, limit_seconds=self._address.timeout_seconds)

    def _acknowledging(self, call: Callable[..., Any]) -> Callable[..., None]:
        """The SDK is always told that it succeeded: what it would do about the rest is done."""
        settler = self._settling(call)

        def acknowledge(*, ack_ids: Sequence[str], **request: Any) -> None:
            self._ears.acknowledged(ack_ids, settler.failures(ack_ids, **request))

        return acknowledge

    def _extending(self, call: Callable[..., Any]) -> Callable[..., None]:
        """The SDK is told what ran out, so that it need not be kept. A message that could not be kept may come again."""
        settler = self._settling(call)

        def extend(*, ack_ids: Iterable[str], **request: Any) -> None:
            failed = settler.failures(list(ack_ids), **request)
            if final := {ack_id: why for ack_id, why in failed.items() if why.startswith(PERMANENT)}:
                raise refusal(final)

        return extend

    def _build(self) -> Any:
        import grpc
        from google.cloud import pubsub_v1
        from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

        # Given a transport, the client takes no other endpoint from the environment.
        address = self._address
        if address.is_plain:
            transport = SubscriberGrpcTransport(channel=grpc.insecure_channel(address.endpoint, options=CHANNEL_OPTIONS))
        else:
            credentials = credentials_of(address.credentials_file, name=address.subscription, raising=stream_trouble)
            transport = SubscriberGrpcTransport(
                host=address.endpoint or PUBSUB_HOST, credentials=credentials, always_use_jwt_access=True
            )
        return pubsub_v1.SubscriberClient(transport=transport)


class Held:
    """The SDK's scheduler of callbacks, and the messages that are not settled.

    It calls back on the thread that reads the stream, because all a callback does is to wake the loop. What it returns at the end
    is given back by the SDK, while it still can.
    """

    def __init__(self) -> None:
        self.queue: queue.Queue[Any] = queue.Queue()
        self._lock = threading.Lock()
        self._messages: dict[str, Any] = {}

    def schedule(self, callback: Callable[[Any], None], message: Any) -> None:
        with self._lock:
            self._messages[message.ack_id] = message
        callback(message)

    def release(self, message: Any) -> bool:
        with self._lock:
            return self._messages.pop(message.ack_id, None) is not None

    def shutdown(self, **_how: bool) -> list[Any]:
        with self._lock:
            messages, self._messages = list(self._messages.values()), {}
        return messages


class Over:
    """A stream of a client that was closed meanwhile. An error in its place would be reported by gRPC."""

    def is_active(self) -> bool:
        return False

    def cancel(self) -> bool:
        return False

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        callback(_closed())

    def __next__(self) -> Any:
        raise _closed()


def _closed() -> Exception:
    from google.api_core import exceptions

    untyped: Any = exceptions
    closed: Exception = untyped.Cancelled("the client is closed")
    return closed
