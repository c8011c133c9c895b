"""Two sides in turns on one load, in one run: `bare` stores nothing and shows what the sender can give, `durable` is ours."""

import multiprocessing
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, ParamSpec, Protocol, TypeVar

from bench.results import Result

Side = Literal["bare", "durable"]
SIDES: tuple[Side, ...] = ("bare", "durable")
# For a round of one side. It only ends what hangs.
GIVE_UP_SECONDS = 300.0
STOP_SECONDS = 20.0
QUEUE_GOAL_PER_SECOND = 2000.0
# Before each round that is durable: as a commit of some hundred messages.
FLUSHES, FLUSHED_BYTES = 50, 128 * 1024

P = ParamSpec("P")
T = TypeVar("T")

# A fork would inherit the parent's threads and sockets.
_SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was asked for on the command line. Each way uses those that concern it."""

    rounds: int
    messages: int
    receivers: int
    exactly_once: bool
    seconds: int
    connections: int
    client: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one round gave. `unanswered` messages at most were sent beyond `messages` without waiting for their answer."""

    messages: int
    seconds: float
    unanswered: int = 0
    remark: str = ""

    @property
    def rate(self) -> float:
        return self.messages / self.seconds


Goal = Callable[[float], float]
"""Messages a second that the durable side should reach, of what the bare one did."""


class Way(Protocol):
    """One way for messages to come."""

    def measure(self, side: Side, turn: int, path: Path, options: Options) -> Load:
        """One round: no two turns have a message in common. The durable side writes to the database at `path`."""
        ...


def queue_goal(limit: float) -> float:
    """Messages a second of a queue, or what the queue itself can give where that is less."""
    return min(QUEUE_GOAL_PER_SECOND, limit)


def compare(name: str, way: Way, goal_of: Goal, options: Options, directory: Path) -> tuple[Result, Result]:
    """Measure: messages a second against the goal, and those that are not on disk exactly once."""
    path = directory / f"{name}.db"
    loads: dict[Side, list[Load]] = {side: [] for side in SIDES}
    flushes: list[float] = []
    for turn in range(options.rounds):
        flushes += flush_ms(directory)
        for side in SIDES:
            loads[side].append(way.measure(side, turn, path, options))
    medians = {side: statistics.median(load.rate for load in loads[side]) for side in SIDES}
    for side in SIDES:
        rates = " ".join(f"{load.rate:7.0f}" for load in loads[side])
        print(f"{name:8} {side:8} {rates} messages/s, median {medians[side]:.0f}   {loads[side][-1].remark}".rstrip())
    cuts = statistics.quantiles(flushes, n=10)
    print(f"{name:8} flush    {statistics.median(flushes):.1f} ms, one in ten above {cuts[-1]:.1f} ms, up to {max(flushes):.0f} ms")
    events, jobs = rows(path)
    sent = sum(load.messages for load in loads["durable"])
    most = sent + sum(load.unanswered for load in loads["durable"])
    print(f"{name:8} on disk  {events} events, {jobs} jobs for {sent} messages")
    print(flush=True)
    rate = Result(
        what=f"intake by {name}, each on disk before it is acknowledged",
        unit="messages/s",
        ours=medians["durable"],
        against="acknowledged only",
        other=medians["bare"],
        least=goal_of(medians["bare"]),
    )
    return rate, Result(what=f"intake by {name}: lost or doubled", unit="messages", ours=max(sent - jobs, jobs - most, 0), most=0)


def flush_ms(directory: Path) -> list[float]:
    """What the disk alone takes, which nothing durable is quicker than: other programs use it too."""
    taken = []
    with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
        for _ in range(FLUSHES):
            file.write(bytes(FLUSHED_BYTES))
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append(1000 * (time.perf_counter() - started))
    return taken


def rows(path: Path) -> tuple[int, int]:
    """Events and jobs in a database that nobody has open."""
    with closing(sqlite3.connect(path)) as connection:
        events, jobs = (int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]) for table in ("event", "job"))
    return events, jobs


def apart(call: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """What `call` returns, called in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=_SPAWN) as pool:
        return pool.submit(call, *arguments, **options).result()


@contextmanager
def server(serve: Callable[..., None], *arguments: Any, **options: Any) -> Iterator[str]:
    """What `serve` says when it is ready, in a process of its own until SIGTERM. Its first argument is how to say it.

    Raises:
        EOFError: it ended without a word.
    """
    ours, theirs = _SPAWN.Pipe(duplex=False)
    process = _SPAWN.Process(target=serve, args=(theirs.send, *arguments), kwargs=options, daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join(STOP_SECONDS)
        ours.close()
