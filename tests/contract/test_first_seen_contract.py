"""What every FirstSeen keeps to (watcher/advisories/protocol.py)."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.doubles.databases import open_database
from watcher.advisories.protocol import FirstSeen
from watcher.storage import owned
from watcher.store.first_seen import StoredFirstSeen
from watcher.store.settings import StoreSettings

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
async def seen(tmp_path: Path) -> AsyncIterator[FirstSeen]:
    async with owned(StoreSettings(url=f"sqlite:///{tmp_path}/watcher.db")) as storage:
        yield storage.first_seen


async def test_what_is_new_is_seen_now(seen: FirstSeen) -> None:
    assert await seen.first_seen(["a", "b"], now=NOW) == {"a": NOW, "b": NOW}


async def test_what_is_known_keeps_its_time(seen: FirstSeen) -> None:
    """However often it is asked for, and whatever new is asked for with it."""
    await seen.first_seen(["a"], now=NOW)
    later = NOW + timedelta(days=3)
    assert await seen.first_seen(["a", "b"], now=later) == {"a": NOW, "b": later}
    assert await seen.first_seen(["b"], now=NOW) == {"b": later}


async def test_nothing_is_asked_for(seen: FirstSeen) -> None:
    assert await seen.first_seen([], now=NOW) == {}


async def test_ten_thousand_at_a_time(seen: FirstSeen) -> None:
    """An old image with a kernel has so many."""
    keys = [f"CVE-2026-{number} deb/linux" for number in range(10_000)]
    assert len(await seen.first_seen(keys, now=NOW)) == 10_000
    assert set((await seen.first_seen(keys, now=NOW + timedelta(days=1))).values()) == {NOW}


async def test_it_is_known_to_who_comes_later(tmp_path: Path) -> None:
    """And when more are asked for than are remembered: what counts is on disk."""
    async with open_database(tmp_path / "watcher.db") as database:
        few, other = StoredFirstSeen(database, limit=3), StoredFirstSeen(database)
        keys = ["a", "b", "c", "d", "e"]
        later = NOW + timedelta(days=1)
        assert await few.first_seen(keys, now=NOW) == dict.fromkeys(keys, NOW)
        assert await other.first_seen([*keys, "f"], now=later) == {**dict.fromkeys(keys, NOW), "f": later}
        assert await few.first_seen(["f", *keys], now=NOW) == {**dict.fromkeys(keys, NOW), "f": later}
