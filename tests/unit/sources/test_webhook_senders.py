import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.doubles.receiver import Receiver, WrittenDialect, running_receiver
from watcher.dialects.catalog import DIALECTS
from watcher.model.push import Handshake, Ignored, Rejected
from watcher.sources.webhook import WebhookSource
from watcher.sources.webhook_senders import SENDERS
from watcher.sources.webhook_settings import BearerAuth, NoAuth, WebhookSourceSettings

pytestmark = pytest.mark.enable_socket

MAX_BODY = 1024
SUCCESS = {"eventgrid": 200, "ecr": 200, "gar": 204}
METHODS = {
    "gitea": {"GET", "POST"},
    "diun": {"GET", "POST", "PUT"},
    "generic": {"POST", "PUT"},
    "eventgrid": {"OPTIONS", "POST"},
    "cloudevents": {"OPTIONS", "POST"},
    "cdevents": {"OPTIONS", "POST"},
}


@pytest.fixture
def dialect() -> WrittenDialect:
    return WrittenDialect()


@pytest.fixture
async def receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dialect: WrittenDialect) -> AsyncIterator[Receiver]:
    monkeypatch.setenv("HOOK", "s3cret")
    settings = [WebhookSourceSettings(dialect=name, auth=NoAuth()) for name in SENDERS]
    settings.append(WebhookSourceSettings(name="shut", dialect="eventgrid", auth=BearerAuth(secret="env:HOOK", query="code")))
    async with running_receiver(
        tmp_path, [WebhookSource(each, max_body_bytes=MAX_BODY, waits_seconds=0) for each in settings], dialect
    ) as running:
        yield running


def test_every_dialect_has_a_sender() -> None:
    """A dialect that is not in the table would be answered like nobody in particular."""
    assert DIALECTS.keys() == SENDERS.keys()
    assert all(sender.signature or sender.instead for sender in SENDERS.values())


@pytest.mark.parametrize("name", SENDERS)
async def test_each_sender_is_answered_as_it_wants(receiver: Receiver, dialect: WrittenDialect, name: str) -> None:
    """Understood or not, too large or no JSON: success in its own terms, once it is recorded."""
    expected = SUCCESS.get(name, 202)
    for decision in (Ignored(reason="pull"), Rejected(reason="invalid-json")):
        dialect.decision = decision
        status, headers, body = await receiver.send("POST", name, json.dumps({"a": decision.reason}).encode())
        assert (status, body == b"") == (expected, expected == 204)
        assert expected == 204 or json.loads(body).keys() >= {"accepted", "ignored", "duplicates"}
        assert expected == 204 or headers["Content-Type"] == "application/json"
    status, _, _ = await receiver.send("POST", name, b" " * (MAX_BODY + 1))
    assert (status, receiver.rejected.reason, receiver.last.body_bytes) == (expected, "too-large", MAX_BODY + 1)
    assert len(receiver.backlog.arrivals) == 3


@pytest.mark.parametrize("name", SENDERS)
async def test_each_sender_may_use_its_own_methods(receiver: Receiver, name: str) -> None:
    """POST, and what else it is known for; the rest is 405 and taken in by nobody."""
    allowed = METHODS.get(name, {"POST"})
    answers = {method: await receiver.send(method, name, b'{"a": 1}') for method in ("GET", "POST", "PUT", "OPTIONS")}
    assert {method for method, (status, _, _) in answers.items() if status != 405} == allowed
    for _, headers, _ in (each for each in answers.values() if each[0] == 405):
        assert set(headers["Allow"].split(", ")) == allowed
    assert len(receiver.backlog.arrivals) == len(allowed)


@pytest.mark.parametrize("name", SENDERS)
async def test_a_store_that_is_down_is_no_fault_of_any_sender(receiver: Receiver, name: str) -> None:
    """503 with Retry-After: several take a 4xx for final."""
    receiver.backlog.broken = True
    status, headers, _ = await receiver.send("POST", name, b'{"a": 1}')
    assert (status, headers["Retry-After"]) == (503, "1")
    receiver.backlog.broken = False
    assert (await receiver.send("POST", name, b'{"a": 1}'))[0] == SUCCESS.get(name, 202)


async def test_a_dialect_has_the_names_of_headers_in_lower_case(receiver: Receiver, dialect: WrittenDialect) -> None:
    """Go writes `Ce-Id`. A header that comes twice is one with both values."""
    reader, writer = await receiver.connect()
    writer.write(b"POST /hooks/zot HTTP/1.1\r\nHost: w\r\nCe-Id: 1\r\nX-Twice: a\r\nx-twice: b\r\nContent-Length: 2\r\n\r\n{}")
    assert (await reader.readline()).split()[1] == b"202"
    writer.close()
    found = dialect.read_so_far[-1].headers
    assert (found["ce-id"], found["x-twice"]) == ("1", "a, b")
    assert all(name == name.lower() for name in found)


async def test_a_get_with_a_body_is_read(receiver: Receiver, dialect: WrittenDialect) -> None:
    """Diun sends so unless it is told otherwise."""
    assert (await receiver.send("GET", "diun", b'{"status": "new"}'))[0] == 202
    assert (dialect.read_so_far[-1].body, dialect.read_so_far[-1].method) == (b'{"status": "new"}', "GET")


async def test_a_handshake_is_answered_as_the_dialect_says(receiver: Receiver, dialect: WrittenDialect) -> None:
    """Status, headers and body, whatever the sender's success is; and it is recorded like an event."""
    dialect.decision = Handshake(
        status=200, headers={"WebHook-Allowed-Origin": "eventgrid.azure.net", "Content-Type": "application/json"}, body=b'{"x":1}'
    )
    for name, method in (("eventgrid", "OPTIONS"), ("eventgrid", "POST"), ("gar", "POST"), ("ghcr", "POST")):
        status, headers, body = await receiver.send(method, name)
        assert (status, headers["WebHook-Allowed-Origin"], body) == (200, "eventgrid.azure.net", b'{"x":1}')
        assert headers["Content-Type"] == "application/json"
    assert len(receiver.backlog.arrivals) == 4


async def test_a_handshake_needs_the_secret(receiver: Receiver, dialect: WrittenDialect) -> None:
    """Or anybody could have events sent here. The secret is in the query string, where Event Grid can keep it."""
    dialect.decision = Handshake(headers={"WebHook-Allowed-Origin": "eventgrid.azure.net"})
    origin = {"WebHook-Request-Origin": "eventgrid.azure.net"}
    for path in ("shut", "shut?code=other"):
        for method in ("OPTIONS", "POST"):
            status, headers, _ = await receiver.send(method, path, headers=origin)
            assert (status, headers.get("WebHook-Allowed-Origin")) == (401, None)
    status, headers, _ = await receiver.send("OPTIONS", "shut?code=s3cret", headers=origin)
    assert (status, headers["WebHook-Allowed-Origin"]) == (200, "eventgrid.azure.net")


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/cloudevents+avro", 415),
        ("application/cloudevents+protobuf; charset=utf-8", 415),
        ("Application/CloudEvents-Batch+XML", 415),
        ("application/cloudevents+json; charset=utf-8", 202),
        ("application/cloudevents-batch+json", 202),
        ("application/cloudevents", 202),
        ("application/json", 202),
        ("text/plain", 202),
        ("", 202),
    ],
)
async def test_an_event_format_that_is_not_json_is_said_to_be_unknown(
    receiver: Receiver, dialect: WrittenDialect, content_type: str, status: int
) -> None:
    """415 to senders of CloudEvents, as their specification wants it, and to no other; it is recorded all the same."""
    dialect.decision = Rejected(reason="invalid-json")
    headers = {"Content-Type": content_type}
    assert (await receiver.send("POST", "cloudevents", b"\x00", headers))[0] == status
    assert (await receiver.send("POST", "distribution", b"\x00", headers))[0] == 202
    assert len(receiver.backlog.arrivals) == 2
    dialect.decision = Ignored(reason="other-type")
    assert (await receiver.send("POST", "cloudevents", b"\x01", headers))[0] == 202
