"""What an MQTT source makes of messages and of errors, without a broker."""

import socket
import ssl
from pathlib import Path

import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from tests.doubles.mosquitto import issue_certificates
from watcher.dialects.cloudevents import CloudeventsDialect
from watcher.dialects.protocol import Delivery
from watcher.kit.mqtt_trouble import sentence
from watcher.model.errors import ConfigurationError
from watcher.model.push import Pushed
from watcher.sources.mqtt import MqttSource
from watcher.sources.mqtt_connection import Message
from watcher.sources.mqtt_settings import MqttSourceSettings


def delivered(message: Message, *, max_payload: str = "1KiB") -> Delivery:
    settings = MqttSourceSettings(
        name="main", host="broker", topic="#", registry="registry.example.com", aliases=("registry",), max_payload=max_payload
    )
    return MqttSource(settings)._delivery(message)


def message(payload: bytes = b"{}", *, content_type: str = "", properties: tuple[tuple[str, str], ...] = ()) -> Message:
    return Message(
        topic="registry/push", payload=payload, qos=1, mid=1, retained=False, content_type=content_type, properties=properties
    )


def test_a_message_is_a_body_with_headers() -> None:
    """Names are lower-case; what the protocol says stands above a user property that is called alike."""
    delivery = delivered(
        message(b"body", content_type="application/json", properties=(("X-GitHub-Event", "package"), ("MQTT-Topic", "forged")))
    )
    assert (delivery.registry, delivery.body) == ("registry.example.com", b"body")
    assert delivery.aliases == {"registry"}
    assert delivery.headers["content-type"] == "application/json"
    assert delivery.headers["x-github-event"] == "package"
    assert delivery.headers["mqtt-topic"] == "registry/push"
    assert delivery.headers["mqtt-retain"] == "0"


def test_a_binary_cloudevent_keeps_its_attributes() -> None:
    """MQTT does not quote them and HTTP does: a per cent sign is no escape."""
    properties = (
        ("specversion", "1.0"),
        ("id", 'a%41"b'),
        ("source", "/registry"),
        ("type", "com.example.image.pushed"),
        ("subject", "team/app:v1"),
    )
    delivery = delivered(
        message(b'{"tag": "v1", "repository": "team/app"}', content_type="application/json", properties=properties)
    )
    (decision,) = CloudeventsDialect().read(delivery)
    assert isinstance(decision, Pushed)
    assert decision.push.event_id is not None
    assert 'a%41"b' in decision.push.event_id
    assert decision.push.repository == "team/app"


def test_a_payload_that_is_too_large_is_only_begun() -> None:
    """Its size and hash are kept, so that it is recorded as rejected."""
    assert delivered(message(b"x" * 1024)).whole_bytes is None
    delivery = delivered(message(b"x" * 5000))
    assert (len(delivery.body), delivery.whole_bytes, len(delivery.whole_sha256)) == (4096, 5000, 64)


def test_missing_files_are_said_at_the_start(tmp_path: Path) -> None:
    """Each error names the file, and none its content."""
    certificates = issue_certificates(tmp_path)
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("SECRET")
    base = {"host": "broker", "topic": "#"}
    for given, named in (
        ({"ca_file": str(tmp_path / "none.pem")}, "none.pem"),
        ({"ca_file": str(wrong)}, "wrong.pem"),
        ({"client_cert": str(certificates.client)}, "client.pem"),
        ({"client_cert": str(certificates.client), "client_key": str(certificates.broker_key)}, "broker.key"),
        ({"username": "u", "password": f"file:{tmp_path}/password"}, "password"),
    ):
        with pytest.raises(ConfigurationError, match=named) as raised:
            MqttSource(MqttSourceSettings(**{**base, **given}))  # type: ignore[arg-type]
        assert "SECRET" not in str(raised.value)
    ca, client, key = (str(path) for path in (certificates.ca, certificates.client, certificates.client_key))
    MqttSource(MqttSourceSettings(host="broker", topic="#", ca_file=ca, client_cert=client, client_key=key))


class _WrappedError(Exception):
    """As aiomqtt raises one: in place of the error that tells more."""


def wrapped(error: Exception) -> Exception:
    try:
        try:
            raise error
        except type(error):
            raise _WrappedError("text") from None
    except _WrappedError as raised:
        return raised


def _verification(code: int, text: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, text
    return error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (_verification(10, "certificate has expired"), "b:1 has a certificate that has expired"),
        (_verification(9, "not yet valid"), "b:1 has a certificate that is not valid yet"),
        (_verification(20, "unable to get local issuer"), "nobody we trust has signed; `ca_file`"),
        (_verification(62, "Hostname mismatch"), "not its own: Hostname mismatch"),
        (ssl.SSLError(1, "wrong version number"), "does not answer in TLS"),
        (socket.gaierror(-2, "Name or service not known"), "b:1 is not found: Name or service not known"),
        (ConnectionRefusedError(111, "Connection refused"), "b:1 cannot be reached: Connection refused"),
        (TimeoutError(), "did not answer within 3 s: SSL alert"),
        (ValueError("?"), "b:1 closed the connection: SSL alert"),
        (aiomqtt.MqttCodeError(ReasonCode(PacketTypes.DISCONNECT, identifier=0x8E)), "another client with the same `client_id`"),
        (aiomqtt.MqttCodeError(ReasonCode(PacketTypes.DISCONNECT, identifier=0x8B)), "closed the connection: Server shutting down"),
        (aiomqtt.MqttCodeError(ReasonCode(PacketTypes.DISCONNECT, identifier=0x80)), "b:1 closed the connection: SSL alert"),
    ],
)
def test_an_error_is_told_by_what_is_behind_it(error: Exception, told: str) -> None:
    """Not by the words of the library around it."""
    assert told in sentence(wrapped(error), where="b:1", complaint="SSL alert", timeout_seconds=3)
