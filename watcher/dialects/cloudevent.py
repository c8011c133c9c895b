"""CloudEvents 1.0, which several senders wrap their events in. Pure.

Spec: cloudevents/spec v1.0.2: JSON event format, HTTP protocol binding section 3 (MQTT's is handed over in the same form: user
properties as `ce-*` headers), HTTP webhooks section 4.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from watcher.dialects.fields import MAX_EVENTS, EventError, bare_type, body_json, moment, text
from watcher.dialects.protocol import Delivery
from watcher.model.push import Decision, Handshake, Ignored, Rejected
from watcher.model.strict_json import JsonBodyError

REQUIRED = ("id", "source", "type")
KNOWN = frozenset({*REQUIRED, "specversion", "subject", "time", "datacontenttype", "dataschema", "data", "data_base64"})
# HTTP's, and those of Pub/Sub's attributes and of Kafka's headers where a bridge hands them over as they are.
# https://github.com/google/knative-gcp/blob/main/docs/spec/pubsub-protocol-binding.md
HEADER_PREFIXES = ("ce-", "x-goog-pubsub-attribute-ce-", "ce_")
# In binary mode, which is what brokers as Knative's hand on.
TYPE_HEADER = "ce-type"
_ORIGIN = re.compile(r"[A-Za-z0-9.:_-]{1,253}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudEvent:
    """One event. `id`, `source` and `type` are not empty; `source` and `id` together name it.

    `data` is the JSON value, bytes where it is of another type, None where there is none. `extensions` holds every other attribute
    by its name, as text when it came in a header.
    """

    id: str
    source: str
    type: str
    subject: str | None = None
    time: datetime | None = None
    extensions: Mapping[str, Any]
    data: Any = None

    @property
    def event_id(self) -> str | None:
        """The id as it may be kept: None when it is longer or stranger than any real one."""
        return text(self.id)


def each_cloudevent(delivery: Delivery, read: Callable[[CloudEvent], Decision]) -> Sequence[Decision]:
    """One decision per event, in order. An event that breaks the format, or that `read` raises EventError for, rejects only itself.

    Never raises, and never returns nothing: an empty batch is legal, and ignored.
    """
    return [_decided(event, read) for event in read_cloudevents(delivery)] or [Ignored(reason="empty-batch")]


def read_cloudevents(delivery: Delivery) -> Sequence[CloudEvent | Rejected]:
    """The events of a delivery, in order; in place of one that breaks the format, its rejection. Never raises.

    In this order: a batch or a structured event by its content type, a binary one by its `ce-*` headers, else whatever the body's
    JSON is, because some senders call a structured event `application/json`. An object where an array is due is one event, and the
    reverse. https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md#3-http-message-mapping
    """
    attributes = _header_attributes(delivery.headers)
    media_type = bare_type(delivery.headers.get("content-type", ""))
    try:
        # The name of a batch's type begins as that of one event's does, and here neither needs a closer look.
        if media_type.startswith("application/cloudevents"):
            if not media_type.endswith(("/cloudevents", "-batch", "+json")):
                return [Rejected(reason="unknown-format", detail="only the JSON event format is read")]
        elif not attributes.keys().isdisjoint({"specversion", *REQUIRED}):
            return [_one(lambda: _binary(attributes, delivery, media_type), text(attributes.get("id")))]
        body = body_json(delivery.body)
    except JsonBodyError as error:
        return [Rejected(reason=error.reason, detail=str(error))]
    return _several(body) if isinstance(body, list) else [_structured(body)]


def structured(event: Mapping[str, Any]) -> CloudEvent:
    """The event that a JSON object is, for whoever holds one already.

    Raises:
        EventError: `missing-attribute`, `invalid-attribute`, `unsupported-version` or `invalid-data`.
    """
    attributes = {name: value for name, value in event.items() if name not in ("data", "data_base64")}
    return _event(attributes, _data(event))


def handshake(delivery: Delivery) -> Decision | None:
    """The answer to a sender who asks by OPTIONS whether we want its events; None when it does not ask.

    The callback it may name is never called: the answer is enough, and the address is a stranger's.

    Spec: HTTP 1.1 Web Hooks for Event Delivery 1.0.2, section 4.
    """
    if delivery.method != "OPTIONS":
        return None
    origin = delivery.headers.get("webhook-request-origin", "")
    if not _ORIGIN.fullmatch(origin):
        return Rejected(reason="no-origin", detail="OPTIONS without a WebHook-Request-Origin that is a host name")
    return Handshake(headers={"Allow": "POST", "WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"})


def _decided(event: CloudEvent | Rejected, read: Callable[[CloudEvent], Decision]) -> Decision:
    if isinstance(event, Rejected):
        return event
    try:
        return read(event)
    except EventError as error:
        return Rejected(reason=error.reason, detail=str(error), event_id=event.event_id)


def _several(batch: Sequence[Any]) -> Sequence[CloudEvent | Rejected]:
    events = [_structured(event) for event in batch[:MAX_EVENTS]]
    if len(batch) > MAX_EVENTS:
        detail = f"{len(batch)} events in one body: the first {MAX_EVENTS} were read"
        return [*events, Rejected(reason="too-many-events", detail=detail)]
    return events


def _structured(event: Any) -> CloudEvent | Rejected:
    if not isinstance(event, dict):
        return Rejected(reason="invalid-event", detail="an event is not an object")
    return _one(lambda: structured(event), text(event.get("id")))


def _one(read: Callable[[], CloudEvent], event_id: str | None) -> CloudEvent | Rejected:
    try:
        return read()
    except (EventError, JsonBodyError) as error:
        return Rejected(reason=error.reason, detail=str(error), event_id=event_id)


def _header_attributes(headers: Mapping[str, str]) -> dict[str, str]:
    return {
        name.removeprefix(prefix): _unescaped(value)
        for name, value in headers.items()
        for prefix in HEADER_PREFIXES
        if name.startswith(prefix)
    }


def _binary(attributes: Mapping[str, str], delivery: Delivery, media_type: str) -> CloudEvent:
    """Attributes from headers, the body as it is.

    Raises:
        EventError: as `structured`.
        JsonBodyError: the body calls itself JSON, or nothing, and is not.
    """
    body = delivery.body
    data = body_json(body) if body and _is_json(media_type) else body or None
    return _event(attributes, data)


def _event(attributes: Mapping[str, Any], data: Any) -> CloudEvent:
    required = {name: _required(attributes, name) for name in REQUIRED}
    if (version := _required(attributes, "specversion")) != "1.0":
        raise EventError("unsupported-version", f"specversion is {version!r:.50}, 1.0 is read")
    subject = attributes.get("subject")
    return CloudEvent(
        **required,
        subject=subject if isinstance(subject, str) and subject else None,
        time=moment(attributes.get("time")),
        extensions={name: value for name, value in attributes.items() if name not in KNOWN},
        data=data,
    )


def _required(attributes: Mapping[str, Any], name: str) -> str:
    value = attributes.get(name)
    if value is None or value == "":
        raise EventError("missing-attribute", f"the event has no {name}")
    if not isinstance(value, str):
        raise EventError("invalid-attribute", f"{name} is not text")
    return value


def _data(event: Mapping[str, Any]) -> Any:
    """Spec: JSON event format 3.1."""
    encoded = event.get("data_base64")
    if encoded is None:
        return event.get("data")
    if event.get("data") is not None or not isinstance(encoded, str):
        raise EventError("invalid-data", "data_base64 is not text, or stands beside data")
    try:
        content = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise EventError("invalid-data", "data_base64 is not base64") from error
    declared = event.get("datacontenttype")
    return body_json(content) if _is_json(bare_type(declared if isinstance(declared, str) else "")) else content


def _is_json(media_type: str) -> bool:
    """An event that says nothing of its data's type has JSON."""
    return media_type in ("", "application/json", "text/json") or media_type.endswith("+json")


def _unescaped(value: str) -> str:
    """A header's text: outer double quotes and their escapes taken away, then one round of percent-decoding.

    Spec: HTTP protocol binding 3.1.3.2. What is then no UTF-8 can be no attribute's value, and is replaced to match nothing.
    """
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    return unquote(value, errors="replace")
