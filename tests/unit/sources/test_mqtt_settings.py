"""What the configuration of an MQTT source may say, and what follows from it."""

from typing import Any

import msgspec
import pytest

from watcher.sources.mqtt import MqttSource
from watcher.sources.mqtt_settings import MqttSourceSettings, objection

MINIMAL = {"type": "mqtt", "host": "broker", "topic": "registry/+/push"}


def read(**given: Any) -> MqttSourceSettings:
    return msgspec.convert({**MINIMAL, **given}, MqttSourceSettings)


@pytest.mark.parametrize(
    ("given", "speaks_tls"),
    [
        ({}, True),
        ({"port": 8883}, True),
        ({"port": 1883}, False),
        ({"port": 1884}, True),
        ({"port": 1883, "ca_file": "ca.pem"}, True),
        ({"tls": False}, False),
        ({"port": 1883, "tls": True}, True),
        ({"host": "localhost"}, True),
        ({"host": "localhost", "port": 1884}, False),
        ({"host": "127.0.0.1", "port": 40000}, False),
        ({"host": "::1", "port": 40000}, False),
        ({"host": "127.0.0.1", "port": 8883}, True),
        ({"host": "127.0.0.1.example.com", "port": 40000}, True),
    ],
)
def test_plain_text_has_to_be_asked_for(given: dict[str, Any], speaks_tls: bool) -> None:
    """By its own port, by `tls: false`, or by a broker on this machine that is not at the port of TLS."""
    assert read(**given).address.speaks_tls is speaks_tls


@pytest.mark.parametrize(
    ("given", "objected"),
    [
        ({"topic": []}, "topic"),
        ({"topic": ["a", "b/#/c"]}, "b/#/c"),
        ({"port": 70000}, "70000"),
        ({"host": ""}, "host"),
        ({"host": "mqtts://broker"}, "scheme"),
        ({"host": "a..b"}, "host"),
        ({"host": "x" * 64}, "host"),
        ({"receive_maximum": 0}, "receive_maximum"),
        ({"keepalive": "100ms"}, "keepalive"),
        ({"session_expiry": "60000d"}, "session_expiry"),
        ({"timeout": "0s"}, "timeout"),
        ({"max_payload": "0B"}, "max_payload"),
        ({"password": "env:PASSWORD"}, "username"),
        ({"client_key": "key.pem"}, "client_cert"),
        ({"tls": False, "ca_file": "ca.pem"}, "switched off"),
        ({"version": 4}, "version"),
        ({"qos": 2}, "qos"),
    ],
)
def test_what_cannot_work_is_refused_when_it_is_read(given: dict[str, Any], objected: str) -> None:
    """The message says which setting it is about."""
    with pytest.raises(msgspec.ValidationError, match=objected):
        read(**given)


@pytest.mark.parametrize("topic", ["a", "/", "a//b", "#", "+", "a/#", "+/b/#", "$share/watchers/a/+/b", "$SYS/x", "é"])
def test_a_filter_of_the_specification_is_taken(topic: str) -> None:
    """Levels may be empty, and a shared subscription is a filter with a group before it."""
    assert objection(topic) == ""


@pytest.mark.parametrize(
    "topic", ["", "a#", "a/#/b", "a+/b", "+a", "a\0", "a" * 65536, "$share/", "$share/g", "$share/g/", "$share/+/a"]
)
def test_a_filter_that_a_broker_would_hang_up_for_is_refused(topic: str) -> None:
    """It would be sent again at every connection."""
    assert objection(topic)


def test_a_source_is_named_after_its_dialect() -> None:
    """Unless it has a name; the session is named after it."""
    assert MqttSource(read()).name == "distribution"
    assert MqttSource(read(name="edge")).name == "edge"
