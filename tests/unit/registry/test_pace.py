"""The rate limit of one registry, on a clock that only sleeping moves."""

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
