"""Sentences for what goes wrong with HTTP."""

import errno
import http.client
import socket
import ssl

import aiohttp
import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from watcher.kit.http_trouble import SPEAKS_PLAIN, SPEAKS_TLS, asked_in_plain, clause


def certificate(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] …")
    error.verify_code, error.verify_message = code, "what OpenSSL says"
    return error


def handshake(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, "…")
    error.reason = reason
    return error


def from_inside(inner: Exception) -> aiohttp.ClientError:
    """As an adapter sees it that has only the outer one."""
    error = aiohttp.ClientError("outer, with http://u:s3cret@proxy.test in it")
    error.__cause__ = inner
    return error


def refused(message: str) -> aiohttp.ClientResponseError:
    """What aiohttp's parser has to say."""
    asked = aiohttp.RequestInfo(
        URL("http://registry.test/v2/"), "GET", CIMultiDictProxy(CIMultiDict()), URL("http://registry.test/v2/")
    )
    return aiohttp.ClientResponseError(asked, (), status=400, message=message)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (certificate(10), "it has expired"),
        (certificate(9), "it is not valid yet, or our clock is wrong"),
        (certificate(20), "nobody whom we trust has signed it"),
        (certificate(18), "nobody whom we trust has signed it"),
        (certificate(62), "it is for another name"),
        (certificate(64), "it is for another name"),
        (certificate(23), "what OpenSSL says"),
        (from_inside(certificate(10)), "it has expired"),
        (handshake("WRONG_VERSION_NUMBER"), SPEAKS_PLAIN),
        (handshake("TLSV13_ALERT_CERTIFICATE_REQUIRED"), "refuses us in TLS (TLSV13_ALERT_CERTIFICATE_REQUIRED)"),
        (handshake("UNEXPECTED_EOF_WHILE_READING"), "does not answer in TLS (UNEXPECTED_EOF_WHILE_READING)"),
        (socket.gaierror(-2, "Name or service not known"), "the name cannot be resolved (Name or service not known)"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('10.0.0.1', 443)"), "Connection refused"),
        (ConnectionResetError(errno.ECONNRESET, "x"), "the connection was reset"),
        (ConnectionResetError("Cannot write to closing transport"), "connection failed (ConnectionResetError)"),
        (TimeoutError(), "no answer within 7 s"),
        (TimeoutError(errno.ETIMEDOUT, "x"), "Connection timed out"),
        (aiohttp.ConnectionTimeoutError("Connection timeout to host http://10.0.0.1"), "no connection in time"),
        (aiohttp.ServerDisconnectedError(), "closed without an answer"),
        (http.client.RemoteDisconnected("x"), "closed without an answer"),
        (http.client.IncompleteRead(b""), "broke off"),
        (aiohttp.ClientPayloadError(), "broke off"),
        (http.client.BadStatusLine("\x15\x03\x01\x00\x02\x02F"), SPEAKS_TLS),
        (http.client.BadStatusLine("SSH-2.0-OpenSSH_9.2 s3cret"), "not HTTP"),
        (refused("Transfer-Encoding can't be present with Content-Length"), "and sends it in chunks"),
        (refused("Bad status line 's3cret'"), "not HTTP"),
        (from_inside(ValueError("s3cret")), "connection failed (ClientError)"),
    ],
)
def test_each_in_its_own_words(error: Exception, said: str) -> None:
    """Of what a library says only what was looked for is repeated."""
    text = clause(error, timeout_seconds=7)
    assert said in text
    assert "s3cret" not in text
    assert "10.0.0.1" not in text


@pytest.mark.parametrize(
    ("status", "body", "is_that"),
    [
        (400, b"Client sent an HTTP request to an HTTPS server.\n", True),
        (400, b"<center>The plain HTTP request was sent to HTTPS port</center>", True),
        (400, b"Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />", True),
        (400, b'{"errors": [{"code": "NAME_INVALID"}]}', False),
        (403, b"Client sent an HTTP request to an HTTPS server.\n", False),
    ],
)
def test_who_should_have_been_asked_in_tls(status: int, body: bytes, is_that: bool) -> None:
    """Go, nginx and Apache say so, each in its own words."""
    assert asked_in_plain(status, body) is is_that
