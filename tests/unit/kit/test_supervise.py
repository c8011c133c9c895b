"""Parts that fail in every way there is, in a time that is virtual."""

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog

from tests.doubles.virtual_time import now, virtual_time
from watcher.kit.backoff import Backoff
from watcher.kit.metrics import Metrics
from watcher.kit.supervise import LONGEST_DELAY_SECONDS, STEADY_SECONDS, EndedError, Supervisor, guard
from watcher.kit.telemetry import configure_logging
from watcher.model.errors import ConfigurationError, RetryableError


class Part:
    """Does what it is told, one thing per run, then runs for ever. `begun` has the time of every run."""

    def __init__(self, *ends: BaseException | None) -> None:
        self.ends = list(ends)
        self.begun: list[float] = []
        self.lasts_seconds = 0.0

    async def run(self) -> None:
        self.begun.append(now())
        if not self.ends:
            await asyncio.Event().wait()
        await asyncio.sleep(self.lasts_seconds)
        end = self.ends.pop(0)
        if end is not None:
            raise end


class Watched:
    """A supervisor without jitter, and what it said by all of its means."""

    def __init__(self, jitter: float = 0.5) -> None:
        self.metrics = Metrics()
        backoff = Backoff(first_seconds=1.0, longest_seconds=LONGEST_DELAY_SECONDS, jitter=lambda: jitter)
        self.supervisor = Supervisor(counted=self.metrics.count_restart, shown=self.metrics.show_part, backoff=backoff)

    @asynccontextmanager
    async def keeping(self, **parts: Part) -> AsyncIterator[asyncio.TaskGroup]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self.supervisor.keep(name, part.run), name=name) for name, part in parts.items()]
            yield group
            for task in tasks:
                task.cancel()

    def restarts(self, part: str) -> float | None:
        return self.metrics.registry.get_sample_value("watcher_restarts_total", {"part": part})

    def up(self, part: str) -> float | None:
        return self.metrics.registry.get_sample_value("watcher_part_up", {"part": part})


@pytest.fixture
def said() -> Iterator["Said"]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield Said()
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


class Said:
    """The log at its usual level."""

    def __init__(self) -> None:
        self._stream = io.StringIO()
        configure_logging(stream=self._stream)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._stream.getvalue().splitlines()]

    def events(self) -> list[tuple[str, str | None]]:
        return [(line["event"], line.get("reason")) for line in self.lines()]


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (RetryableError("the queue refuses us"), "unavailable"),
        (OSError(5, "Input/output error"), "OSError"),
        (ExceptionGroup("unhandled errors in a TaskGroup", [RetryableError("the queue refuses us")]), "unavailable"),
        (None, "ended"),
        (asyncio.CancelledError(), "ended"),
    ],
)
@virtual_time
async def test_what_fails_is_run_again(end: BaseException | None, reason: str) -> None:
    """Whether it raised, ended, or was cancelled by something within itself; meanwhile it is down, with a word for why."""
    watched, part = Watched(), Part(end)
    async with watched.keeping(queue=part):
        await asyncio.sleep(0.5)
        assert watched.supervisor.down() == {"queue": reason}
        assert (watched.up("queue"), watched.restarts("queue")) == (0, 1)
        await asyncio.sleep(0.6)
        assert part.begun == [0, 1]


@virtual_time
async def test_neighbours_do_not_notice() -> None:
    """A part that fails all the time ends nothing and delays nothing beside it."""
    watched = Watched()
    bad, good = Part(*[RuntimeError("a bug")] * 100), Part()
    async with watched.keeping(bad=bad, good=good):
        await asyncio.sleep(600)
        assert len(bad.begun) > 10
        assert good.begun == [0]
        assert watched.supervisor.down() == {"bad": "RuntimeError"}
        assert (watched.up("good"), watched.restarts("good")) == (1, 0)


@virtual_time
async def test_it_waits_longer_after_every_failure_up_to_a_minute() -> None:
    """A part that fails at once costs one try a minute, for ever."""
    watched, part = Watched(), Part(*[RetryableError("down")] * 9)
    async with watched.keeping(queue=part):
        await asyncio.sleep(300)
    waits = [later - earlier for earlier, later in zip(part.begun, part.begun[1:], strict=False)]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


@pytest.mark.parametrize(("jitter", "seconds"), [(0.0, 0.75), (0.999, 1.2495)])
def test_those_that_failed_together_do_not_come_back_together(jitter: float, seconds: float) -> None:
    """A wait is a quarter shorter or longer, and never none."""
    backoff = Backoff(first_seconds=1.0, longest_seconds=60.0, jitter=lambda: jitter)
    assert backoff.after(1) == pytest.approx(seconds)
    assert backoff.longest() == pytest.approx(60 * seconds)
    assert backoff.after(10**6) == backoff.longest()


@virtual_time
async def test_what_only_a_person_can_change_is_tried_once_a_minute(said: "Said") -> None:
    """A wrong credential is told once, as an error with its sentence, and is not hammered at."""
    watched, part = Watched(), Part(*[ConfigurationError("sources[0].secret: env:QUEUE_SECRET is not set")] * 5)
    async with watched.keeping(queue=part):
        await asyncio.sleep(200)
    assert part.begun == [0, 60, 120, 180]
    (line,) = said.lines()
    assert (line["level"], line["event"], line["part"], line["reason"]) == ("error", "part.failed", "queue", "configuration")
    assert "QUEUE_SECRET is not set" in line["detail"]
    assert line["again_seconds"] == 60


@virtual_time
async def test_two_things_to_put_right_are_told_both(said: "Said") -> None:
    """Whoever has mended the first must hear of the second, though both are the configuration's."""
    watched, part = (
        Watched(),
        Part(ConfigurationError("no secret"), ConfigurationError("no secret"), ConfigurationError("no queue")),
    )
    async with watched.keeping(queue=part):
        await asyncio.sleep(150)
    assert [line["detail"] for line in said.lines()] == ["no secret", "no queue"]


@virtual_time
async def test_every_change_of_state_is_one_line(said: "Said") -> None:
    """Down, down for another reason, up: three lines, however often it failed."""
    watched = Watched()
    part = Part(*[RetryableError("down")] * 3, *[KeyError("a bug")] * 2)
    async with watched.keeping(queue=part):
        await asyncio.sleep(31 + STEADY_SECONDS - 0.5)
        assert watched.supervisor.down() == {"queue": "KeyError"}
        await asyncio.sleep(1)
        assert watched.supervisor.down() == {}
        assert (watched.up("queue"), watched.restarts("queue")) == (1, 5)
    assert said.events() == [("part.failed", "unavailable"), ("part.failed", "KeyError"), ("part.recovered", None)]
    expected, unexpected, _ = said.lines()
    assert (expected["level"], "exception" in expected) == ("warning", False)
    assert (unexpected["level"], "KeyError: 'a bug'" in unexpected["exception"]) == ("error", True)


@virtual_time
async def test_a_part_that_fails_now_and_then_stays_down(said: "Said") -> None:
    """It has not recovered before it has run for a minute: until then its failures are one outage, told once."""
    watched, part = Watched(), Part(*[RetryableError("reset")] * 4)
    part.lasts_seconds = STEADY_SECONDS - 1
    async with watched.keeping(queue=part):
        await asyncio.sleep(4 * STEADY_SECONDS)
        assert watched.supervisor.down() == {"queue": "unavailable"}
    assert said.events() == [("part.failed", "unavailable")]
    assert [round(later - earlier - part.lasts_seconds) for earlier, later in zip(part.begun, part.begun[1:], strict=False)] == [
        1,
        2,
        4,
    ]


@virtual_time
async def test_after_a_recovery_it_is_run_again_soon() -> None:
    """Failures of yesterday do not make today's wait longer."""
    watched, part = Watched(), Part(*[RetryableError("reset")] * 3)
    part.lasts_seconds = STEADY_SECONDS + 1
    async with watched.keeping(queue=part):
        await asyncio.sleep(4 * STEADY_SECONDS)
    assert part.begun == [0, 62, 124, 186]


@virtual_time
async def test_a_part_may_be_tried_sooner_than_others() -> None:
    """Where it is known how soon what it needs is back."""
    watched, part = Watched(), Part(*[RetryableError("down")] * 5)
    often = Backoff(first_seconds=1.0, longest_seconds=2.0, jitter=lambda: 0.5)
    task = asyncio.create_task(watched.supervisor.keep("queue", part.run, backoff=often))
    await asyncio.sleep(10)
    task.cancel()
    await asyncio.wait([task])
    assert part.begun == [0, 1, 3, 5, 7, 9]


@virtual_time
async def test_cancelling_ends_it_at_once() -> None:
    """While the part runs, and while it waits to be run again."""
    watched = Watched()
    for part in (Part(), Part(RetryableError("down"))):
        task = asyncio.create_task(watched.supervisor.keep("queue", part.run))
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert len(part.begun) == 1


@pytest.mark.parametrize("last_words", [OSError("the connection is closed already"), None])
@virtual_time
async def test_a_part_that_fails_at_its_end_does_not_keep_the_process(said: "Said", last_words: Exception | None) -> None:
    """A cancelled part that raises something else, or swallows the cancellation, is not run again."""
    runs: list[float] = []

    async def run() -> None:
        runs.append(now())
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if last_words is not None:
                raise last_words from None

    task = asyncio.create_task(Watched().supervisor.keep("queue", run))
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.wait([task], timeout=1000)
    assert (task.cancelled(), runs) == (True, [0])
    assert said.events() == [("part.interrupted", None)]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_what_is_meant_for_the_process_passes(kind: type[BaseException]) -> None:
    """Ctrl-C is no failure of the part that was running just then."""
    part = Part(kind())
    watched = Watched()

    @virtual_time
    async def keeping() -> None:
        await watched.supervisor.keep("queue", part.run)

    with pytest.raises(kind):
        keeping()
    assert part.begun == [0]
    assert watched.restarts("queue") == 0


@virtual_time
async def test_a_part_that_cannot_even_begin_is_down() -> None:
    """What raises where it is called is caught as what raises later is."""
    watched = Watched()

    def run() -> Any:
        raise RetryableError("no such broker")

    task = asyncio.create_task(watched.supervisor.keep("queue", run))
    await asyncio.sleep(0.5)
    assert watched.supervisor.down() == {"queue": "unavailable"}
    task.cancel()
    await asyncio.wait([task])


@virtual_time
async def test_a_guarded_loop_never_returns() -> None:
    """That it ended is an error with its name."""
    with pytest.raises(EndedError, match="judge has ended"):
        await guard("judge", asyncio.sleep(1))
    assert now() == 1
