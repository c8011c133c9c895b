"""What no event told: at intervals a registry is asked what it holds, and what has no verdict is taken in."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from watcher.kit.clock import Clock, utc_now
from watcher.kit.units import seconds
from watcher.model.errors import RetryableError
from watcher.registry.protocol import Registries
from watcher.sources.context import Known
from watcher.sources.protocol import Health, Intake
from watcher.sources.sweep_pass import SweepPass
from watcher.sources.sweep_settings import SweepSourceSettings

log = structlog.get_logger(__name__)

# The first pass comes soon after the start, because what was pushed while nobody listened is what it is for.
FIRST_SECONDS = 30.0
# Sweeps of many registries, and of many watchers, drift apart.
JITTER = 0.1
# A pass that was cut off is taken up again after so long, if the next would not come sooner.
RESUME_SECONDS = 60.0


class SweepSource:
    """See `SourceContext`; `swept` is told of every pass that came to its end."""

    def __init__(
        self,
        settings: SweepSourceSettings,
        *,
        registries: Registries,
        known: Known,
        swept: Callable[[str, int], None],
        clock: Clock = utc_now,
        chance: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name = settings.name or "sweep"
        self.health = Health(problem="not started")
        self._scope = settings.scope
        self._every_seconds = seconds(settings.every)
        self._registries = registries
        self._known = known
        self._swept = swept
        self._clock = clock
        self._chance = chance
        self._sleep = sleep

    async def run(self, intake: Intake) -> None:
        """Sweep until cancelled. A pass that a registry cuts off is taken up again a minute later."""
        self.health.connected, self.health.problem = True, ""
        try:
            await self._sleep(min(FIRST_SECONDS, self._every_seconds) * self._chance())
            while True:
                ended = await self._pass(intake)
                pause = self._every_seconds if ended else min(RESUME_SECONDS, self._every_seconds)
                await self._sleep(pause * (1 + JITTER * (2 * self._chance() - 1)))
        finally:
            self.health.connected, self.health.problem = False, "stopped"

    async def _pass(self, intake: Intake) -> bool:
        """Whether it came to its end."""
        one = SweepPass(
            scope=self._scope,
            source=self.name,
            registries=self._registries,
            known=self._known,
            intake=intake,
            clock=self._clock,
        )
        try:
            report = await one.run()
        except RetryableError as error:
            # The registry, or our own disk; what was found before stays found.
            self.health.connected, self.health.problem = False, str(error)
            log.warning("sweep.interrupted", source=self.name, reason=error.reason, detail=str(error))
            return False
        self.health.connected, self.health.problem = True, "; ".join(report.problems[:3])
        if report.without_verdict:
            self.health.last_event_at = self._clock()
        for detail in report.unmatched:
            log.warning("sweep.unmatched", source=self.name, registry=self._scope.registry, detail=detail)
        for problem in report.problems:
            log.warning("sweep.incomplete", source=self.name, registry=self._scope.registry, detail=problem)
        log.info(
            "sweep.completed",
            source=self.name,
            registry=self._scope.registry,
            repositories=report.repositories,
            images=report.images,
            without_verdict=report.without_verdict,
            taken_in=report.taken_in,
            lost_tags=report.lost_tags,
            resumed=report.resumed,
        )
        self._swept(self.name, report.taken_in)
        return True
