"""What is true of whoever tells that data became others (watcher/pipeline/protocol.py)."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.doubles.advisory_data import advisory_data, at, osv, until
from tests.doubles.changes import WrittenChanges
from watcher.advisories.gatherer import AdvisoryGatherer
from watcher.pipeline.protocol import Changes


@dataclass(kw_only=True)
class Bench:
    """`change` makes this package of Debian 12 another matter, `begin_anew` forgets everything."""

    changes: Changes
    change: Callable[[str], None]
    begin_anew: Callable[[], None]


def advisories(folder: Path) -> Bench:
    counted = iter(range(1, 1000))

    def change(package: str) -> None:
        advisory_data(folder, osv(f"DEBIAN-CVE-2026-{next(counted)}", at("Debian:12", package, *until("7"))))

    def begin_anew() -> None:
        (folder / "advisories.db").unlink()
        change("other")

    return Bench(changes=AdvisoryGatherer(path=folder / "advisories.db", max_age_seconds=1e9), change=change, begin_anew=begin_anew)


def written(_folder: Path) -> Bench:
    changes = WrittenChanges()
    return Bench(
        changes=changes,
        change=lambda package: changes.steps.append([("deb", package, "debian:12")]),
        begin_anew=lambda: changes.steps.__setitem__(slice(None), [None]),
    )


PLACES: Mapping[str, tuple[type, Callable[[Path], Bench]]] = {
    "advisories": (AdvisoryGatherer, advisories),
    "written": (WrittenChanges, written),
}


@pytest.fixture(params=PLACES)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return PLACES[request.param][1](tmp_path)


async def test_where_there_are_no_data_there_is_no_revision(bench: Bench) -> None:
    assert await bench.changes.revision() == ""
    assert await bench.changes.oldest() is None


async def test_a_change_is_another_revision(bench: Bench) -> None:
    """Nothing is none."""
    bench.change("curl")
    first = await bench.changes.revision()
    assert first == await bench.changes.revision() != ""
    assert await bench.changes.changed_since(first) == set()
    assert await bench.changes.oldest() is not None
    bench.change("curl")
    assert await bench.changes.revision() != first


async def test_what_changed_since_is_told(bench: Bench) -> None:
    """Over several changes, each package once."""
    bench.change("bash")
    first = await bench.changes.revision()
    for package in ("curl", "wget", "curl"):
        bench.change(package)
    assert set(await bench.changes.changed_since(first) or ()) == {("deb", "curl", "debian:12"), ("deb", "wget", "debian:12")}


@pytest.fixture
def asked(bench: Bench) -> Callable[[str], Awaitable[object]]:
    return bench.changes.changed_since


async def test_of_data_that_were_begun_anew_anything_may_have_changed(
    bench: Bench, asked: Callable[[str], Awaitable[object]]
) -> None:
    """As of a revision that nobody knows."""
    bench.change("bash")
    bench.change("bash")
    before = await bench.changes.revision()
    bench.begin_anew()
    assert await asked(before) is None
    assert await asked("nonsense") is None
