"""What is true of every place where facts of layers are kept, for a command or for ever."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.databases import open_database
from tests.doubles.inventories import BOTTOM, TOP, layer_facts
from watcher.inspection.cache import MemoryLayerCache
from watcher.inspection.protocol import LayerCache
from watcher.model.inventory import FileTable
from watcher.model.slices import ROWS
from watcher.store.facts import LayerStore


@asynccontextmanager
async def _stored(folder: Path) -> AsyncIterator[LayerCache]:
    async with open_database(folder / "w.db") as database:
        yield LayerStore(database)


@asynccontextmanager
async def _memory(_: Path) -> AsyncIterator[LayerCache]:
    yield MemoryLayerCache()


CACHES: Mapping[type, Callable[[Path], AbstractAsyncContextManager[LayerCache]]] = {
    LayerStore: _stored,
    MemoryLayerCache: _memory,
}


@pytest.fixture(params=CACHES)
async def cache(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[LayerCache]:
    async with CACHES[request.param](tmp_path) as opened:
        assert type(opened) is request.param
        yield opened


async def test_layer_facts_come_back_equal(cache: LayerCache) -> None:
    """What was kept of a layer is given again, value for value, until other makers' facts take its place."""
    await cache.keep_layer(layer_facts())
    await cache.keep_layer(layer_facts(plain_bytes=999))
    assert await cache.layer(BOTTOM) == layer_facts()
    assert await cache.layer(TOP) is None
    newer = layer_facts(makers=("deb/2", "reader/1"), files=FileTable(), secrets=(), problems=())
    await cache.keep_layer(newer)
    assert await cache.layer(BOTTOM) == newer


async def test_keeping_one_layer_from_two_jobs_at_once_is_harmless(cache: LayerCache) -> None:
    """Two jobs that meet the same layer both keep it."""
    await asyncio.gather(*(cache.keep_layer(layer_facts()) for _ in range(5)))
    assert await cache.layer(BOTTOM) == layer_facts()


async def test_a_layer_of_many_files_comes_back_equal(cache: LayerCache) -> None:
    """More than are packed at a time."""
    count = 2 * ROWS + 7
    numbers = list(range(count))
    columns: Any = dict.fromkeys(("mode", "uid", "gid", "size"), numbers)
    content = {number: f"text of {number}" for number in (0, ROWS - 1, ROWS, count - 1)}
    files = FileTable(
        path=[f"f{number}" for number in numbers],
        kind=["f"] * count,
        link=[""] * count,
        content=content,
        capabilities=content,
        **columns,
    )
    facts = layer_facts(files=files)
    await cache.keep_layer(facts)
    assert await cache.layer(BOTTOM) == facts
