"""Google Pub/Sub on loopback, for Google's own client: a Publisher and a Subscriber with leases, redelivery and exactly-once.

It keeps no order, and has no dead letters and no snapshots; of filters it knows equal attributes. What was published outlives
`kill`, as at Google.

Spec: google.pubsub.v1; https://cloud.google.com/pubsub/docs/exactly-once-delivery.
"""

import heapq
import itertools
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import any_pb2, duration_pb2, empty_pb2
from google.pubsub_v1 import types
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

TOPIC = "projects/p/topics/t"
SUBSCRIPTION = "projects/p/subscriptions/news"
# Of one response: the service packs several, too.
BATCH, BATCH_BYTES = 100, 10_000_000
EVERYWHERE = "0.0.0.0"
UNAUTHENTICATED = "Request had invalid authentication credentials. Expected OAuth 2 access token or other valid credential."
INVALID = "PERMANENT_FAILURE_INVALID_ACK_ID"
# As many streams and calls at a time as a test may want.
WORKERS = 16

Code = grpc.StatusCode


@dataclass
class Lease:
    """A message that somebody was given, until `ends`."""

    message: Any
    stream: int
    size: int
    ends: float


@dataclass
class Subscription:
    """What waits, what is leased, and what became of it. `ack_answers` are given to the next acknowledgements, if exactly-once."""

    exactly_once: bool = False
    filter: str = ""  # `attributes.NAME = "VALUE"`, several with AND
    ack_deadline_seconds: float = 10.0
    waiting: deque[Any] = field(default_factory=deque)
    leases: dict[str, Lease] = field(default_factory=dict)
    acknowledged: list[str] = field(default_factory=list)  # by message id
    given_back: list[str] = field(default_factory=list)
    delivered: list[str] = field(default_factory=list)
    unwanted: set[str] = field(default_factory=set)
    ack_answers: deque[str] = field(default_factory=deque)
    lock: threading.Condition = field(default_factory=threading.Condition)
    _ends: list[tuple[float, str]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def put(self, message: Any) -> None:
        wanted = re.findall(r'attributes\.([a-z]+) = "([^"]*)"', self.filter)
        if any(message.attributes.get(name) != value for name, value in wanted):
            return
        with self.lock:
            self.waiting.append(message)
            self.lock.notify_all()

    def take(self, stream: int, room: int, room_bytes: int, lease_seconds: float) -> list[tuple[str, Any]]:
        """Lease what there is and fits, with a new ack id for each. With the lock held."""
        taken: list[tuple[str, Any]] = []
        room_bytes = min(room_bytes, BATCH_BYTES)
        while self.waiting and len(taken) < min(room, BATCH) and room_bytes > 0:
            message = self.waiting.popleft()
            ack_id, size = f"ack-{next(self._numbers)}", message.ByteSize()
            room_bytes -= size
            self.leases[ack_id] = Lease(message, stream, size, 0.0)
            self.extend(ack_id, lease_seconds)
            self.delivered.append(message.message_id)
            taken.append((ack_id, message))
        return taken

    def extend(self, ack_id: str, seconds: float) -> bool:
        """Nothing is extended that has run out. With the lock held."""
        self.expire()
        if (lease := self.leases.get(ack_id)) is None:
            return False
        if seconds == 0:
            self.given_back.append(lease.message.message_id)
            self._free(ack_id)
        else:
            lease.ends = time.monotonic() + seconds
            heapq.heappush(self._ends, (lease.ends, ack_id))
        return True

    def acknowledge(self, ack_id: str) -> str:
        """Returns what is wrong, which only an exactly-once subscription tells. With the lock held."""
        self.expire()
        if self.exactly_once and self.ack_answers and (answer := self.ack_answers.popleft()):
            if answer == INVALID and ack_id in self.leases:
                self._free(ack_id)  # the lease ran out, so it comes again
            return answer
        lease = self.leases.pop(ack_id, None)
        if lease is None:
            return INVALID
        self.acknowledged.append(lease.message.message_id)
        self.lock.notify_all()
        return ""

    def expire(self) -> float | None:
        """Let what ran out be delivered again; returns when the next one does. With the lock held."""
        now = time.monotonic()
        while self._ends:
            ends, ack_id = self._ends[0]
            lease = self.leases.get(ack_id)
            if lease is not None and lease.ends == ends:
                if ends > now:
                    return ends - now
                self._free(ack_id)
            heapq.heappop(self._ends)
        return None

    def forget_leases(self) -> None:
        with self.lock:
            for ack_id in list(self.leases):
                self._free(ack_id)

    def drop(self) -> None:
        """Nobody wants any of it any more: what waits is gone, and what is leased as soon as it comes back."""
        with self.lock:
            self.waiting.clear()
            self.unwanted.update(lease.message.message_id for lease in self.leases.values())

    def outstanding(self, stream: int) -> tuple[int, int]:
        """Messages and bytes on one stream. With the lock held."""
        sizes = [lease.size for lease in self.leases.values() if lease.stream == stream]
        return len(sizes), sum(sizes)

    def _free(self, ack_id: str) -> None:
        message = self.leases.pop(ack_id).message
        if message.message_id not in self.unwanted:
            self.waiting.append(message)
        self.lock.notify_all()


class PubsubServer:
    """One topic's worth of Pub/Sub at 127.0.0.1:`port`.

    `subscriptions`, `refusals` (by method), `skew_seconds`, by which its clock is ahead of ours, and `hook` may be changed at any
    time: `hook(method)` is asked before anything is done, and where it says no the call is cut off.

    With `tls` it is at EVERYWHERE, an address that is not this machine's own to a client, and wants a token with every call; it
    believes all but those that `revoke_tokens` was called after.
    """

    def __init__(self, *, tls: grpc.ServerCredentials | None = None) -> None:
        self.port = 0
        self._tls = tls
        self._tokens: set[str] = set()
        self._revoked: set[str] = set()
        self.subscriptions = {SUBSCRIPTION: Subscription()}
        self.refusals: dict[str, tuple[grpc.StatusCode, str]] = {}
        self.hook: Callable[[str], bool] = lambda _method: True
        self.skew_seconds = 0.0
        self.retry_seconds: int | None = None  # said with each refusal
        self.calls: list[str] = []
        self.streams = 0  # open now
        self._streams_end: dict[int, tuple[grpc.StatusCode, str]] = {}
        self._open: set[int] = set()
        self._numbers = itertools.count(1)
        self._ids = itertools.count(1)
        self._server: Any = None

    @property
    def main(self) -> Subscription:
        return self.subscriptions[SUBSCRIPTION]

    @property
    def endpoint(self) -> str:
        return f"{EVERYWHERE if self._tls else '127.0.0.1'}:{self.port}"

    def start(self) -> None:
        """Again at the same port, after `kill`."""
        self._server = grpc.server(ThreadPoolExecutor(WORKERS), options=[("grpc.max_receive_message_length", -1)])
        subscriber = {
            "Acknowledge": _unary(self._acknowledge, types.AcknowledgeRequest, empty_pb2.Empty),
            "ModifyAckDeadline": _unary(self._modify_ack_deadline, types.ModifyAckDeadlineRequest, empty_pb2.Empty),
            "GetSubscription": _unary(self._get_subscription, types.GetSubscriptionRequest, types.Subscription.pb()),
            "StreamingPull": grpc.stream_stream_rpc_method_handler(
                self._streaming_pull,
                request_deserializer=types.StreamingPullRequest.pb().FromString,
                response_serializer=types.StreamingPullResponse.pb().SerializeToString,
            ),
        }
        publisher = {
            "Publish": _unary(self._publish, types.PublishRequest, types.PublishResponse.pb()),
            "GetTopic": _unary(self._get_topic, types.GetTopicRequest, types.Topic.pb()),
        }
        self._server.add_generic_rpc_handlers(
            [
                grpc.method_handlers_generic_handler("google.pubsub.v1.Subscriber", subscriber),
                grpc.method_handlers_generic_handler("google.pubsub.v1.Publisher", publisher),
            ]
        )
        if self._tls is None:
            self.port = self._server.add_insecure_port(self.endpoint)
        else:
            self.port = self._server.add_secure_port(self.endpoint, self._tls)
        self._server.start()

    def kill(self) -> None:
        """Every connection breaks. What was leased is delivered again after the next start."""
        self._server.stop(None).wait()
        for subscription in self.subscriptions.values():
            subscription.forget_leases()

    def publish(self, *payloads: bytes, **attributes: str) -> list[str]:
        """Returns the message ids."""
        return [self._put(types.PubsubMessage.pb()(data=data, attributes=attributes)) for data in payloads]

    def end_streams(self, code: grpc.StatusCode, detail: str) -> None:
        """Every stream that is open now, as the service does it every half hour or so."""
        self._streams_end.update(dict.fromkeys(self._open, (code, detail)))
        for subscription in self.subscriptions.values():
            with subscription.lock:
                subscription.lock.notify_all()

    def refuse(self, method: str, code: grpc.StatusCode, detail: str) -> None:
        """From now on; streams that are open end, too."""
        self.refusals[method] = (code, detail)
        if method == "StreamingPull":
            self.end_streams(code, detail)

    def allow(self, method: str) -> None:
        del self.refusals[method]

    def revoke_tokens(self) -> None:
        """Every token that was ever shown has come to its end; streams that are open with one end, too."""
        self._revoked |= self._tokens
        self.end_streams(Code.UNAUTHENTICATED, UNAUTHENTICATED)

    def _put(self, sent: Any) -> str:
        message = types.PubsubMessage.pb()()
        message.CopyFrom(sent)
        message.message_id = str(next(self._ids))
        message.publish_time.FromNanoseconds(time.time_ns() + round(self.skew_seconds * 1e9))
        for subscription in self.subscriptions.values():
            subscription.put(message)
        return str(message.message_id)

    def _publish(self, request: Any, context: Any) -> Any:
        self._enter("Publish", context)
        self._find_topic(request.topic, context)
        if any(_is_too_large(each) for each in request.messages):
            context.abort(Code.INVALID_ARGUMENT, "The value for an attribute is too large.")
        return types.PublishResponse.pb()(message_ids=[self._put(each) for each in request.messages])

    def _get_topic(self, request: Any, context: Any) -> Any:
        self._enter("GetTopic", context)
        self._find_topic(request.topic, context)
        return types.Topic.pb()(name=request.topic)

    def _find_topic(self, topic: str, context: Any) -> None:
        if topic != TOPIC:
            context.abort(Code.NOT_FOUND, f"Resource not found (resource={topic}).")

    def _get_subscription(self, request: Any, context: Any) -> Any:
        self._enter("GetSubscription", context)
        found = self._subscription(request.subscription, context)
        return types.Subscription.pb()(
            name=request.subscription, topic=TOPIC, enable_exactly_once_delivery=found.exactly_once, ack_deadline_seconds=10
        )

    def _acknowledge(self, request: Any, context: Any) -> Any:
        self._enter("Acknowledge", context)
        subscription = self._subscription(request.subscription, context)
        with subscription.lock:
            wrong = {ack_id: answer for ack_id in request.ack_ids if (answer := subscription.acknowledge(ack_id))}
        return self._done(subscription, wrong, context)

    def _modify_ack_deadline(self, request: Any, context: Any) -> Any:
        self._enter("ModifyAckDeadline", context)
        subscription = self._subscription(request.subscription, context)
        with subscription.lock:
            wrong = {each: INVALID for each in request.ack_ids if not subscription.extend(each, request.ack_deadline_seconds)}
        return self._done(subscription, wrong, context)

    def _done(self, subscription: Subscription, wrong: dict[str, str], context: Any) -> Any:
        if wrong and subscription.exactly_once:
            detail = any_pb2.Any()
            detail.Pack(error_details_pb2.ErrorInfo(reason="PARTIAL", domain="pubsub.googleapis.com", metadata=wrong))
            status = status_pb2.Status(code=Code.FAILED_PRECONDITION.value[0], message="Some failed.", details=[detail])
            context.abort_with_status(rpc_status.to_status(status))
        return empty_pb2.Empty()

    def _streaming_pull(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        self._enter("StreamingPull", context)
        first = next(requests)
        subscription = self._subscription(first.subscription, context)
        number = next(self._numbers)

        def wake() -> None:
            with subscription.lock:
                subscription.lock.notify_all()

        self._open.add(number)
        self.streams += 1
        context.add_callback(wake)
        threading.Thread(target=self._listen, args=(subscription, requests), daemon=True).start()
        try:
            while context.is_active():
                if number in self._streams_end:
                    context.abort(*self._streams_end[number])
                if taken := self._wait(subscription, number, first, context):
                    yield types.StreamingPullResponse.pb()(
                        received_messages=[{"ack_id": ack_id, "message": message} for ack_id, message in taken],
                        subscription_properties={"exactly_once_delivery_enabled": subscription.exactly_once},
                    )
        finally:
            self._open.discard(number)
            self.streams -= 1

    def _wait(self, subscription: Subscription, number: int, first: Any, context: Any) -> list[tuple[str, Any]]:
        """What can be sent, or nothing when something else is to be looked at."""
        with subscription.lock:
            next_ends = subscription.expire()
            count, size = subscription.outstanding(number) if subscription.waiting else (0, 0)
            room = (first.max_outstanding_messages or 1000) - count
            room_bytes = (first.max_outstanding_bytes or 2**30) - size
            lease_seconds = min(subscription.ack_deadline_seconds, first.stream_ack_deadline_seconds)
            taken = subscription.take(number, room, room_bytes, lease_seconds) if context.is_active() else []
            if not taken and context.is_active() and number not in self._streams_end:
                subscription.lock.wait(next_ends)
            return taken

    def _listen(self, subscription: Subscription, requests: Iterator[Any]) -> None:
        """What a client sends on an open stream."""
        try:
            for request in requests:
                with subscription.lock:
                    for ack_id in request.ack_ids:
                        subscription.acknowledge(ack_id)
                    for ack_id, seconds in zip(request.modify_deadline_ack_ids, request.modify_deadline_seconds, strict=True):
                        subscription.extend(ack_id, seconds)
        except Exception:  # noqa: BLE001  gRPC raises a bare one when the stream has ended
            pass

    def _enter(self, method: str, context: Any) -> None:
        self.calls.append(method)
        if not self.hook(method):
            context.abort(Code.UNAVAILABLE, "Socket closed")
        if self._tls is not None:
            self._check_token(dict(context.invocation_metadata()).get("authorization", ""), context)
        if method in self.refusals:
            self._refuse(*self.refusals[method], context)

    def _refuse(self, code: grpc.StatusCode, detail: str, context: Any) -> None:
        if self.retry_seconds is None:
            context.abort(code, detail)
        asked = any_pb2.Any()
        asked.Pack(error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=self.retry_seconds)))
        status = status_pb2.Status(code=code.value[0], message=detail, details=[asked])
        context.abort_with_status(rpc_status.to_status(status))

    def _check_token(self, token: str, context: Any) -> None:
        self._tokens.add(token)
        if not token.startswith("Bearer ") or token in self._revoked:
            context.abort(Code.UNAUTHENTICATED, UNAUTHENTICATED)

    def _subscription(self, name: str, context: Any) -> Subscription:
        if name not in self.subscriptions:
            context.abort(Code.NOT_FOUND, f"Resource not found (resource={name}).")
        return self.subscriptions[name]


def _unary(method: Callable[[Any, Any], Any], request: Any, response: Any) -> Any:
    return grpc.unary_unary_rpc_method_handler(
        method, request_deserializer=request.pb().FromString, response_serializer=response.SerializeToString
    )


def _is_too_large(message: Any) -> bool:
    """Spec: https://cloud.google.com/pubsub/quotas#resource_limits."""
    sizes = [(len(name.encode()), len(value.encode())) for name, value in message.attributes.items()]
    return len(sizes) > 100 or any(name > 256 or value > 1024 for name, value in sizes) or len(message.ordering_key) > 1024
