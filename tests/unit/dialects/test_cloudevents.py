"""The envelope that several senders share."""

import base64
import json
from typing import Any

import pytest

from watcher.dialects.cloudevent import CloudEvent, each_cloudevent, handshake, read_cloudevents
from watcher.dialects.fields import MAX_EVENTS, EventError
from watcher.dialects.protocol import Delivery
from watcher.model.push import Decision, Handshake, Ignored, Rejected
from watcher.model.reference import Host

BINARY = {"ce-specversion": "1.0", "ce-id": "e-1", "ce-source": "/s", "ce-type": "t"}
EVENT = {"specversion": "1.0", "id": "e-1", "source": "/s", "type": "t"}


def delivery(body: Any = None, headers: dict[str, str] | None = None, method: str = "POST") -> Delivery:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Delivery(registry=Host("r.example"), headers=headers or {}, body=content, method=method)


def one(body: Any, headers: dict[str, str] | None = None) -> CloudEvent:
    (event,) = read_cloudevents(delivery(body, headers))
    assert isinstance(event, CloudEvent), event
    return event


def refused(body: Any, headers: dict[str, str] | None = None) -> str:
    (event,) = read_cloudevents(delivery(body, headers))
    assert isinstance(event, Rejected), event
    return event.reason


@pytest.mark.parametrize(
    "content_type",
    ["application/cloudevents+json; charset=utf-8", "Application/CloudEvents+JSON", "application/json", "text/plain", ""],
)
def test_a_structured_event_is_known_by_its_body(content_type: str) -> None:
    """EventBridge calls it application/json."""
    event = one(
        {**EVENT, "subject": "s", "time": "2026-03-01T10:00:05Z", "data": {"a": 1}, "tenant": "x"}, {"content-type": content_type}
    )
    assert (event.id, event.source, event.type, event.subject, event.data) == ("e-1", "/s", "t", "s", {"a": 1})
    assert event.time is not None
    assert event.extensions == {"tenant": "x"}


def test_a_batch_is_not_taken_for_one_event() -> None:
    """`application/cloudevents-batch` begins as `application/cloudevents` does; and some send arrays under the shorter name."""
    for content_type in ("application/cloudevents-batch+json", "application/cloudevents+json", ""):
        events = read_cloudevents(delivery([EVENT, EVENT], {"content-type": content_type}))
        assert [type(event) for event in events] == [CloudEvent, CloudEvent]


def test_a_binary_event_keeps_its_body() -> None:
    """Attributes come from headers, unquoted and with one round of percent-decoding; data is what its content type says."""
    headers = {
        **BINARY,
        "ce-subject": '"a\\"b%20%25%E2%82%AC"',
        "ce-channel": "x",
        "content-type": "application/json; charset=utf-8",
    }
    event = one({"specversion": "9"}, headers)
    assert (event.subject, event.extensions, event.data) == ('a"b %€', {"channel": "x"}, {"specversion": "9"})
    assert one(b"\xff", {**BINARY, "content-type": "application/octet-stream"}).data == b"\xff"
    assert one(b"", BINARY).data is None
    assert refused(b"{", BINARY) == "invalid-json"


@pytest.mark.parametrize("prefix", ["x-goog-pubsub-attribute-ce-", "ce_"])
def test_attributes_have_the_prefix_of_what_carried_them(prefix: str) -> None:
    """Pub/Sub has them as attributes of a message, and a bridge from Kafka may leave them as that writes them."""
    assert one({"a": 1}, {name.replace("ce-", prefix): value for name, value in BINARY.items()}) == one({"a": 1}, BINARY)


def test_a_byte_order_mark_is_no_part_of_an_event() -> None:
    """RFC 8259 lets a reader pass over it."""
    assert one(b"\xef\xbb\xbf" + json.dumps(EVENT).encode()) == one(EVENT)
    assert one(b"\xef\xbb\xbf{}", BINARY).data == {}


def test_a_structured_event_is_not_binary_whatever_its_headers_say() -> None:
    """The content type decides first: a gateway may add `ce-` headers of its own."""
    assert one({**EVENT, "id": "inside"}, {**BINARY, "content-type": "application/cloudevents+json"}).id == "inside"


def test_data_in_base64_is_what_its_type_says() -> None:
    """JSON unless another type is named; a second document in it is held to the same bounds."""
    encoded = base64.b64encode(b'{"a": 1}').decode()
    assert one({**EVENT, "data_base64": encoded}).data == {"a": 1}
    assert one({**EVENT, "data_base64": encoded, "datacontenttype": "text/plain"}).data == b'{"a": 1}'
    assert refused({**EVENT, "data_base64": "*"}) == "invalid-data"
    assert refused({**EVENT, "data_base64": encoded, "data": {}}) == "invalid-data"
    assert refused({**EVENT, "data_base64": base64.b64encode(b'{"a": 1, "a": 2}').decode()}) == "duplicate-key"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": None}, "missing-attribute"),
        ({"source": ""}, "missing-attribute"),
        ({"type": 7}, "invalid-attribute"),
        ({"specversion": None}, "missing-attribute"),
        ({"specversion": "0.3"}, "unsupported-version"),
        ({"specversion": 1.0}, "invalid-attribute"),
    ],
)
def test_a_broken_event_rejects_only_itself(change: dict[str, Any], reason: str) -> None:
    """Its neighbours in the batch are read."""
    first, broken, last = read_cloudevents(delivery([EVENT, {**EVENT, **change}, EVENT]))
    assert isinstance(broken, Rejected)
    assert broken.reason == reason
    assert isinstance(first, CloudEvent)
    assert isinstance(last, CloudEvent)


def test_what_a_reader_refuses_is_rejected_under_its_id() -> None:
    """So that it can be found, and a repetition recognised; an id beyond any real one is not kept."""

    def read(event: CloudEvent) -> Decision:
        raise EventError("odd", f"a {event.type}")

    assert each_cloudevent(delivery([EVENT, {**EVENT, "id": "x" * 5000}]), read) == [
        Rejected(reason="odd", detail="a t", event_id="e-1"),
        Rejected(reason="odd", detail="a t"),
    ]
    assert each_cloudevent(delivery([]), read) == [Ignored(reason="empty-batch")]


def test_a_batch_has_a_bound() -> None:
    """What is beyond it is one rejection, not lost in silence."""
    *events, beyond = read_cloudevents(delivery([EVENT] * (MAX_EVENTS + 5)))
    assert len(events) == MAX_EVENTS
    assert isinstance(beyond, Rejected)
    assert beyond.reason == "too-many-events"


def test_the_handshake_allows_whoever_asks_and_calls_nobody() -> None:
    """Behind the source's authentication; an origin that is no name is not repeated into our headers."""
    asked = {"webhook-request-origin": "eventgrid.azure.net", "webhook-request-callback": "http://169.254.169.254/"}
    answer = handshake(delivery(b"", asked, "OPTIONS"))
    assert isinstance(answer, Handshake)
    assert answer.status == 200
    assert answer.headers == {"Allow": "POST", "WebHook-Allowed-Origin": "eventgrid.azure.net", "WebHook-Allowed-Rate": "*"}
    for origin in ("", "a b", "a\r\nX: y", "é"):
        assert isinstance(handshake(delivery(b"", {"webhook-request-origin": origin}, "OPTIONS")), Rejected)
    assert handshake(delivery(EVENT)) is None
