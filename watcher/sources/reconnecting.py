"""A source that listens on one connection after the other, for as long as it runs."""

import asyncio
from collections.abc import Awaitable, Callable

from watcher.kit.backoff import Backoff
from watcher.model.errors import ConfigurationError
from watcher.sources.condition import Condition
from watcher.sources.protocol import SourceError

# Between two attempts to hear of anything. What restarts is back within the first.
BACKOFF = Backoff(first_seconds=0.5, longest_seconds=60.0)
# A connection that held this long was a good one: the next failure is a new one.
GOOD_SECONDS = 30.0


class Reconnecting:
    """For one source. `failures` are those in a row."""

    def __init__(self, condition: Condition) -> None:
        self.failures = 0
        self._condition = condition

    async def keep(self, listen: Callable[[], Awaitable[None]]) -> None:
        """Listen again and again until cancelled. `listen` ends with SourceError or ConfigurationError, in groups or alone."""
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            problem = await _end_of(listen)
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise asyncio.CancelledError  # a TaskGroup that fails in the same moment keeps it to itself
            if loop.time() - started > GOOD_SECONDS:
                self.failures = 0
            self._condition.heard_nothing(problem)
            self.failures += 1
            await asyncio.sleep(BACKOFF.after(self.failures))


async def _end_of(listen: Callable[[], Awaitable[None]]) -> SourceError | ConfigurationError:
    problem: BaseException | None = None
    try:
        await listen()
    except* (SourceError, ConfigurationError) as failed:
        problem = failed
    while isinstance(problem, BaseExceptionGroup):
        problem = problem.exceptions[0]
    assert isinstance(problem, (SourceError, ConfigurationError)), "a listener that stops quietly is an outage"
    return problem
