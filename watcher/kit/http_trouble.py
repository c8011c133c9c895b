"""What went wrong with a request over HTTP, for people: one sentence for each, whichever library made the request."""

import errno
import http.client
import os
import socket
import ssl
from collections.abc import Iterator

import aiohttp

# OpenSSL's X509_V_ERR_…: not yet valid, expired; nobody known vouches for it; for another host or address.
NOT_YET_VALID = 9
EXPIRED = 10
UNKNOWN_ISSUER = frozenset({2, 18, 19, 20, 21})
ANOTHER_NAME = frozenset({62, 64})
# What OpenSSL makes of an answer in plain text, by version.
_PLAIN = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG"})
# How an alert of TLS begins, which is the whole answer to a request in plain text.
_ALERT = ("\x15\x03", "\\x15\\x03")
# What servers say to a request in plain text at their port of TLS: Go's, nginx', Apache's, HAProxy's and Envoy's say nothing.
_ASKED_IN_PLAIN = (b"HTTP request to an HTTPS server", b"sent to HTTPS port", b"SSL-enabled server port", b"requires TLS")

SPEAKS_TLS = "this address speaks TLS, and was asked in plain HTTP"
UNKNOWN = "its certificate is not trusted: nobody whom we trust has signed it"
SPEAKS_PLAIN = "this address speaks plain HTTP, and was asked in TLS"


class ProxyError(aiohttp.ClientError):
    """The proxy's own doing, and nobody's behind it; the text is a clause that names it."""


def asked_in_plain(status: int, body: bytes) -> bool:
    """Whether an answer says that we should have asked in TLS."""
    return status in {400, 426, 497} and any(each in body for each in _ASKED_IN_PLAIN)


def clause(error: BaseException, *, timeout_seconds: float | None = None) -> str:
    """What `error` says of whom was asked, as the rest of a sentence: of aiohttp, http.client, ssl or the system.

    Nothing in it is from an answer but what was looked for there, nor anything that was sent.
    """
    said = _said(error, timeout_seconds)
    notes = getattr(error, "__notes__", [])
    return f"{said}, {notes[0]}" if notes else said


def _said(error: BaseException, timeout_seconds: float | None) -> str:
    inner = next((each for each in _chain(error) if isinstance(each, ssl.SSLError | socket.gaierror)), error)
    if isinstance(inner, OSError) and inner is not error:
        return _of_system(inner)
    match error:
        case ProxyError():
            return str(error)
        case aiohttp.ConnectionTimeoutError():
            return "no connection in time: nobody answers, or a firewall drops the packets"
        case TimeoutError(errno=None):
            return "no answer in time" if timeout_seconds is None else f"no answer within {timeout_seconds:g} s"
        case aiohttp.ServerDisconnectedError() | http.client.RemoteDisconnected():
            return "the connection was closed without an answer"
        case aiohttp.ClientPayloadError() | http.client.IncompleteRead():
            return "the answer broke off"
        case aiohttp.ClientResponseError() | http.client.BadStatusLine() | http.client.HTTPException():
            text = f"{getattr(error, 'message', '')} {getattr(error, 'line', '')}"
            if "Transfer-Encoding" in text and "Content-Length" in text:
                return "it gives its answer a length and sends it in chunks: what is in between should drop Content-Length"
            return SPEAKS_TLS if any(each in text for each in _ALERT) else "what it answers is not HTTP"
        case aiohttp.ClientConnectorError():
            return _of_system(error.os_error)
        case OSError():
            return _of_system(error)
    return f"connection failed ({type(error).__name__})"


def _of_system(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return certificate(error)
    if isinstance(error, ssl.SSLError):
        reason = getattr(error, "reason", None) or ""
        if reason in _PLAIN:
            return SPEAKS_PLAIN
        if "ALERT" in reason:
            return f"it refuses us in TLS ({reason}); it may want a certificate of ours"
        return f"it does not answer in TLS ({reason or 'cut off'})"
    if isinstance(error, socket.gaierror):
        return f"the name cannot be resolved ({error.strerror})"
    if isinstance(error, TimeoutError) and error.errno is None:
        return "no answer in time"
    if error.errno == errno.ECONNRESET:
        return "the connection was reset"
    # asyncio's own text names the address.
    return os.strerror(error.errno) if error.errno else f"connection failed ({type(error).__name__})"


def certificate(error: ssl.SSLCertVerificationError) -> str:
    """Why a certificate does not hold."""
    if error.verify_code == EXPIRED:
        return "its certificate is not trusted: it has expired"
    if error.verify_code == NOT_YET_VALID:
        return "its certificate is not trusted: it is not valid yet, or our clock is wrong"
    if error.verify_code in UNKNOWN_ISSUER:
        return UNKNOWN
    if error.verify_code in ANOTHER_NAME:
        return "its certificate is not trusted: it is for another name"
    return f"its certificate is not trusted: {error.verify_message}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and what it came from."""
    while error is not None:
        yield error
        inner = getattr(error, "os_error", None) or getattr(error, "certificate_error", None)
        error = inner if isinstance(inner, BaseException) and inner is not error else error.__cause__
