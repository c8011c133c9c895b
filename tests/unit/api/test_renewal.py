"""A certificate that is renewed while the server runs."""

import asyncio
import math
import ssl
from pathlib import Path

import pytest
from cryptography.x509 import load_der_x509_certificate, load_pem_x509_certificate
from structlog.testing import capture_logs

from tests.doubles.api import running_api
from tests.doubles.certificates import Authority
from watcher.api.app import tls_context
from watcher.api.renewal import ends_at, keep_current
from watcher.api.settings import ServerSettings, TlsSettings
from watcher.model.errors import ConfigurationError

pytestmark = pytest.mark.enable_socket


async def shown(port: int) -> bytes:
    """The certificate that a new connection is shown."""
    blind = ssl.create_default_context()
    blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=blind)
    der: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return der


def put(source: tuple[Path, Path], cert: Path, key: Path) -> bytes:
    """Take the place of the files at once, as whoever renews them does; the certificate in DER."""
    for given, place in zip(source, (cert, key), strict=True):
        beside = place.with_suffix(".new")
        beside.write_bytes(given.read_bytes())
        beside.replace(place)
    return ssl.PEM_cert_to_DER_cert(cert.read_text())


async def test_a_new_certificate_is_shown_and_a_broken_one_is_not(tmp_path: Path) -> None:
    """Without a restart; one that is none is said, and the one before it stays."""
    authority = Authority(tmp_path / "authority")
    cert, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    first = put(authority.issue("first"), cert, key)
    settings = ServerSettings(port=0, tls=TlsSettings(cert=str(cert), key=str(key)))
    context = tls_context(settings)
    assert context is not None
    assert settings.tls is not None
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    told: list[float] = []
    keeping = keep_current(context, settings.tls, lambda: tls_context(settings), told.append, look_seconds=0.01)
    renewal = asyncio.create_task(keeping)
    async with asyncio.timeout(30), server:
        assert await shown(port) == first
        second = put(authority.issue("second"), cert, key)
        while await shown(port) != second:
            await asyncio.sleep(0.01)
        with capture_logs() as lines:
            cert.write_text("no certificate")
            while not any(line["event"] == "certificate.refused" for line in lines):
                await asyncio.sleep(0.01)
        assert await shown(port) == second
        third = put(authority.issue("third"), cert, key)
        while await shown(port) != third:
            await asyncio.sleep(0.01)
        assert told == [load_der_x509_certificate(each).not_valid_after_utc.timestamp() for each in (first, second, third)]
        renewal.cancel()


async def test_one_that_can_be_read_later_is_taken_then(tmp_path: Path) -> None:
    """Whatever kept it from being read, and whether or not that changes the files: it is said once, and tried until it can be."""
    authority = Authority(tmp_path / "authority")
    cert, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    put(authority.issue("first"), cert, key)
    settings = ServerSettings(port=0, tls=TlsSettings(cert=str(cert), key=str(key)))
    context, refusals = tls_context(settings), 0
    assert context is not None
    assert settings.tls is not None

    def tried() -> None:
        nonlocal refusals
        if refusals < 5:
            refusals += 1
            raise ConfigurationError("cannot be read: Permission denied")

    told: list[float] = []
    renewal = asyncio.create_task(keep_current(context, settings.tls, tried, told.append, look_seconds=0.01))
    with capture_logs() as lines:
        while not told:
            await asyncio.sleep(0)
        put(authority.issue("second"), cert, key)
        async with asyncio.timeout(30):
            while len(told) < 2:
                await asyncio.sleep(0.01)
    renewal.cancel()
    assert [line["event"] for line in lines if line["event"].startswith("certificate.")] == [
        "certificate.refused",
        "certificate.renewed",
    ]


async def test_a_file_that_is_given_to_somebody_else_is_another(tmp_path: Path) -> None:
    """Its owner and its mode are what may have made it readable."""
    cert, key = Authority(tmp_path).issue("one")
    settings = ServerSettings(port=0, tls=TlsSettings(cert=str(cert), key=str(key)))
    context = tls_context(settings)
    assert context is not None
    assert settings.tls is not None
    told: list[float] = []
    renewal = asyncio.create_task(keep_current(context, settings.tls, lambda: None, told.append, look_seconds=0.01))
    async with asyncio.timeout(30):
        while not told:
            await asyncio.sleep(0)
        while len(told) < 2:
            key.chmod(0o640)
            await asyncio.sleep(0.01)
    renewal.cancel()


def test_of_what_is_no_certificate_nobody_knows_when_it_ends(tmp_path: Path) -> None:
    """Which is no moment that an alert would take for soon."""
    (tmp_path / "none.pem").write_text("none")
    assert [math.isnan(ends_at(str(tmp_path / name))) for name in ("none.pem", "missing.pem")] == [True, True]


@pytest.mark.parametrize("with_tls", [True, False])
async def test_its_end_is_a_metric_where_there_is_one(tmp_path: Path, with_tls: bool) -> None:
    """The moment of the certificate that is shown; nothing over plain HTTP."""
    cert, key = Authority(tmp_path).issue("one")
    settings = ServerSettings(port=0, tls=TlsSettings(cert=str(cert), key=str(key)) if with_tls else None)
    async with running_api(tmp_path, settings=settings) as api:
        await asyncio.sleep(0)
        shows = api.metrics.registry.get_sample_value("watcher_server_certificate_expires_timestamp_seconds")
    ends = load_pem_x509_certificate(cert.read_bytes()).not_valid_after_utc.timestamp()
    assert shows == (ends if with_tls else None)
