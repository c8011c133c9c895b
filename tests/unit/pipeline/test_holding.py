"""When people are told."""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from watcher.pipeline.holding import BUDGET, DIGEST, QUIET, Holding, QuietHours

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = QuietHours(begins=time(22), ends=time(7))


class KeptMarks:
    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    async def marks(self) -> Mapping[str, str]:
        return self.kept

    async def put_mark(self, name: str, value: str) -> None:
        assert len(name) <= 40
        self.kept[name] = value


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """Of November 2026, in Berlin; the 30th is a Monday."""
    return datetime(2026, 11, day, hour, minute, tzinfo=BERLIN).astimezone(UTC)


@pytest.mark.parametrize(
    ("moment", "quiet"),
    [
        (at(27, 21, 59), False),
        (at(27, 22), True),
        (at(28, 3), True),
        (at(28, 6, 59), True),
        (at(28, 7), False),
        (at(28, 12), False),
    ],
)
def test_a_night_is_quiet(moment: datetime, quiet: bool) -> None:
    """In the time of the place, over midnight."""
    holding = Holding(name="chat", marks=KeptMarks(), quiet=NIGHT, zone=BERLIN)
    assert (holding.why(moment) == QUIET) is quiet


def test_quiet_hours_belong_to_the_day_they_begin_on() -> None:
    """A Friday's night ends on Saturday."""
    friday = QuietHours(begins=time(22), ends=time(7), days=frozenset({4}))
    noon = QuietHours(begins=time(12), ends=time(13), days=frozenset({5, 6}))
    assert [friday.holds(moment.astimezone(BERLIN)) for moment in (at(27, 23), at(28, 6), at(28, 23), at(29, 6))] == [
        True,
        True,
        False,
        False,
    ]
    assert [noon.holds(moment.astimezone(BERLIN)) for moment in (at(27, 12), at(28, 12), at(29, 12, 59), at(29, 13))] == [
        False,
        True,
        True,
        False,
    ]


async def test_a_digest_comes_once_a_day() -> None:
    """At its time, and when the daemon was not there then, at the next moment it is."""
    marks = KeptMarks()
    holding = Holding(name="chat", marks=marks, digest=time(9), zone=BERLIN)
    await holding.open(at(26, 12))
    assert [holding.why(moment) for moment in (at(26, 12), at(27, 8, 59), at(27, 9))] == [DIGEST, DIGEST, None]
    await holding.sent(at(27, 9, 1))
    again = Holding(name="chat", marks=marks, digest=time(9), zone=BERLIN)
    await again.open(at(27, 10))
    assert [again.why(moment) for moment in (at(27, 10), at(28, 8), at(28, 15))] == [DIGEST, DIGEST, None]


async def test_a_digest_does_not_wait_for_a_clock_that_was_set_back() -> None:
    """What was sent tomorrow was not."""
    holding = Holding(name="chat", marks=KeptMarks(), digest=time(9), zone=BERLIN)
    await holding.open(at(25, 12))
    await holding.sent(at(30, 9))
    assert [holding.why(moment) for moment in (at(26, 8), at(26, 9))] == [None, None]


async def test_a_digest_at_a_time_that_a_clock_skips_comes_once() -> None:
    """Berlin has no half past two on the last Sunday of March."""
    holding = Holding(name="chat", marks=KeptMarks(), digest=time(2, 30), zone=BERLIN)
    midnight = datetime(2026, 3, 29, tzinfo=BERLIN).astimezone(UTC)
    await holding.open(midnight)
    moments = [midnight + timedelta(minutes=minutes) for minutes in (125, 140, 155)]  # 03:05, 03:20 and 03:35
    assert [holding.why(moment) for moment in moments] == [DIGEST, DIGEST, None]
    await holding.sent(moments[-1])
    assert holding.why(moments[-1] + timedelta(minutes=1)) == DIGEST


async def test_a_budget_survives_a_restart_and_a_clock_that_was_set_back() -> None:
    """What was sent in the hours to come was not."""
    marks = KeptMarks()
    holding = Holding(name="a name that is longer than what a mark may be called", marks=marks, per_hour=2, zone=UTC)
    for minute in (0, 10):
        assert holding.why(at(26, 12, minute)) is None
        await holding.sent(at(26, 12, minute))
    again = Holding(name=holding.name, marks=marks, per_hour=2, zone=UTC)
    await again.open(at(26, 12, 20))
    assert [again.why(at(26, 12, 20)), again.why(at(26, 13, 0))] == [BUDGET, None]
    set_back = Holding(name=holding.name, marks=marks, per_hour=2, zone=UTC)
    await set_back.open(at(26, 9))
    assert set_back.why(at(26, 9)) is None


def test_what_waited_while_it_was_held_knows_why() -> None:
    """What came afterwards was held by nothing."""
    holding = Holding(name="chat", marks=KeptMarks(), quiet=NIGHT, zone=BERLIN)
    assert holding.why(at(28, 6, 59)) == QUIET
    assert holding.why(at(28, 7)) is None
    assert holding.held(at(28, 5)) == QUIET
    assert holding.held(at(28, 7) + timedelta(seconds=1)) == ""
