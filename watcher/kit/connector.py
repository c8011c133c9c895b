"""Connections that believe whom this process believes."""

import os
import ssl
from functools import lru_cache

import aiohttp


def trusting() -> aiohttp.TCPConnector:
    """For one session. aiohttp's own has read the authorities when it was imported, which is before a configuration is read."""
    return aiohttp.TCPConnector(ssl=believing(alpn=("http/1.1",)))


def believing(alpn: tuple[str, ...] = ()) -> ssl.SSLContext:
    """Believes the authorities of the system, and `ca_file` of the configuration. Shared by all who change nothing of it.

    Some hundred certificates are read for one, which takes as long as it takes to load ten of our modules.
    """
    return _believing(alpn, os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@lru_cache(maxsize=8)
def _believing(alpn: tuple[str, ...], _file: str | None, _folder: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if alpn:
        context.set_alpn_protocols(alpn)
    return context
