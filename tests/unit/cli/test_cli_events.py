"""`watcher events parse`."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import Ended, Run
from watcher.cli.captured import read_deliveries
from watcher.dialects.protocol import Delivery
from watcher.model.errors import ConfigurationError
from watcher.model.reference import Host

DIGEST = "sha256:" + "a" * 64
PUSH = {
    "id": "e-1",
    "timestamp": "2026-03-01T10:00:03.1Z",
    "action": "push",
    "target": {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": DIGEST,
        "repository": "team/app",
        "tag": "v1",
    },
    "request": {"host": "registry.example.com:5000"},
    "actor": {"name": "ci"},
}
BODY = json.dumps({"events": [PUSH, {"action": "pull"}, {"action": 7}]}).encode()


def parse(watcher: Run, file: Path, *arguments: str) -> tuple[Ended, list[dict[str, Any]]]:
    ended = watcher("events", "parse", "--dialect", "distribution", *arguments, file)
    return ended, [json.loads(line) for line in ended.out.splitlines()]


@pytest.fixture
def body(tmp_path: Path) -> Path:
    path = tmp_path / "body.json"
    path.write_bytes(BODY)
    return path


def test_every_event_is_one_line(watcher: Run, body: Path) -> None:
    """In the order of the payload; what is ignored or rejected is an answer and no error."""
    ended, lines = parse(watcher, body, "--registry", "registry.example.com:5000")
    assert ended.code == 0
    assert lines[0] == {
        "decision": "push",
        "push": {
            "registry": "registry.example.com:5000",
            "repository": "team/app",
            "tag": "v1",
            "digest": DIGEST,
            "media_type": "application/vnd.oci.image.manifest.v1+json",
            "actor": "ci",
            "occurred_at": "2026-03-01T10:00:03.100000Z",
            "event_id": "e-1",
            "needs": [],
        },
    }
    assert [(line["decision"], line.get("reason")) for line in lines[1:]] == [("ignore", "pull"), ("reject", "no-action")]


def test_without_a_registry_no_name_is_compared(watcher: Run, body: Path) -> None:
    """A captured payload can be read by whoever has it; it is then believed about its registry."""
    _, lines = parse(watcher, body)
    assert lines[0]["push"]["registry"] == "registry.example.com:5000"
    _, lines = parse(watcher, body, "--registry", "other.example.com")
    assert lines[0]["reason"] == "host-mismatch"


def test_a_digest_that_is_missing_is_needed(watcher: Run, tmp_path: Path) -> None:
    """The registry has to be asked for it."""
    target = {key: value for key, value in PUSH["target"].items() if key != "digest"}  # type: ignore[attr-defined]  # a literal
    (tmp_path / "tag.json").write_text(json.dumps({"events": [{**PUSH, "target": target}]}))
    _, lines = parse(watcher, tmp_path / "tag.json")
    assert (lines[0]["push"]["digest"], lines[0]["push"]["needs"]) == (None, ["digest"])


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_captured_request_is_taken_apart(tmp_path: Path, end: bytes) -> None:
    """Header names become lower case, repeated ones are joined, and the body is left as it is."""
    path = tmp_path / "push.http.txt"
    lines = [b"PUT /hooks/main HTTP/1.1", b"Host: watcher", b"X-Two: a", b"x-two:b", b"", b'{"a":\r\n\n1}']
    path.write_bytes(end.join(lines))
    headers = {"host": "watcher", "x-two": "a, b"}
    expected = Delivery(registry=Host("r"), headers=headers, body=b'{"a":\r\n\n1}', method="PUT")
    assert read_deliveries(path, Host("r")) == [expected]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "expected a request line, headers, a blank line and a body"),
        (b"POST / HTTP/1.1\nHost: x", "expected a request line, headers, a blank line and a body"),
        (b"POST / HTTP/1.1\n" + b"A: b\n" * 300 + b"\n", "expected a request line, headers, a blank line and a body"),
        (b'{"events": []}\n\n', ":1: expected a request line"),
        (b"POST / HTTP/1.1\nno header\n\n", ":2: expected a header"),
        (b"POST / HTTP/1.1\n folded: x\n\n", ":2: expected a header"),
    ],
)
def test_what_is_no_request_is_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    """With the line that is wrong."""
    path = tmp_path / "broken.http.txt"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=complaint):
        read_deliveries(path, Host(""))


def test_a_request_is_read_as_its_body_is(watcher: Run, tmp_path: Path) -> None:
    """The dialect sees the body without the request around it."""
    path = tmp_path / "push.http.txt"
    path.write_bytes(b"POST /hooks/main HTTP/1.1\r\nContent-Type: application/json\r\n\r\n" + BODY)
    _, lines = parse(watcher, path)
    assert [line["decision"] for line in lines] == ["push", "ignore", "reject"]


def test_an_event_in_a_query_string_is_the_body(tmp_path: Path) -> None:
    """Gitea's hooks may be told to send by GET."""
    path = tmp_path / "push.http.txt"
    path.write_text("GET /hooks/gitea?payload=%7B%22a%22%3A+%22%C3%A9%22%7D HTTP/1.1\nX-Gitea-Event: package\n\n")
    (delivery,) = read_deliveries(path, Host("r"))
    assert (delivery.method, delivery.body) == ("GET", '{"a": "é"}'.encode())


def test_no_json_is_an_answer_too(watcher: Run, tmp_path: Path) -> None:
    """Rejected with its reason, exit code 0."""
    (tmp_path / "x").write_bytes(b"\xff")
    ended, lines = parse(watcher, tmp_path / "x")
    assert (ended.code, lines[0]["decision"]) == (0, "reject")


def test_a_file_that_cannot_be_read(watcher: Run, tmp_path: Path) -> None:
    """One line on stderr and exit code 2."""
    ended, lines = parse(watcher, tmp_path / "nothing")
    assert (ended.code, lines) == (2, [])
    assert ended.err == f"watcher: {tmp_path}/nothing: cannot be read: No such file or directory\n"


def test_an_unknown_dialect_is_a_usage_error(watcher: Run, body: Path) -> None:
    """Those that there are, are named."""
    ended = watcher("events", "parse", "--dialect", "morse", body)
    assert ended.code == 2
    assert "distribution" in ended.err


MAPPED = """\
registries: [{host: registry.example.com}]
sources:
  - {type: webhook, dialect: distribution, aliases: [hub.internal], auth: {type: none}}
  - type: webhook
    name: builds
    dialect: generic
    aliases: [hub.internal]
    auth: {type: none}
    mapping: {image: "$.name", tag: "$.tag", event_id: "$.id"}
"""


def test_a_generic_payload_is_read_by_the_mapping_of_its_source(watcher: Run, tmp_path: Path) -> None:
    """With the names that its registry has, as the daemon would read it."""
    (tmp_path / "watcher.yaml").write_text(MAPPED)
    (tmp_path / "body.json").write_text('{"name": "hub.internal/team/app", "tag": "v1", "id": 7}')
    ended = watcher("events", "parse", "--dialect", "generic", "--source", "builds", "body.json")
    assert ended.code == 0
    push = json.loads(ended.out)["push"]
    assert (push["registry"], push["repository"], push["event_id"]) == ("registry.example.com", "team/app", "7")
    ended = watcher(
        "events", "parse", "--dialect", "generic", "-c", "watcher.yaml", "--source", "builds", "--registry", "x", "body.json"
    )
    assert json.loads(ended.out)["push"]["registry"] == "x"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "--dialect generic: name with -c FILE --source NAME the source"),
        (("--source", "distribution"), "watcher.yaml: no source 'distribution' of dialect generic"),
        (("--source", "other"), "watcher.yaml: no source 'other' of dialect generic"),
    ],
)
def test_generic_needs_a_source_with_a_mapping(watcher: Run, tmp_path: Path, arguments: tuple[str, ...], complaint: str) -> None:
    """Nothing else says where the fields are."""
    (tmp_path / "watcher.yaml").write_text(MAPPED)
    (tmp_path / "body.json").write_text("{}")
    ended = watcher("events", "parse", "--dialect", "generic", *arguments, "body.json")
    assert ended.code == 2
    assert complaint in ended.err


def test_a_captured_mqtt_message_is_taken_apart(tmp_path: Path) -> None:
    """Its source would hand it over with the same headers."""
    path = tmp_path / "publish.txt"
    path.write_bytes(b"PUBLISH\nTopic Name: a/b\nQoS: 1\nContent Type: application/json\nUser Property: id=a=b:c\n\n{}\n")
    headers = {"content-type": "application/json", "id": "a=b:c", "ce-id": "a=b:c", "mqtt-topic": "a/b", "mqtt-retain": "0"}
    expected = Delivery(registry=Host("r"), headers=headers, body=b"{}\n")
    assert read_deliveries(path, Host("r")) == [expected]


SQS_MESSAGE = {
    "MessageId": "m-1",
    "ReceiptHandle": "h",
    "Body": "{}",
    "Attributes": {"SentTimestamp": "1772359204500", "ApproximateReceiveCount": "3"},
    "MessageAttributes": {"ce-Type": {"StringValue": "image.pushed", "DataType": "String"}},
}
PULLED = {
    "ackId": "a",
    "message": {"data": "e30=", "messageId": "7", "publishTime": "2026-03-01T10:00:04.5Z", "attributes": {"Ce-Id": "e1"}},
}


def test_what_was_read_from_a_queue_is_its_messages(tmp_path: Path) -> None:
    """As their source would hand each over, whoever listed them: the service, its command line, or jq on its output."""
    from_sqs = Delivery(
        registry=Host("r"),
        headers={
            "ce-type": "image.pushed",
            "x-amz-sqs-message-id": "m-1",
            "x-amz-sqs-receive-count": "3",
            "x-amz-sqs-sent-at": "2026-03-01T10:00:04.500000Z",
        },
        body=b"{}",
    )
    from_pubsub = Delivery(
        registry=Host("r"),
        headers={
            "x-goog-pubsub-attribute-ce-id": "e1",
            "x-goog-pubsub-message-id": "7",
            "x-goog-pubsub-publish-time": "2026-03-01T10:00:04.500000Z",
        },
        body=b"{}",
    )
    for captured, expected in (
        ({"Messages": [SQS_MESSAGE] * 2}, [from_sqs] * 2),
        ([SQS_MESSAGE], [from_sqs]),
        (SQS_MESSAGE, [from_sqs]),
        ({"receivedMessages": [PULLED] * 2}, [from_pubsub] * 2),
        ([PULLED] * 2, [from_pubsub] * 2),
        (PULLED, [from_pubsub]),
    ):
        (tmp_path / "captured.json").write_text(json.dumps(captured))
        assert read_deliveries(tmp_path / "captured.json", Host("r")) == expected


# As mosquitto_sub 2.0.11 prints them; a broker hands on user properties of one name twice.
PRINTED = (
    '{"tst":"2026-11-29T08:21:04.726671Z+0000","topic":"registry/a","qos":1,"retain":0,"payloadlen":22,"mid":1,'
    '"properties":{"content-type":"application/cloudevents+json","user-properties":{"type":"com.x","type":"b%","id":"1"}},'
)


@pytest.mark.parametrize(
    ("printed", "payload"),
    [
        (PRINTED + r'"payload":"{\n \"a\": \"\u00e9\", \"b\": 1e400}"}' + "\n", '{\n "a": "é", "b": 1e400}'),
        (PRINTED + '"payload":{"a":"é","b":null}}\n', '{"a":"é","b":null}'),
    ],
)
def test_what_mosquitto_sub_printed_is_its_messages(tmp_path: Path, printed: str, payload: str) -> None:
    """With -F %j or %J, as the source would hand each over; %J has changed numbers, and %j nothing."""
    headers = {
        "type": "b%",
        "ce-type": "b%25",
        "id": "1",
        "ce-id": "1",
        "content-type": "application/cloudevents+json",
        "mqtt-topic": "registry/a",
        "mqtt-retain": "0",
    }
    size = len(payload.encode())
    (tmp_path / "captured").write_text(printed.replace('"payloadlen":22', f'"payloadlen":{size}') * 2)
    expected = Delivery(registry=Host("r"), headers=headers, body=payload.encode())
    assert read_deliveries(tmp_path / "captured", Host("r")) == [expected] * 2


def test_a_payload_that_was_cut_is_said(tmp_path: Path) -> None:
    """What is no text ends for mosquitto_sub at its first zero."""
    (tmp_path / "captured").write_text(PRINTED + '"payload":"x"}\n')
    with pytest.raises(ConfigurationError, match="registry/a has 22 bytes, of which 1 were captured"):
        read_deliveries(tmp_path / "captured", Host("r"))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_topics_with_payloads_are_messages(tmp_path: Path, end: str) -> None:
    """As with -v, where a payload may have several lines; it is left as it is."""
    (tmp_path / "captured").write_bytes(f'a/b {{{end} "é": 1}}{end}c []{end}d {{"e": {{}}}}'.encode())
    expected = [
        Delivery(registry=Host("r"), headers={"mqtt-topic": topic, "mqtt-retain": "0"}, body=body.encode())
        for topic, body in (("a/b", f'{{{end} "é": 1}}'), ("c", "[]"), ("d", '{"e": {}}'))
    ]
    assert read_deliveries(tmp_path / "captured", Host("r")) == expected


def test_several_calls_may_stand_after_each_other(tmp_path: Path) -> None:
    """SQS gives ten messages at a time, and a shell appends."""
    (tmp_path / "captured").write_text(f"{json.dumps({'Messages': [SQS_MESSAGE] * 2})}\n{json.dumps([SQS_MESSAGE])}\n\n")
    assert len(read_deliveries(tmp_path / "captured", Host("r"))) == 3


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"Messages": []},
        [SQS_MESSAGE, {"action": "push"}],
        [SQS_MESSAGE, 7],
        {"message": PULLED["message"], "subscription": "s"},
        PULLED | {"message": {"data": "e30=", "publishTime": "yesterday"}},
        PULLED | {"message": {"data": "{}", "publishTime": "2026-03-01T10:00:04Z"}},
        PULLED | {"message": {"publishTime": "2026-03-01T10:00:04Z", "attributes": [7]}},
        "Messages",
        SQS_MESSAGE | {"Attributes": 7},
        SQS_MESSAGE | {"MessageAttributes": {"a": 7}},
        {"topic": "a", "qos": 1, "payloadlen": 2},
        {"a": {"b": {}}},
    ],
)
def test_what_is_no_list_of_messages_is_a_body(tmp_path: Path, body: object) -> None:
    """Whole and as it is: nothing of it is left out."""
    (tmp_path / "captured.json").write_text(json.dumps(body))
    expected = Delivery(registry=Host("r"), headers={}, body=json.dumps(body).encode())
    assert read_deliveries(tmp_path / "captured.json", Host("r")) == [expected]


@pytest.mark.parametrize(
    "content",
    [
        b"a/b {}\nhello\n",
        b"a/b {} x\n",
        b" {}",
        b"a\x01b {}",
        b"a/b {",
        b"{} {}",
        b"\xff",
        b"a/b " + b"[" * 10_000,
        b"[" * 10_000,
    ],
)
def test_what_is_no_messages_is_a_body(tmp_path: Path, content: bytes) -> None:
    """Its dialect says what is wrong with it."""
    (tmp_path / "captured").write_bytes(content)
    assert read_deliveries(tmp_path / "captured", Host("r")) == [Delivery(registry=Host("r"), headers={}, body=content)]


def test_every_message_of_a_queue_is_decided(watcher: Run, tmp_path: Path) -> None:
    """In their order, one line for each event: a message may hold several, or nothing that can be read."""
    bodies = [BODY.decode(), "hello", json.dumps({"events": [PUSH]})]
    (tmp_path / "queue.json").write_text(json.dumps({"Messages": [SQS_MESSAGE | {"Body": body} for body in bodies]}))
    ended, lines = parse(watcher, tmp_path / "queue.json", "--registry", "registry.example.com")
    assert ended.code == 0
    assert [line["decision"] for line in lines] == ["push", "ignore", "reject", "reject", "push"]
