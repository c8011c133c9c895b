"""What is true of whoever knows the images that others may be built on."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.doubles.databases import open_database
from tests.doubles.hand_clock import HandClock
from tests.doubles.image_sources import MemoryBases
from tests.doubles.inventories import BOTTOM, TOP, an_inventory, layers
from tests.doubles.routes import nobody
from tests.doubles.verdicts import IMAGE, SUBJECT, a_verdict
from watcher.inspection.protocol import KnownBases
from watcher.model.digest import Digest
from watcher.model.reference import Reference, RepositoryName, Tag
from watcher.store.bases import StoredBases
from watcher.store.protocol import Judged
from watcher.store.verdicts import StoredVerdicts

OTHER, THIRD = Digest("sha256:" + "d" * 64), Digest("sha256:" + "7" * 64)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """After `see(reference, layers)` that image was seen; `reference` has a tag and a digest."""

    known: KnownBases
    see: Callable[[Reference, Sequence[Digest]], Awaitable[None]]


@asynccontextmanager
async def _stored(folder: Path) -> AsyncIterator[Bench]:
    async with open_database(folder / "w.db") as database:
        verdicts = StoredVerdicts(database, HandClock())

        async def see(reference: Reference, chain: Sequence[Digest]) -> None:
            assert reference.digest is not None
            assert reference.tag is not None
            subject = replace(SUBJECT, repository=reference.repository, digest=reference.digest, tags=(reference.tag,))
            inventory = an_inventory(digest=reference.digest, layers=layers(*chain), packages=())
            said = a_verdict(id=f"v-{reference}", subject=subject, tag=None)
            await verdicts.record([Judged(verdict=said, inventory=inventory)], nobody)

        yield Bench(known=StoredBases(database), see=see)


@asynccontextmanager
async def _memory(_: Path) -> AsyncIterator[Bench]:
    known = MemoryBases()

    async def see(reference: Reference, chain: Sequence[Digest]) -> None:
        known.seen.append((chain, reference))

    yield Bench(known=known, see=see)


BENCHES: Mapping[type, Callable[[Path], AbstractAsyncContextManager[Bench]]] = {StoredBases: _stored, MemoryBases: _memory}


@pytest.fixture(params=BENCHES)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with BENCHES[request.param](tmp_path) as opened:
        assert type(opened.known) is request.param
        yield opened


def base(number: int, digest: Digest = IMAGE) -> Reference:
    return Reference(registry=SUBJECT.registry, repository=RepositoryName(f"base/{number}"), tag=Tag("v1"), digest=digest)


async def test_bases_are_true_prefixes_longest_first(bench: Bench) -> None:
    """An image is built on those whose layers, as stored, are its first layers; itself is not among them."""
    one, two = base(0), base(1, OTHER)
    await bench.see(one, (BOTTOM,))
    await bench.see(two, (BOTTOM, TOP))
    await bench.see(base(2, THIRD), (BOTTOM, TOP, THIRD))
    assert list(await bench.known.bases((BOTTOM, TOP, THIRD))) == [(2, two), (1, one)]
    assert list(await bench.known.bases((BOTTOM, TOP))) == [(1, one)]
    assert list(await bench.known.bases((BOTTOM,))) == []
    assert list(await bench.known.bases(())) == []
    assert list(await bench.known.bases((TOP, BOTTOM, THIRD))) == []


async def test_an_image_with_another_configuration_is_built_on_the_older_one(bench: Bench) -> None:
    """It has all of the layers; itself it is not, and what came later is not unless its caller can tell."""
    older, image, later = base(0), base(1, OTHER), base(2, THIRD)
    for each in (older, image, later):
        await bench.see(each, (BOTTOM, TOP))
    assert list(await bench.known.bases((BOTTOM, TOP), OTHER)) == [(2, older)]
    assert list(await bench.known.bases((BOTTOM, TOP), OTHER, even_later=True)) == [(2, older), (2, later)]
    assert list(await bench.known.bases((BOTTOM, TOP), Digest("sha256:" + "0" * 64))) == [(2, older), (2, image), (2, later)]
    assert list(await bench.known.bases((BOTTOM, TOP))) == []


async def test_of_one_base_the_place_where_it_was_seen_first_comes_first(bench: Bench) -> None:
    """Whoever copies a base later does not become where it is from."""
    for number in (2, 0, 1):
        await bench.see(base(number), (BOTTOM,))
    assert [reference.repository for _, reference in await bench.known.bases((BOTTOM, TOP))] == ["base/2", "base/0", "base/1"]
