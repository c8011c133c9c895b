"""What must run is run again, whatever it ended with, and this is said; its neighbours go on meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import NoReturn

import structlog

from watcher.kit.backoff import Backoff
from watcher.model.errors import ConfigurationError, RetryableError, WatcherError

log = structlog.get_logger(__name__)

FIRST_DELAY_SECONDS = 1.0
# What comes back is used again within a minute, and what never does costs one try a minute.
LONGEST_DELAY_SECONDS = 60.0
# As long as the longest wait: a part that starts, fails and starts again is down all the time, not up and down by turns.
STEADY_SECONDS = LONGEST_DELAY_SECONDS


class EndedError(WatcherError):
    """What must run until it is cancelled has ended by itself. A listener that stops quietly is an outage."""

    reason = "ended"


class Supervisor:
    """Keeps the parts of one process running.

    A part is up when it is begun. It is down from the moment it fails until it has run for STEADY_SECONDS again. `counted` is
    told the part of every failure, `shown` (part, whether it is up) at the beginning and at every change.
    """

    def __init__(
        self, *, counted: Callable[[str], None], shown: Callable[[str, bool], None], backoff: Backoff | None = None
    ) -> None:
        self._counted = counted
        self._shown = shown
        self._backoff = backoff or Backoff(first_seconds=FIRST_DELAY_SECONDS, longest_seconds=LONGEST_DELAY_SECONDS)
        self._down: dict[str, tuple[str, str]] = {}

    def down(self) -> Mapping[str, str]:
        """The parts that are down, each with the word for why: the `reason` of our own errors, the class of others."""
        return {part: reason for part, (reason, _) in self._down.items()}

    async def keep(self, part: str, run: Callable[[], Awaitable[object]], *, backoff: Backoff | None = None) -> NoReturn:
        """Run `run` again and again until cancelled. It fails when it raises, and when it ends.

        `backoff` is for what passes by itself, where that is known better than in general.
        Only an Exception is a failure of the part; anything beyond, as KeyboardInterrupt, is meant for the process.
        """
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        failures = 0

        def steady() -> None:
            nonlocal failures
            failures = 0
            self._recovered(part)

        self._shown(part, True)
        while True:
            timer = loop.call_later(STEADY_SECONDS, steady)
            try:
                await guard(part, run())
            except Exception as error:
                if task.cancelling():
                    # It failed at its own end, which must not keep the process from ending.
                    log.warning("part.interrupted", part=part, exc_info=error)
                    raise asyncio.CancelledError from error
                failures += 1
                delay = self._failed(part, error, failures, backoff or self._backoff)
            finally:
                timer.cancel()
            await asyncio.sleep(delay)

    def _failed(self, part: str, error: Exception, failures: int, backoff: Backoff) -> float:
        """Say it, if it is news; the seconds to wait."""
        cause = _cause(error)
        lasting = isinstance(cause, ConfigurationError)  # trying sooner would change nothing: a person has to
        delay = self._backoff.longest() if lasting else backoff.after(failures)
        reason = cause.reason if isinstance(cause, WatcherError) else type(cause).__name__
        # Two things to put right are two things to tell; of what passes by itself, the kind is enough.
        trouble = (reason, str(cause) if lasting else "")
        told = log.bind(part=part, reason=reason, again_seconds=round(delay, 1))
        self._counted(part)
        if self._down.get(part) == trouble:
            told.debug("part.failed")
            return delay
        self._down[part] = trouble
        self._shown(part, False)
        if isinstance(cause, RetryableError):
            told.warning("part.failed", detail=str(cause))
        elif isinstance(cause, WatcherError):
            told.error("part.failed", detail=str(cause))
        else:
            told.error("part.failed", exc_info=error)
        return delay

    def _recovered(self, part: str) -> None:
        if self._down.pop(part, None) is not None:
            self._shown(part, True)
            log.info("part.recovered", part=part)


async def guard(part: str, forever: Awaitable[object]) -> NoReturn:
    """Await what must not end before it is cancelled.

    Raises:
        EndedError: it ended, or was cancelled by something within itself while nobody cancelled this task.
    """
    try:
        await forever
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise EndedError(f"{part} was cancelled from within") from error
    raise EndedError(f"{part} has ended, which it must not before it is cancelled")


def _cause(error: Exception) -> Exception:
    """The first error of a group: what a TaskGroup raises names the task that failed, and the others were cancelled for it."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
