"""Passes over a registry that cannot be read, or not always: what is told, taken up again, and never taken for done."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.doubles.pass_bench import APP, WEB, Bench, image, open_bench
from watcher.model.errors import (
    ConfigurationError,
    RegistryUnavailableError,
    RetryableError,
    TooLargeError,
    WatcherError,
)
from watcher.model.reference import RepositoryName
from watcher.sources.sweep_pass import MOST_TROUBLES
from watcher.testing.images import put_image

pytestmark = pytest.mark.enable_socket


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with open_bench() as opened:
        yield opened


async def test_a_registry_that_is_down_ends_the_pass(bench: Bench) -> None:
    """Where nothing at all can be read, or one repository after the other cannot; what was found before stays found."""
    registries = bench.in_memory(APP, answers={bench.name(APP): RegistryUnavailableError("down")})
    with pytest.raises(RegistryUnavailableError):
        await bench.sweep(registries)
    names = [RepositoryName(f"team/{number}") for number in range(9)]
    down = {bench.name(name): RegistryUnavailableError("down") for name in names[2 : 2 + MOST_TROUBLES]}
    registries = bench.in_memory(*names, answers=down)
    with pytest.raises(RegistryUnavailableError):
        await bench.sweep(registries)
    assert {repository for repository, _, _ in bench.found} >= {*names[:2]}


async def test_a_pass_that_was_cut_off_goes_on_where_it_was(bench: Bench) -> None:
    """What it has looked at is not asked for again, unless that was long ago; and what alone cannot be read stops it only once."""
    names = [RepositoryName(f"team/{number}") for number in range(9)]
    answers: dict[str, Any] = {bench.name(name): RegistryUnavailableError("down") for name in names[2:5]}
    registries = bench.in_memory(*names, answers=answers)
    with pytest.raises(RegistryUnavailableError):
        await bench.sweep(registries)
    done = {look.repository for look in bench.holdings.all_looks if not look.problem}
    registries.asked.clear()
    bench.clock.advance(60)
    report = await bench.sweep(registries)
    assert done >= {*names[:2]}
    assert not {bench.name(name) for name in done} & {*registries.asked}
    assert report.resumed == len(done)
    assert {each.partition(":")[0] for each in report.problems} == {*names[2:5]}
    assert {repository for repository, _, _ in bench.found} == {*names} - {*names[2:5]}
    bench.clock.advance(60)
    registries.asked.clear()
    answers.clear()
    report = await bench.sweep(registries)
    assert (report.resumed, report.repositories, len(registries.asked)) == (0, 9, 9)


@pytest.mark.parametrize("count", [1, 2, 5])
async def test_a_registry_that_is_down_is_never_swept(bench: Bench, count: int) -> None:
    """However few are named, and however often it is tried; what was there all the time is no news when it is back."""
    names = [RepositoryName(f"team/{number}") for number in range(count)]
    answers: dict[str, Any] = {bench.name(name): RegistryUnavailableError("down") for name in names}
    registries = bench.in_memory(*names, answers=answers)
    for _ in range(2 * count):
        bench.clock.advance(60)
        with pytest.raises(RegistryUnavailableError):
            await bench.sweep(registries, repositories=tuple(names))
    assert await bench.holdings.passes() == []
    answers.clear()
    report = await bench.sweep(registries, repositories=tuple(names))
    assert (report.repositories, report.resumed, report.problems) == (count, 0, [])
    assert bench.intake.fresh == []


async def test_what_could_not_be_read_at_first_is_no_news_later(bench: Bench) -> None:
    """Nobody knows since when it has been there."""
    answers: dict[str, Any] = {bench.name(WEB): RegistryUnavailableError("down")}
    registries = bench.in_memory(APP, WEB, answers=answers)
    assert len((await bench.sweep(registries)).problems) == 1
    answers.clear()
    await bench.sweep(registries)
    assert (WEB, "v1") in {(repository, tag) for repository, tag, _ in bench.found}
    assert bench.intake.fresh == []


@pytest.mark.parametrize("error", [TooLargeError("16 MiB of names"), ConfigurationError("no region")])
async def test_what_a_list_is_wrong_with_is_said_as_it_is(bench: Bench, error: WatcherError) -> None:
    """A catalogue that cannot be read hides nothing that is known; what the operator must change ends the pass."""
    registries = bench.in_memory(APP)
    await bench.sweep(registries)
    registries.no_repositories = error
    if isinstance(error, ConfigurationError):
        with pytest.raises(ConfigurationError, match="no region"):
            await bench.sweep(registries)
        return
    report = await bench.sweep(registries)
    assert (report.problems, report.repositories) == (["16 MiB of names"], 1)


async def test_a_pass_that_was_cut_off_long_ago_begins_anew(bench: Bench) -> None:
    """Much can have been pushed since."""
    names = [RepositoryName(f"team/{number}") for number in range(5)]
    answers: dict[str, Any] = {bench.name(name): RegistryUnavailableError("down") for name in names[2:]}
    registries = bench.in_memory(*names, answers=answers)
    with pytest.raises(RegistryUnavailableError):
        await bench.sweep(registries)
    bench.clock.advance(2 * 86400)
    answers.clear()
    report = await bench.sweep(registries)
    assert (report.resumed, report.repositories) == (0, 5)


async def test_what_cannot_be_kept_ends_the_pass(bench: Bench) -> None:
    """It will be found again."""
    put_image(bench.registry, APP, image("1"), "v1")
    bench.intake.broken = True
    with pytest.raises(RetryableError):
        await bench.sweep()
