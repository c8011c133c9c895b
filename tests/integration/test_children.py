"""The daemon's children: what happens to them, and what becomes of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.children import Household, household
from tests.doubles.daemon import eventually

HELD_SECONDS = 60.0  # longer than any test


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Household]:
    with household(tmp_path) as running:
        yield running


@pytest.mark.parametrize("stopped", [False, True])
def test_no_child_outlives_a_daemon_that_was_killed(house: Household, stopped: bool) -> None:
    """Not even one that is stopped, and hears nothing of the end of its pipe."""
    house.push("team/held", held_seconds=HELD_SECONDS)
    house.daemon.eventually(lambda: any(each.confined for each in house.children("worker")), what="a worker")
    held = house.children()
    assert {each.what for each in held} == {"zygote", "worker", "policies"}
    for child in held if stopped else ():
        child.strike("stop")
    house.daemon.kill()
    eventually(lambda: not [each for each in held if each.lives], what=f"the end of {held}")


@pytest.mark.parametrize(("how", "what"), [("kill", "zygote"), ("kill", "worker"), ("kill", "policies"), ("starve", "policies")])
def test_whatever_happens_to_a_child_the_image_is_judged(house: Household, how: str, what: str) -> None:
    """While its layer is read: as if nothing had happened, and by a child of the same kind."""
    house.push("team/app", held_seconds=0.5)
    house.daemon.eventually(lambda: house.children("worker"), what="a worker")
    (struck,) = house.children(what)
    struck.strike(how)
    assert house.daemon.eventually(lambda: house.outcome("team/app"), what="a verdict") == "pass"
    eventually(lambda: not struck.lives, what=f"the end of {struck}")
    eventually(lambda: sorted(each.what for each in house.children()) == ["policies", "zygote"], what="the household as it was")
