"""What went wrong with a connection, for people."""

from typing import Any

from watcher.kit.mqtt_trouble import is_handshake, says_not_now, sentence
from watcher.sources.protocol import SourceError


class BrokerUnavailableError(SourceError):
    """The broker cannot be reached, or is gone."""

    reason = "broker-unavailable"


class BrokerTlsError(BrokerUnavailableError):
    """One of us does not trust the other's certificate, or there is no TLS at that port."""

    reason = "broker-tls"
    for_a_person = True


class BrokerRefusedError(SourceError):
    """The broker answers that it does not want us. A person may change that at the broker, so it is tried again."""

    reason = "broker-refused"
    for_a_person = True


class TopicRefusedError(SourceError):
    """The broker takes us, and will not send us what is published on a topic."""

    reason = "subscription-refused"
    for_a_person = True


def refused(where: str, code: Any) -> SourceError:
    """What a CONNACK's reason code means for us; `code` is paho's."""
    kind = BrokerUnavailableError if says_not_now(code) else BrokerRefusedError
    return kind(f"{where} refuses us: {code}")


def unavailable(error: Exception, *, where: str, complaint: str, timeout_seconds: float) -> BrokerUnavailableError:
    """No connection, or no more; what to say of it is in `sentence`."""
    kind = BrokerTlsError if is_handshake(error) else BrokerUnavailableError
    return kind(sentence(error, where=where, complaint=complaint, timeout_seconds=timeout_seconds))
