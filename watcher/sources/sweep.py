"""What no event told: at intervals a registry is asked what it holds, and what has no verdict is taken in."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from watcher.kit.clock import Clock, utc_now
from watcher.kit.units import seconds
from watcher.model.errors import RetryableError
from watcher.registry.protocol import Registries
from watcher.sources.context import Judged
from watcher.sources.protocol import Health, Intake
from watcher.sources.sweep_pass import sweep
from watcher.sources.sweep_settings import SweepSourceSettings

log = structlog.get_logger(__name__)

# The first pass comes soon after the start, because what was pushed while nobody listened is what it is for.
FIRST_SECONDS = 30.0
# Sweeps of many registries, and of many watchers, drift apart.
JITTER = 0.1


class SweepSource:
    """See `SourceContext`; `swept` is told of every pass that came to its end."""

    def __init__(
        self,
        settings: SweepSourceSettings,
        *,
        registries: Registries,
        judged: Judged,
        swept: Callable[[str, int, int], None],
        clock: Clock = utc_now,
        chance: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name = settings.name or "sweep"
        self.health = Health(problem="not started")
        self._scope = settings.scope
        self._every_seconds = seconds(settings.every)
        self._registries = registries
        self._judged = judged
        self._swept = swept
        self._clock = clock
        self._chance = chance
        self._sleep = sleep

    async def run(self, intake: Intake) -> None:
        """Sweep until cancelled. A registry that cannot be read is swept again after the same time."""
        self.health.connected, self.health.problem = True, ""
        try:
            await self._sleep(min(FIRST_SECONDS, self._every_seconds) * self._chance())
            while True:
                await self._pass(intake)
                await self._sleep(self._every_seconds * (1 + JITTER * (2 * self._chance() - 1)))
        finally:
            self.health.connected, self.health.problem = False, "stopped"

    async def _pass(self, intake: Intake) -> None:
        try:
            report = await sweep(self._scope, self.name, self._registries, self._judged, intake)
        except RetryableError as error:
            # The registry, or our own disk; what was found before stays found.
            self.health.connected, self.health.problem = False, str(error)
            log.warning("sweep.interrupted", source=self.name, reason=error.reason, detail=str(error))
            return
        self.health.connected, self.health.problem = True, "; ".join(report.problems[:3])
        if report.found:
            self.health.last_event_at = self._clock()
        for pattern in report.unmatched:
            log.warning("sweep.unmatched", source=self.name, registry=self._scope.registry, pattern=pattern)
        for problem in report.problems:
            log.warning("sweep.incomplete", source=self.name, registry=self._scope.registry, detail=problem)
        log.info(
            "sweep.completed",
            source=self.name,
            registry=self._scope.registry,
            repositories=report.repositories,
            images=report.images,
            without_verdict=len(report.found),
            taken_in=report.taken_in,
            lost_tags=report.lost_tags,
        )
        self._swept(self.name, len(report.found), report.taken_in)
