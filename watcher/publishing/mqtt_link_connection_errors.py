"""What may be wrong with a broker, or with a message that it does not take.

What a person may change at the broker passes, however long it lasts: it is no fault of the verdict.
"""

from typing import Any

from watcher.kit.mqtt_trouble import is_handshake, says_not_now, sentence
from watcher.model.errors import PermanentError, RetryableError

# Reason codes of a PUBACK: topic name and payload format invalid; quota exceeded. Spec: MQTT 5.0 section 3.4.2.1.
WRONG = frozenset({0x90, 0x99})
FULL = 0x97


class BrokerUnavailableError(RetryableError):
    """The broker cannot be reached, is gone, or has no room."""

    reason = "broker-unavailable"


class BrokerTlsError(BrokerUnavailableError):
    """One of us does not trust the other's certificate, or there is no TLS at that port."""

    reason = "broker-tls"


class BrokerRefusedError(RetryableError):
    """The broker answers that it does not want us, or does not do what we need."""

    reason = "broker-refused"


class TopicRefusedError(RetryableError):
    """The broker takes us, and not what we publish on a topic."""

    reason = "topic-refused"


class MessageTooLargeError(PermanentError):
    """The broker does not take even a verdict without any finding."""

    reason = "message-too-large"


class MessageRefusedError(PermanentError):
    """The broker finds the message itself wrong."""

    reason = "message-refused"


def connection_refused(where: str, code: Any) -> RetryableError:
    """What a CONNACK's reason code means for us; `code` is paho's."""
    kind = BrokerUnavailableError if says_not_now(code) else BrokerRefusedError
    return kind(f"{where} refuses us: {code}")


def message_refused(where: str, topic: str, code: Any) -> RetryableError | PermanentError:
    """What a PUBACK's reason code means, which is a failure; `code` is paho's."""
    text = f"{where} does not take {topic:.300}: {code}"
    kinds: dict[int, type[RetryableError | PermanentError]]
    kinds = {FULL: BrokerUnavailableError, **dict.fromkeys(WRONG, MessageRefusedError)}
    return kinds.get(code.value, TopicRefusedError)(text)


def unavailable(error: Exception, *, where: str, complaint: str, timeout_seconds: float) -> BrokerUnavailableError:
    """No connection, or no more."""
    kind = BrokerTlsError if is_handshake(error) else BrokerUnavailableError
    return kind(sentence(error, where=where, complaint=complaint, timeout_seconds=timeout_seconds))
