"""Between inspection and judgement: what is known about an image beyond its bytes, by everybody who is configured to know."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog

from watcher.model.errors import TooLargeError, WatcherError
from watcher.model.inventory import Inventory
from watcher.model.knowledge import Knowledge
from watcher.model.verdict import INSPECTED, Section, SectionState, Subject
from watcher.pipeline.protocol import Gatherer

log = structlog.get_logger(__name__)

# A push waits for it. Whoever asks another service has its own, shorter limits.
GATHER_SECONDS = 10.0
# Ten thousand vulnerabilities, each with its package, take about half of it.
MAX_DOCUMENT_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathering:
    """All gatherers. They are asked at the same time; what they bring stands in their order.

    Raises:
        ValueError: two of them answer for one section, or one for a section of the inspection.
    """

    gatherers: Sequence[Gatherer] = ()
    timeout_seconds: float = GATHER_SECONDS

    def __post_init__(self) -> None:
        taken = dict.fromkeys(INSPECTED, "inspection")
        for gatherer in self.gatherers:
            for section in gatherer.sections:
                if section in taken:
                    raise ValueError(f"section {section!r} of {gatherer.name} is that of {taken[section]}")
                taken[section] = gatherer.name

    async def known(self, subject: Subject, inventory: Inventory) -> tuple[Knowledge, ...]:
        """What each brings. One that fails, or takes too long, says of its sections that they are missing, and why."""
        async with asyncio.TaskGroup() as group:
            asked = [
                group.create_task(self._asked(gatherer, subject, inventory), name=f"gather-{gatherer.name}")
                for gatherer in self.gatherers
            ]
        return tuple(task.result() for task in asked)

    async def _asked(self, gatherer: Gatherer, subject: Subject, inventory: Inventory) -> Knowledge:
        try:
            async with asyncio.timeout(self.timeout_seconds) as limit:
                return _heard(gatherer, await gatherer.gather(subject, inventory))
        except WatcherError as error:
            return _nothing(gatherer, str(error), error.reason)
        except Exception as error:  # whatever it is, an image is judged without what was not gathered, never as if all were well
            if limit.expired():
                return _nothing(gatherer, f"no answer within {self.timeout_seconds:g} s", "timed-out")
            log.exception("gatherer.crashed", gatherer=gatherer.name)
            return _nothing(gatherer, type(error).__name__, "internal")


def _heard(gatherer: Gatherer, brought: Knowledge) -> Knowledge:
    if len(brought.document) > MAX_DOCUMENT_BYTES:
        raise TooLargeError(f"brought {len(brought.document)} bytes, at most {MAX_DOCUMENT_BYTES} are read")
    silent = Section(state=SectionState.MISSING, reason=f"{gatherer.name} says nothing of it")
    return replace(
        brought,
        sections={name: brought.sections.get(name, silent) for name in gatherer.sections},
        data_revision=f"{gatherer.name}:{brought.data_revision}" if brought.data_revision else "",
    )


def _nothing(gatherer: Gatherer, detail: str, reason: str) -> Knowledge:
    log.warning("gatherer.failed", gatherer=gatherer.name, reason=reason, detail=detail)
    missing = Section(state=SectionState.MISSING, reason=f"{gatherer.name}: {detail}")
    return Knowledge(sections=dict.fromkeys(gatherer.sections, missing))
