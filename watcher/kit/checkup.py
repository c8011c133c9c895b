"""Looking a thing over step by step: each within a time, and none whose ground has given way."""

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from watcher.model.errors import WatcherError

# As long as a person waits for one line.
STEP_SECONDS = 10.0


class Result(StrEnum):
    """What a step came to. A warning keeps nothing from working today."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was seen; `advice` is what to do about it, empty where there is nothing to do."""

    detail: str
    result: Result = Result.OK
    advice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of a checkup."""

    name: str
    found: Found


def unexpected(error: Exception) -> Found:
    """What comes of a mistake of ours: of which type it is, and where. Its text may quote what nobody may read."""
    *_, last = traceback.extract_tb(error.__traceback__)
    place = f"{Path(last.filename).name}, line {last.lineno}"
    detail = f"could not be finished: {type(error).__name__} in {place}"
    return Found(detail=detail, result=Result.FAILED, advice="a mistake of ours: report it, with this line and the version")


Look = Callable[[], Awaitable[Found]]
Advise = Callable[[str, WatcherError], str]
"""`advise(step, error)`: what to do when that step failed with that, empty where it is not known."""


class Checkup:
    """The steps taken so far, in order. Whatever one raises, it has failed with that, and the others are taken."""

    def __init__(self, *, advise: Advise = lambda _step, _error: "", limit_seconds: float = STEP_SECONDS) -> None:
        self.steps: list[Step] = []
        self._advise = advise
        self._limit_seconds = limit_seconds

    async def step(self, name: str, look: Look, *, after: Sequence[str] = ()) -> Result:
        """Take a step, unless one of those that it comes `after` failed or was skipped. At most `limit_seconds`."""
        missing = next((each for each in after if not self._holds(each)), None)
        if missing is not None:
            return self.note(name, Found(detail=f"needs {missing}", result=Result.SKIPPED))
        try:
            async with asyncio.timeout(self._limit_seconds):
                found = await look()
        except TimeoutError:
            late = f"no answer within {self._limit_seconds:g} s"
            found = Found(detail=late, result=Result.FAILED, advice="see whether a firewall drops the packets, or try again")
        except WatcherError as error:
            found = Found(detail=str(error), result=Result.FAILED, advice=self._advise(name, error))
        except Exception as error:  # noqa: BLE001  the boundary of one step
            found = unexpected(error)
        return self.note(name, found)

    def note(self, name: str, found: Found) -> Result:
        """Add a line about what needs no looking at."""
        self.steps.append(Step(name=name, found=found))
        return found.result

    @property
    def failed(self) -> bool:
        return any(step.found.result is Result.FAILED for step in self.steps)

    def _holds(self, name: str) -> bool:
        return any(step.name == name and step.found.result in {Result.OK, Result.WARNING} for step in self.steps)
