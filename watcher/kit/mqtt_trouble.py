"""What went wrong with a connection to an MQTT broker, for people."""

import socket
import ssl
from collections.abc import Iterator
from typing import Any

# OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED, and the three that say that nobody known vouches for it.
NOT_YET_VALID = 9
EXPIRED = 10
UNKNOWN_ISSUER = (18, 19, 20)
# What OpenSSL says of a connection that simply ended.
CUT_OFF = frozenset({None, "UNEXPECTED_EOF_WHILE_READING"})
# Spec: MQTT 5.0 section 3.14.2.1.
UNSPECIFIED = 0x80
SESSION_TAKEN_OVER = 0x8E
# Of a CONNACK: server unavailable, server busy, quota exceeded, connection rate exceeded. Spec: MQTT 5.0 section 3.2.2.2; paho
# gives those of 3.1.1 the same numbers.
NOT_NOW = frozenset({0x88, 0x89, 0x97, 0x9F})


def is_handshake(error: Exception) -> bool:
    """Whether TLS is why there is no connection, and not a network that ended it."""
    return any(isinstance(each, ssl.SSLError) and getattr(each, "reason", None) not in CUT_OFF for each in _chain(error))


def says_not_now(code: Any) -> bool:
    """Whether a CONNACK's reason code, `code` of paho's, is one that passes."""
    return getattr(code, "value", code) in NOT_NOW


def reason_codes(error: Exception) -> frozenset[int]:
    """What the broker, or paho in its place, gave as the reason for the end of a connection."""
    codes = (getattr(each, "rc", None) for each in _chain(error))
    return frozenset(getattr(code, "value", code) for code in codes if code is not None)


def sentence(error: Exception, *, where: str, complaint: str, timeout_seconds: float) -> str:
    """Say what `error` is about the broker at `where`. `complaint` is what paho logged last; it explains a connection that died.

    aiomqtt raises its own error in place of the one that tells more, which is then its cause or its context.
    """
    chain = tuple(_chain(error))
    for each in (*(each for each in chain if isinstance(each, ssl.SSLError)), *chain):
        match each:
            case ssl.SSLError():
                return f"{where} {_handshake(each)}"
            case socket.gaierror():
                return f"{where} is not found: {each.strerror}"
            case TimeoutError():
                return f"{where} did not answer within {timeout_seconds:g} s{_because(complaint)}"
            case OSError():
                return f"{where} cannot be reached: {each.strerror or each}"
        # A code of the broker's; paho's own are numbers, or the one that stands for them all.
        value = getattr(getattr(each, "rc", None), "value", UNSPECIFIED)
        if value == SESSION_TAKEN_OVER:
            return f"{where} gave our session to another client with the same `client_id`"
        if value != UNSPECIFIED:
            return f"{where} closed the connection: {each.rc}"  # type: ignore[attr-defined]  # it has one, see above
    # Most brokers do not say that they gave the session to somebody else.
    return f"{where} closed the connection{_because(complaint) or ', or another client has the same `client_id`'}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The innermost first."""
    if error is not None:
        yield from _chain(error.__cause__ or error.__context__)
        yield error


def _handshake(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code == EXPIRED:
            return "has a certificate that has expired"
        if error.verify_code == NOT_YET_VALID:
            return "has a certificate that is not valid yet, or our clock is wrong"
        if error.verify_code in UNKNOWN_ISSUER:
            return "has a certificate that nobody we trust has signed; `ca_file` names its authority"
        return f"has a certificate that is not its own: {error.verify_message}"
    return f"does not answer in TLS ({getattr(error, 'reason', None) or 'cut off'}); without TLS, write `tls: false`"


def _because(complaint: str) -> str:
    return f": {complaint:.200}" if complaint else ""
