"""Who is asked while a registry or a receiver does not answer."""

import pytest

from watcher.pipeline.outages import LONGEST_DELAY_SECONDS, LOOK_SECONDS, TOLERATED, UNHEARD, Outages

R, OTHER = "registry.example.com", "other.example.com"
DOWN = "registry-unavailable"


class Time:
    def __init__(self) -> None:
        self.now = 0.0
        self.shown: list[tuple[str, bool]] = []
        self.outages: Outages[str] = Outages(
            kind="registry",
            shown=lambda *seen: self.shown.append(seen),
            most_unheard=UNHEARD,
            clock=lambda: self.now,
            jitter=lambda: 0.5,
        )

    def fail(self, asked_seconds: float | None = None) -> None:
        self.outages.begun(R, "a")
        self.outages.ended(R, "a", DOWN, asked_seconds)


@pytest.fixture
def time() -> Time:
    return Time()


def test_a_few_failures_stop_everybody(time: Time) -> None:
    """One broken image is not its registry; several in a row without an answer between them are. Others go on."""
    for _ in range(TOLERATED - 1):
        time.fail()
    assert R not in time.outages.closed()
    time.outages.ended(R, "a", "pass")
    for _ in range(TOLERATED):
        assert R not in time.outages.closed()
        time.fail()
    assert list(time.outages.closed()) == [R]
    assert time.shown == [(R, False)]


def test_what_is_about_one_image_stops_nobody(time: Time) -> None:
    """Rights that are missing for one repository are not missing for the next."""
    for _ in range(100):
        time.outages.ended(R, "a", "registry-authentication")
    assert not time.outages.closed()


def test_one_looks_and_the_others_wait_for_it(time: Time) -> None:
    """When its time has come a single one is sent; it opens the door to all, or keeps it closed for longer."""
    for _ in range(TOLERATED):
        time.fail()
    time.now = 2.0
    assert R not in time.outages.closed()
    time.outages.begun(R, "a")
    time.outages.given_up(R, "b")  # sent before it was known, and cut off
    assert R in time.outages.closed()
    time.outages.ended(R, "a", DOWN)
    time.now = 5.9
    assert R in time.outages.closed()
    time.now = 6.0
    time.outages.begun(R, "a")
    time.outages.ended(R, "a", "pass")
    assert not time.outages.closed()
    assert time.shown == [(R, False), (R, True)]


def test_who_looks_at_something_large_is_not_waited_for(time: Time) -> None:
    """Once he has heard something; of who has heard nothing the others wait for the end."""
    for _ in range(TOLERATED):
        time.fail()
    time.now = 2.0
    time.outages.begun(R, "large")
    time.now = 2.0 + LOOK_SECONDS
    assert R in time.outages.closed()
    time.outages.heard(R)
    assert R not in time.outages.closed()
    time.outages.begun(R, "next")
    assert R in time.outages.closed()
    time.outages.ended(R, "large", "pass")
    assert R not in time.outages.closed()


def test_who_comes_back_without_an_answer_lets_another_look(time: Time) -> None:
    """A probe that was cut off leaves nobody waiting for it."""
    for _ in range(TOLERATED):
        time.fail()
    time.now = 2.0
    time.outages.begun(R, "a")
    time.outages.given_up(R, "a")
    assert R not in time.outages.closed()


def test_few_are_sent_where_nothing_was_heard(time: Time) -> None:
    """One that takes every request and answers none holds few places; one that says anything at all has them all."""
    for number in range(UNHEARD):
        assert R not in time.outages.closed()
        time.outages.begun(R, number)
    time.outages.begun(OTHER, "x")
    assert list(time.outages.closed()) == [R]
    time.outages.given_up(R, 0)
    assert not time.outages.closed()
    time.outages.begun(R, UNHEARD)
    time.outages.ended(R, 1, DOWN)
    assert not time.outages.closed()
    time.outages.begun(R, 1)
    assert list(time.outages.closed()) == [R]
    time.outages.heard(R)
    assert not time.outages.closed()
    time.outages.ended(R, 2, "pass")
    assert not time.outages.closed()


def test_what_is_asked_for_is_kept_to(time: Time) -> None:
    """Retry-After decides, in both directions; of several the longest, those that were under way before included."""
    for asked in (5.0,) * TOLERATED:
        time.fail(asked)
    time.outages.ended(R, "a", "registry-throttled", 90.0)
    time.now = 89.9
    assert R in time.outages.closed()
    time.now = 90.0
    assert R not in time.outages.closed()
    time.fail(1.0)
    time.now = 91.0
    assert R not in time.outages.closed()


def test_an_outage_of_six_hours_is_looked_at_twice_a_minute(time: Time) -> None:
    """No look is further from the last than half a minute, and a quarter, and there are not many more than there have to be."""
    looks = 0
    while time.now < 6 * 3600:
        if R not in time.outages.closed():
            looks += 1
            time.fail()
        time.now += 1
    assert looks <= 6 * 3600 / LONGEST_DELAY_SECONDS + 10


def test_the_others_go_on(time: Time) -> None:
    """Each has its own state."""
    for _ in range(TOLERATED):
        time.fail()
        time.outages.ended(OTHER, "b", "pass")
    assert OTHER not in time.outages.closed()
