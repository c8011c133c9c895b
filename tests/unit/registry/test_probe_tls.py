"""What a checkup says of certificates: the registry's, and ours."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.doubles.certificates import Authority
from tests.doubles.checkups import image, look
from watcher.testing.registry import MemoryRegistry, serve_registry

pytestmark = pytest.mark.enable_socket


@asynccontextmanager
async def over_tls(context: ssl.SSLContext) -> AsyncIterator[MemoryRegistry]:
    async with serve_registry(tls=context) as registry:
        image(registry)
        yield registry


async def test_a_certificate_of_a_stranger(tmp_path: Path) -> None:
    """Who issued it is named, and where to write that; with that it is trusted, until it ends."""
    authority = Authority(tmp_path, "corporate")
    async with over_tls(authority.server_context()) as registry:
        asked = await look(registry)
        assert asked.result("connect") == "failed"
        assert "issued by CN=corporate" in asked.steps["connect"].detail
        assert "ca_file" in asked.steps["connect"].advice
        asked = await look(registry, ca_file=str(authority.path))
        assert asked.result("connect") == "warning"  # the test's certificates are good for a day
        assert "certificate until" in asked.steps["connect"].detail
        assert asked.result("push") == "ok"
        other = Authority(tmp_path / "other", "other")
        asked = await look(registry, ca_file=str(other.path))
        assert f"{other.path} (ca_file) does not hold" in asked.steps["connect"].advice
        asked = await look(registry, ca_file=str(tmp_path / "none.pem"))
        assert asked.result("settings") == "failed"
        assert list(asked.steps) == ["settings"]


async def test_a_certificate_for_another_name(tmp_path: Path) -> None:
    """The name that was asked for is not among its names."""
    authority = Authority(tmp_path, address="192.0.2.1")
    async with over_tls(authority.server_context()) as registry:
        asked = await look(registry, ca_file=str(authority.path))
        assert asked.result("connect") == "failed"
        assert "a name that the certificate is for" in asked.steps["connect"].advice


async def test_a_registry_that_asks_for_a_certificate(tmp_path: Path) -> None:
    """Where ours is to be written is told, and one that it does not trust."""
    authority, stranger = Authority(tmp_path / "a"), Authority(tmp_path / "b")
    async with over_tls(authority.server_context(asks=True)) as registry:
        asked = await look(registry, ca_file=str(authority.path))
        assert asked.result("connect") == "failed"
        assert "client_cert" in asked.steps["connect"].advice
        for issuer, result in ((authority, "warning"), (stranger, "failed")):
            cert, key = map(str, issuer.issue("watcher"))
            asked = await look(registry, ca_file=str(authority.path), client_cert={"cert": cert, "key": key})
            assert asked.result("connect") == result
        assert "of an authority that it trusts" in asked.steps["connect"].advice
