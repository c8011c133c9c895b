"""The second loop: lease → work → settle. As many jobs at a time as there are slots; what is begun is settled, or done again."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NoReturn

import structlog

from watcher.backlog.protocol import Backlog, Dead, Job, Retry, Settlement
from watcher.model.errors import RetryableError
from watcher.pipeline.lanes import open_lanes

log = structlog.get_logger(__name__)

IDLE_SECONDS = 1.0
RENEW_SECONDS = 15.0


@dataclass(slots=True, kw_only=True)
class Jobs:
    """`work` does one job; whatever can go wrong with it is a settlement too."""

    backlog: Backlog
    work: Callable[[Job], Awaitable[Settlement]]
    slots: int
    _running: dict[str, Job] = field(default_factory=dict, init=False)  # by id, each as it was leased last

    async def run(self, jobs: asyncio.TaskGroup) -> NoReturn:
        """Lease jobs until cancelled. They are worked on in `jobs`, and go on when this loop fails and is run again.

        Jobs under way when `jobs` is cancelled keep their lease and are released at the next start.
        """
        while True:
            lanes = open_lanes((job.lane for job in self._running.values()), slots=self.slots)
            leased = await self.backlog.lease(lanes, 1) if lanes else ()
            if not leased:
                await self.backlog.wait(IDLE_SECONDS)
            for job in leased:
                # A lease that ran out under us (the process was paused, the disk full) comes back to us: the work that is
                # under way goes on, and settles the new lease.
                under_way = job.id in self._running
                self._running[job.id] = job
                if not under_way:
                    jobs.create_task(self._do(job), name=f"job-{job.id}")

    async def renew(self) -> NoReturn:
        """Keep the leases of jobs under way until cancelled."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                await self.backlog.renew(tuple(self._running))
            except RetryableError as error:
                log.warning("lease.unrenewed", reason=error.reason)

    async def _do(self, job: Job) -> None:
        try:
            with structlog.contextvars.bound_contextvars(job=job.id):
                settlement = await self.work(job)
                if isinstance(settlement, (Retry, Dead)):
                    log.warning("job.postponed", reason=settlement.reason, detail=settlement.detail, attempt=job.attempt)
                await self.backlog.settle(self._running[job.id], settlement)
        except RetryableError as error:
            # The lease runs out by itself and the job is done again, which is harmless.
            log.warning("job.unsettled", job=job.id, reason=error.reason, detail=str(error))
        except Exception:  # the same, by a mistake of ours, which must not end the jobs beside it
            log.exception("job.unsettled", job=job.id)
        finally:
            del self._running[job.id]
