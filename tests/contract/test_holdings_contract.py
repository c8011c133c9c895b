"""What is true of whoever remembers what registries were seen to hold, whatever keeps it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.databases import open_database
from tests.doubles.hand_clock import HandClock
from tests.doubles.holdings import MemoryHoldings
from watcher.model.digest import Digest
from watcher.model.holding import Holding, LastLook, LastPass, Look
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.sources.context import Holdings
from watcher.store.holdings import StoredHoldings

HOST, OTHER = Host("registry.example.com"), Host("other.example.com")
APP, WEB = RepositoryName("team/app"), RepositoryName("team/web")
ONE, TWO = (Digest(f"sha256:{digit * 64}") for digit in "12")
NOW = HandClock()()
LATER = NOW + timedelta(hours=1)


@asynccontextmanager
async def stored(folder: Path) -> AsyncIterator[Holdings]:
    async with open_database(folder / "watcher.db") as database:
        yield StoredHoldings(database)


@asynccontextmanager
async def in_memory(_folder: Path) -> AsyncIterator[Holdings]:
    yield MemoryHoldings()


KEPT: dict[str, tuple[type, Callable[[Path], AbstractAsyncContextManager[Holdings]]]] = {
    "sqlite": (StoredHoldings, stored),
    "memory": (MemoryHoldings, in_memory),
}


@pytest.fixture(params=KEPT)
async def holdings(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Holdings]:
    async with KEPT[request.param][1](tmp_path) as opened:
        yield opened


def a_look(**changes: Any) -> Look:
    return Look(**{"registry": HOST, "repository": APP, "by": "catch-up", "at": NOW, **changes})


async def test_what_came_is_held_until_it_went(holdings: Holdings) -> None:
    """By every name; the same again changes nothing, and no other repository is concerned."""
    tagged, moved, bare = Holding(digest=ONE, tag=Tag("v1")), Holding(digest=TWO, tag=Tag("v1")), Holding(digest=ONE)
    assert await holdings.held(HOST, APP) == frozenset()
    for _ in range(2):
        await holdings.looked(a_look(came=[tagged, bare]))
    await holdings.looked(a_look(repository=WEB, came=[bare]))
    assert await holdings.held(HOST, APP) == {tagged, bare}
    await holdings.looked(a_look(came=[moved], went=[tagged], at=LATER))
    assert await holdings.held(HOST, APP) == {moved, bare}
    assert await holdings.held(HOST, WEB) == {bare}
    assert await holdings.held(OTHER, APP) == frozenset()
    assert await holdings.looks(HOST) == {
        APP: LastLook(by="catch-up", at=LATER),
        WEB: LastLook(by="catch-up", at=NOW),
    }


async def test_a_repository_that_holds_nothing_is_forgotten(holdings: Holdings) -> None:
    """Unless it may hold something, only that it could not be read."""
    bare = Holding(digest=ONE)
    await holdings.looked(a_look(problem="answered 403"))
    assert await holdings.looks(HOST) == {APP: LastLook(by="catch-up", at=NOW, problem="answered 403")}
    await holdings.looked(a_look(came=[bare], by="command catch-up"))
    await holdings.looked(a_look(went=[bare], at=LATER))
    assert await holdings.looks(HOST) == {}


async def test_what_nobody_looks_at_any_more_is_forgotten(holdings: Holdings) -> None:
    """Repositories of a registry, and whole registries."""
    for registry, repository in ((HOST, APP), (HOST, WEB), (OTHER, APP)):
        await holdings.looked(a_look(registry=registry, repository=repository, came=[Holding(digest=ONE)]))
    await holdings.forget(HOST, [APP, RepositoryName("never/seen")])
    assert ([*await holdings.looks(HOST)], await holdings.held(HOST, APP)) == ([WEB], frozenset())
    await holdings.keep([OTHER])
    assert (await holdings.looks(HOST), await holdings.held(HOST, WEB)) == ({}, frozenset())
    assert [*await holdings.looks(OTHER)] == [APP]
    await holdings.begin("catch-up", OTHER, "a", NOW)
    await holdings.end("catch-up", NOW)
    await holdings.keep([])
    assert (await holdings.looks(OTHER), await holdings.passes()) == ({}, [])


async def test_a_pass_is_under_way_until_it_ended(holdings: Holdings) -> None:
    """Each sweep has its own, and another scope is another."""
    assert await holdings.begun("catch-up", "a") is None
    await holdings.begin("catch-up", HOST, "a", NOW)
    assert (await holdings.begun("catch-up", "a"), await holdings.ended("catch-up", "a")) == (NOW, None)
    assert (await holdings.begun("catch-up", "b"), await holdings.begun("other", "a")) == (None, None)
    assert await holdings.passes() == []
    await holdings.end("catch-up", LATER, ["one", "two"])
    assert await holdings.passes() == [LastPass(registry=HOST, at=LATER, problems="one\ntwo")]
    assert (await holdings.begun("catch-up", "a"), await holdings.ended("catch-up", "a")) == (None, LATER)
    await holdings.begin("catch-up", HOST, "a", LATER)
    assert (await holdings.begun("catch-up", "a"), await holdings.ended("catch-up", "a")) == (LATER, LATER)
    await holdings.begin("catch-up", HOST, "b", LATER)
    assert (await holdings.begun("catch-up", "a"), await holdings.ended("catch-up", "b")) == (None, None)
