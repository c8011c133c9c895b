"""What the configuration of an MQTT publisher may say."""

from typing import Any

import msgspec
import pytest

from watcher.publishing.mqtt_settings import MqttPublisherSettings


def read(**given: Any) -> MqttPublisherSettings:
    return msgspec.convert({"type": "mqtt", "host": "broker", **given}, MqttPublisherSettings)


def test_a_host_is_enough() -> None:
    """TLS is spoken, and topics begin with `watcher`."""
    settings = read()
    assert (settings.name, settings.topic_prefix, settings.address.connected_port) == ("mqtt", "watcher", 8883)


@pytest.mark.parametrize(
    ("given", "objected"),
    [
        ({"host": "mqtts://broker"}, "scheme"),
        ({"password": "env:PASSWORD"}, "username"),
        ({"topic_prefix": ""}, "empty level"),
        ({"topic_prefix": "/ci"}, "empty level"),
        ({"topic_prefix": "ci/+"}, "holds a"),
        ({"topic_prefix": "ci/#"}, "holds a"),
        ({"topic_prefix": "ci\0"}, "printed"),
        ({"topic_prefix": "c" * 65000}, "too long"),
        ({"topic_prefix": "$SYS/ci"}, "broker's own"),
        ({"expiry": "500ms"}, "whole seconds"),
        ({"expiry": "60000d"}, "at most"),
        ({"expiry": "1h", "version": "3.1.1"}, "version 5"),
        ({"when": "changed"}, "when"),
    ],
)
def test_what_cannot_be_meant_is_said_at_the_start(given: dict[str, Any], objected: str) -> None:
    """With the name of the field, or the value."""
    with pytest.raises(msgspec.ValidationError, match=objected):
        read(**given)
