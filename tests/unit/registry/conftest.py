"""A registry in memory, clients to it that do not really wait, and a pipe to pour blobs into."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from watcher.model.image import Descriptor
from watcher.registry.client import RegistryClient
from watcher.registry.protocol import ImageSource
from watcher.registry.settings import RegistrySettings
from watcher.testing.registry import MemoryRegistry, serve_registry

Connect = Callable[..., RegistryClient]
Drain = Callable[..., Awaitable[bytes]]


@pytest.fixture(autouse=True)
def docker_config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The machine's own docker configuration plays no part in any test."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "docker" / "config.json"


@pytest.fixture
async def registry() -> AsyncIterator[MemoryRegistry]:
    async with serve_registry() as running:
        yield running


@pytest.fixture
def waits() -> list[float]:
    """How long the clients of this test would have slept between attempts."""
    return []


@pytest.fixture
async def connect(waits: list[float]) -> AsyncIterator[Connect]:
    """`connect(registry, **settings)`: a client; closed at the end."""
    clients: list[RegistryClient] = []

    async def sleep(duration_seconds: float) -> None:
        waits.append(duration_seconds)

    def make(registry: MemoryRegistry, **settings: Any) -> RegistryClient:
        document = {"host": registry.host, "scheme": registry.url.partition(":")[0], **settings}
        client = RegistryClient(msgspec.convert(document, RegistrySettings), sleep=sleep)
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.close()


@pytest.fixture
def drain() -> Drain:
    """What `pour` wrote into the pipe, once it has returned; called with a source and a descriptor."""

    async def pour(images: ImageSource, descriptor: Descriptor, seconds: float = 10) -> bytes:
        reading, writing = os.pipe()
        received = bytearray()

        def read() -> None:
            while piece := os.read(reading, 1 << 16):
                received.extend(piece)

        reader = asyncio.get_running_loop().run_in_executor(None, read)
        try:
            await images.pour(descriptor, writing, timeout_seconds=seconds)
        finally:
            os.close(writing)
            await reader
            os.close(reading)
        return bytes(received)

    return pour
