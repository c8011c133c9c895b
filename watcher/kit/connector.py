"""Connections of aiohttp that believe whom this process believes."""

import ssl

import aiohttp


def trusting() -> aiohttp.TCPConnector:
    """For one session. aiohttp's own has read the authorities when it was imported, which is before a configuration is read."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return aiohttp.TCPConnector(ssl=context)
