"""Who may begin when something runs: what is urgent never waits behind what is not."""

from collections.abc import Sequence

import pytest

from watcher.backlog.protocol import Lane
from watcher.pipeline.lanes import LONG_JOBS, LONG_SECONDS, SHARES, in_slots, open_lanes

CI, PUSH, REEVALUATE, SWEEP = Lane.CI, Lane.PUSH, Lane.REEVALUATE, Lane.SWEEP


def test_every_lane_has_a_share() -> None:
    """A lane without one would never be leased from."""
    assert set(SHARES) == set(Lane)


@pytest.mark.parametrize(
    ("running", "lanes"),
    [
        ([], [CI, PUSH, REEVALUATE, SWEEP]),
        ([SWEEP], [CI, PUSH, REEVALUATE, SWEEP]),
        ([SWEEP] * 2, [CI, PUSH, REEVALUATE]),
        ([REEVALUATE] * 3, [CI, PUSH]),
        ([REEVALUATE, SWEEP, SWEEP], [CI, PUSH]),
        ([PUSH] * 4, [CI]),
        ([PUSH, PUSH, SWEEP, SWEEP], [CI]),
        ([CI] * 4, [CI, PUSH, REEVALUATE, SWEEP]),
        ([CI] * 5, []),
        ([CI, PUSH, PUSH, SWEEP, SWEEP], []),
    ],
)
def test_a_lane_shares_its_slots_with_those_less_urgent(running: Sequence[Lane], lanes: Sequence[Lane]) -> None:
    """Of five slots one is kept for CI, and two are closed to what comes in bulk, whatever else runs."""
    assert open_lanes(running, slots=5) == lanes


@pytest.mark.parametrize("slots", range(1, 12))
def test_no_lane_starves_and_no_slot_is_given_twice(slots: int) -> None:
    """However few slots there are, an idle process takes whatever there is; a full one takes nothing."""
    assert open_lanes([], slots=slots) == [CI, PUSH, REEVALUATE, SWEEP]
    for lane in Lane:
        running: list[Lane] = []
        while lane in open_lanes(running, slots=slots):
            running.append(lane)
        assert 1 <= len(running) <= slots
        assert len(running) == max(1, round(slots * SHARES[lane]))
    assert open_lanes([CI] * slots, slots=slots) == []


LONG = LONG_SECONDS + 1


def test_what_takes_long_gives_its_slot_to_the_next() -> None:
    """Pushes that wait for their registry, or for their layers' turn, do not keep those behind them waiting."""
    assert in_slots([(PUSH, LONG), (CI, LONG), (PUSH, 0.1)]) == [PUSH]


def test_only_so_many_give_their_slots_away() -> None:
    """Each of them holds what it has heard, so there is an end to it."""
    assert in_slots([(PUSH, LONG)] * (LONG_JOBS + 3)) == [PUSH] * 3


def test_bulk_work_that_takes_long_takes_nothing_from_pushes() -> None:
    """Each lane has as many that may take long."""
    assert in_slots([(SWEEP, LONG)] * (LONG_JOBS + 3) + [(PUSH, LONG)] * LONG_JOBS) == [SWEEP] * 3
