"""The rate limit of one registry, on a clock that only sleeping moves."""

import pytest

from watcher.model.errors import ThrottledError
from watcher.registry.pace import Pace


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, duration_seconds: float) -> None:
        self.now += duration_seconds


async def turns(per_second: float | None, count: int) -> list[float]:
    """When each of `count` requests in a row may go, in seconds from the first."""
    time = Time()
    pace = Pace(per_second, clock=time, sleep=time.sleep)
    moments = []
    for _ in range(count):
        await pace.turn()
        moments.append(round(time.now - 100.0, 6))
    return moments


async def test_no_limit_never_waits() -> None:
    """Without `requests_per_second` every request goes at once."""
    assert await turns(None, 50) == [0.0] * 50


async def test_a_second_s_worth_at_once_then_evenly() -> None:
    """Four a second: four at once, then one every quarter."""
    assert await turns(4, 7) == [0.0, 0.0, 0.0, 0.0, 0.25, 0.5, 0.75]


async def test_less_than_one_a_second() -> None:
    """One every ten seconds is one every ten seconds."""
    assert await turns(0.1, 3) == [0.0, 10.0, 20.0]


async def test_a_pause_is_not_saved_up() -> None:
    """After a minute of silence there is still only a second's worth at once."""
    time = Time()
    pace = Pace(2, clock=time, sleep=time.sleep)
    await pace.turn()
    time.now += 60
    started = time.now
    for _ in range(3):
        await pace.turn()
    assert time.now - started == 0.5


def a_pace(per_second: float | None = None) -> tuple[Time, Pace]:
    time = Time()
    return time, Pace(per_second, clock=time, sleep=time.sleep)


async def paused(pace: Pace, time: Time) -> float:
    started = time.now
    await pace.turn()
    return time.now - started


@pytest.mark.parametrize(("asked", "pause"), [(0.0, 1.0), (0.2, 1.0), (17.0, 17.0), (60.0, 60.0)])
async def test_everybody_pauses_for_as_long_as_was_asked(asked: float, pause: float) -> None:
    """A second at least: less is no pause."""
    time, pace = a_pace()
    pace.refused(asked)
    assert await paused(pace, time) == pytest.approx(pause)


@pytest.mark.parametrize(("asked", "pause"), [(61.0, 61.0), (300.0, 300.0), (900.0, 300.0), (1e9, 300.0)])
async def test_nobody_waits_for_longer_than_a_minute(asked: float, pause: float) -> None:
    """Who comes is sent back to the queue, with the time to return: five minutes at most."""
    _, pace = a_pace()
    pace.refused(asked)
    with pytest.raises(ThrottledError) as caught:
        await pace.turn()
    assert caught.value.retry_after_seconds == pytest.approx(pause)


async def test_without_a_word_the_pauses_double() -> None:
    """1, 2, 4 … and a minute at most."""
    time, pace = a_pace()
    pauses = []
    for _ in range(8):
        pace.refused(None)
        pauses.append(await paused(pace, time))
    expected = [1, 2, 4, 8, 16, 32, 54, 54]
    assert all(least <= pause <= least * 1.1 for least, pause in zip(expected, pauses, strict=True))


async def test_answers_to_what_was_sent_before_a_pause_count_once() -> None:
    """Thirty requests were under way: that is one refusal, not thirty."""
    time, pace = a_pace()
    for _ in range(30):
        pace.refused(None)
    assert await paused(pace, time) < 1.2
    pace.refused(None)
    assert await paused(pace, time) < 2.3


async def test_the_way_back_is_slow() -> None:
    """Four a second at first, doubled every five seconds, and then as before."""
    time, pace = a_pace()
    pace.refused(1.0)
    await pace.turn()
    started, count = time.now, 0
    while time.now - started < 5:
        await pace.turn()
        count += 1
    assert 15 <= count <= 35
    time.now += 30
    moment = time.now
    for _ in range(100):
        await pace.turn()
    assert time.now == moment


async def test_a_limit_of_the_operator_holds_on_the_way_back_too() -> None:
    """Recovering is never faster than what is allowed."""
    time, pace = a_pace(per_second=2)
    pace.refused(1.0)
    await pace.turn()
    started = time.now
    for _ in range(10):
        await pace.turn()
    assert time.now - started >= 4.5


async def test_who_waits_when_a_pause_begins_waits_for_its_end() -> None:
    """All lanes share one pace: a refusal of one holds back the others."""
    time = Time()
    slept: list[float] = []

    async def sleep(duration_seconds: float) -> None:
        slept.append(duration_seconds)
        if len(slept) == 1:
            pace.refused(10.0)
        time.now += duration_seconds

    pace = Pace(1, clock=time, sleep=sleep)
    await pace.turn()
    await pace.turn()
    assert time.now - 100.0 >= 10.0
