"""The second loop: lease → work → settle. As many jobs at a time as there are slots; what is begun is settled, or done again."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple, NoReturn

import structlog

from watcher.backlog.protocol import Backlog, Dead, Done, Job, Lane, Retry, Settlement
from watcher.model.errors import RetryableError
from watcher.model.reference import Host
from watcher.model.verdict import Outcome
from watcher.pipeline.draining import Draining
from watcher.pipeline.lanes import LONG_SECONDS, in_slots, open_lanes
from watcher.pipeline.outages import OUTAGES, Outages
from watcher.pipeline.settling import settled

log = structlog.get_logger(__name__)

IDLE_SECONDS = 1.0
RENEW_SECONDS = 15.0
OUTCOMES = frozenset(outcome.value for outcome in Outcome)


class _Work(NamedTuple):
    """A job under way, and since when by the clock of the loop."""

    job: Job
    task: asyncio.Task[None]
    begun: float


@dataclass(slots=True, kw_only=True)
class Jobs:
    """`work` does one job; whatever can go wrong with it is a settlement too.

    `outages` is of registries by host; a job of which `asks` is false needs none, unless it says that it met one. `done` is told
    (lane, result) of every job that is done, `buried` why one became a dead letter.
    """

    backlog: Backlog
    work: Callable[[Job], Awaitable[Settlement]]
    slots: int
    outages: Outages[Host] = field(default_factory=lambda: Outages(kind="registry"))
    asks: Callable[[Job], bool] = lambda _job: True
    done: Callable[[str, str], None] = lambda _lane, _result: None
    buried: Callable[[str], None] = lambda _reason: None
    renew_seconds: float = RENEW_SECONDS
    long_seconds: float = LONG_SECONDS
    _draining: Draining = field(default_factory=Draining, init=False)
    _running: dict[str, _Work] = field(default_factory=dict, init=False)  # by the job's id

    async def run(self, jobs: asyncio.TaskGroup) -> NoReturn:
        """Lease jobs until cancelled. They are worked on in `jobs`, and go on when this loop fails and is run again.

        Jobs under way when `jobs` is cancelled keep their lease and are released at the next start.
        """
        loop = asyncio.get_running_loop()
        while True:
            under_way = [(each.job.lane, loop.time() - each.begun) for each in self._running.values()]
            lanes = open_lanes(in_slots(under_way, long_seconds=self.long_seconds), slots=self.slots)
            leased = await self._lease(lanes) if lanes and not self._draining.closing else ()
            if not leased:
                await self.backlog.wait(IDLE_SECONDS)
            for job in leased:
                # One that we still work on without holding it any more is done by whom it comes to, which can be us.
                self._drop(job.id)
                if self.asks(job):
                    self.outages.begun(job.push.registry, job.id)
                self._running[job.id] = _Work(job, jobs.create_task(self._do(job), name=f"job-{job.id}"), loop.time())

    async def close(self, seconds: float) -> int:
        """Begin no more jobs, and give those under way so many seconds; how many there are then."""
        return await self._draining.close(self._running, seconds)

    async def renew(self) -> NoReturn:
        """Keep the leases of jobs under way until cancelled. A job that has passed to another holder is dropped."""
        while True:
            await asyncio.sleep(self.renew_seconds)
            try:
                lost = await self.backlog.renew(self._working())
            except RetryableError as error:
                log.warning("lease.unrenewed", reason=error.reason)
                continue
            for job in lost:
                # It may have been settled while we asked.
                if job.id in self._running and self._running[job.id].job is job:
                    self._drop(job.id)

    async def _lease(self, lanes: Sequence[Lane]) -> Sequence[Job]:
        return await self.backlog.lease(lanes, 1, working=self._working(), without=self.outages.closed())

    def _working(self) -> Sequence[Job]:
        return [each.job for each in self._running.values()]

    def _drop(self, job_id: str) -> None:
        work = self._running.pop(job_id, None)
        if work is not None:
            work.task.cancel()
            log.warning("lease.lost", job=job_id)

    def _say(self, job: Job, settlement: Settlement, dead: Dead | None) -> None:
        """No job ends unseen; a verdict has a line of its own."""
        push = job.push
        told = log.bind(image=f"{push.registry}/{push.repository}" + (f"@{push.digest}" if push.digest else f":{push.tag}"))
        if dead is not None:
            told.error("job.given_up", reason=dead.reason, detail=dead.detail, attempt=job.attempt)
            self.buried(dead.reason)
        elif isinstance(settlement, Done):
            self.done(job.lane.value, settlement.result)
            if settlement.result not in OUTCOMES:
                told.info("job.done", result=settlement.result, tags=list(job.tags), source=job.source)
        else:
            told.warning("job.postponed", reason=settlement.reason, detail=settlement.detail, attempt=job.attempt)

    async def _do(self, job: Job) -> None:
        try:
            with structlog.contextvars.bound_contextvars(job=job.id):
                settlement = self._together(job, await self._worked(job))
                settle = partial(self.backlog.settle, job, settlement)
                # Meanwhile the lease is kept; should it pass to another, this is cancelled.
                dead = await settled(settle, told=log, event="job.unsettled")
                self._say(job, settlement, dead)
        except Exception:  # by a mistake of ours, which must not end the jobs beside it
            # The lease runs out by itself and the job is done again, which is harmless.
            log.exception("job.unsettled", job=job.id)
        finally:
            self.outages.given_up(job.push.registry, job.id)
            # What has passed to another holder is his.
            if job.id in self._running and self._running[job.id].job is job:
                del self._running[job.id]
                self._draining.ended()

    async def _worked(self, job: Job) -> Settlement:
        try:
            return await self.work(job)
        except RetryableError as error:
            seconds = error.retry_after_seconds
            return Retry(reason=error.reason, detail=str(error), delay_seconds=seconds, outside=error.outside)

    def _together(self, job: Job, settlement: Settlement) -> Settlement:
        """What met a registry that does not answer waits for it together with all others."""
        retry = settlement if isinstance(settlement, Retry) else None
        reason, asked = (retry.reason, retry.delay_seconds) if retry else ("", None)
        if not self.asks(job) and reason not in OUTAGES:
            return settlement  # that it was done says nothing of its registry
        seconds = self.outages.ended(job.push.registry, job.id, reason, asked)
        return settlement if retry is None or seconds is None else replace(retry, delay_seconds=seconds)
