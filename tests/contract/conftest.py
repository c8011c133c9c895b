"""What the suites of the store have in common; those of other Protocols have a `bench` of their own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.doubles.store_bench import StoreBench, store_bench


@pytest.fixture(params=["sqlite"])
async def bench(tmp_path: Path) -> AsyncIterator[StoreBench]:
    async with store_bench(tmp_path / "watcher.db") as opened:
        yield opened
