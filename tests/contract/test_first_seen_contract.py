"""What every FirstSeen keeps to (watcher/advisories/protocol.py)."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from watcher.advisories.protocol import FirstSeen
from watcher.storage import owned
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
