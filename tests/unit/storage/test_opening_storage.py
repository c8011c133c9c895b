from pathlib import Path

import pytest

from tests.doubles.databases import open_database
from watcher.backlog.protocol import Arrival, Lane
from watcher.backlog.sqlite import SqliteBacklog
from watcher.kit.clock import utc_now
from watcher.model.digest import Digest
from watcher.model.errors import ConfigurationError, RetryableError
from watcher.model.push import Push, Pushed
from watcher.model.reference import Host, RepositoryName
from watcher.storage import opened, owned
from watcher.store.settings import StoreSettings

PUSH = Push(registry=Host("r.example.com"), repository=RepositoryName("app"), digest=Digest("sha256:" + "a" * 64))


@pytest.fixture
def settings(tmp_path: Path) -> StoreSettings:
    return StoreSettings(url=f"sqlite:///{tmp_path}/watcher.db")


def arrival() -> Arrival:
    return Arrival(source="main", decision=Pushed(push=PUSH), delivery_key="1", received_at=utc_now())


async def test_what_a_dead_daemon_had_begun_waits_again(settings: StoreSettings) -> None:
    """Its leases are nobody's any more, so they are given back at once and not when they run out."""
    async with open_database(settings.sqlite_path()) as database:  # which knows of no orderly end
        backlog = SqliteBacklog(database, utc_now)
        await backlog.put([arrival()])
        assert len(await backlog.lease([Lane.PUSH], 1)) == 1
    async with owned(settings) as storage:
        (job,) = await storage.backlog.lease([Lane.PUSH], 1)
        assert job.attempt == 2


async def test_the_salt_is_made_once(settings: StoreSettings) -> None:
    """Fingerprints can be compared as long as the store is kept."""
    async with owned(settings) as storage:
        salt = await storage.salt()
    async with owned(settings) as storage:
        assert await storage.salt() == salt
    assert len(salt) == 32


async def test_there_is_one_daemon(settings: StoreSettings) -> None:
    """The second is told who is there; commands beside it are welcome."""
    async with owned(settings) as storage:
        await storage.backlog.put([arrival()])
        with pytest.raises(ConfigurationError, match="in use by another watcher"):
            async with owned(settings):
                raise AssertionError
        async with opened(settings) as beside:
            assert len(await beside.jobs.events()) == 1


async def test_beside_the_daemon_nothing_is_written_unless_asked_for(settings: StoreSettings) -> None:
    """A command that lists can do no harm; one that replays says so when it opens the store."""
    async with owned(settings) as storage:
        await storage.backlog.put([arrival()])
        async with opened(settings) as reader:
            with pytest.raises(RetryableError):
                await reader.backlog.put([arrival()])
        async with opened(settings, read_only=False) as writer:
            assert (await writer.backlog.put([arrival()]))[0].reason == "delivery"


async def test_a_store_that_is_not_there_is_not_made_by_looking(settings: StoreSettings) -> None:
    """`watcher run` makes it."""
    with pytest.raises(ConfigurationError, match="does not exist"):
        async with opened(settings):
            raise AssertionError
    assert not settings.sqlite_path().exists()
