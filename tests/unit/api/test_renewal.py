"""A certificate that is renewed while the server runs."""

import asyncio
import ssl
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.doubles.certificates import Authority
from watcher.api.app import tls_context
from watcher.api.renewal import keep_current
from watcher.api.settings import ServerSettings, TlsSettings

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
    renewal = asyncio.create_task(keep_current(context, settings.tls, lambda: tls_context(settings), look_seconds=0.01))
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
        renewal.cancel()
