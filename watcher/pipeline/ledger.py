"""The proof of completeness: what registries hold, minus what has a verdict, and for each of the rest why it has none.

What registries hold is what sweeps saw there last; what was pushed since is not in it yet.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from watcher.backlog.protocol import BacklogReader, JobRow
from watcher.model.ledger import HeldImage, HeldRepository, HeldVerdict, LedgerEntry, LedgerLine, LedgerState
from watcher.model.reference import Host, RepositoryName
from watcher.model.verdict import Outcome
from watcher.pipeline.protocol import HeldImages

# How often the totals are counted; less often where that takes long, so that it is a twentieth of the time.
COUNT_SECONDS = 15.0
LEISURE = 20
GIVEN_UP = "dead"
_WORSE = (LedgerState.JUDGED, LedgerState.OUTDATED, LedgerState.CANNOT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """`Completeness` of watcher/api/context.py. `policy_revision` names the policies in force, '' where nobody knows them."""

    held: HeldImages
    jobs: BacklogReader
    policy_revision: Callable[[], str]

    async def lines(
        self,
        *,
        registry: Host | None = None,
        after: tuple[Host, RepositoryName] | None = None,
        limit: int = 100,
    ) -> Sequence[LedgerLine]:
        """One for each repository that was looked at, in order of registry and repository, beginning after `after`."""
        held = await self.held.repositories(self.policy_revision(), registry=registry, after=after, limit=limit)
        jobs = await self._jobs([(each.registry, each.repository) for each in held])
        return [_line(each, jobs[each.registry, each.repository]) for each in held]

    async def entries(self, registry: Host, repository: RepositoryName) -> Sequence[LedgerEntry]:
        """Every image of a repository, in order of digest."""
        held, revision = await self.held.images(registry, repository), self.policy_revision()
        jobs = (await self._jobs([(registry, repository)]))[registry, repository]
        return [_entry(each, jobs.get(each.digest), revision) for each in held]

    async def count(self, shown: Callable[[Mapping[str, tuple[int, int]]], None]) -> NoReturn:
        """Show how many images there are, and without a verdict, again and again until cancelled."""
        while True:
            began = time.monotonic()
            shown(await self.held.totals())
            await asyncio.sleep(max(COUNT_SECONDS, LEISURE * (time.monotonic() - began)))

    async def _jobs(
        self, places: Sequence[tuple[Host, RepositoryName]]
    ) -> Mapping[tuple[Host, RepositoryName], Mapping[str, JobRow]]:
        """What waits or was given up, by place and digest. Of several jobs about one image one that waits."""
        found = defaultdict[tuple[Host, RepositoryName], dict[str, JobRow]](dict)
        for job in await self.jobs.unsettled(places):
            of_place = found[Host(job.registry), RepositoryName(job.repository)]
            if job.digest not in of_place or job.state != GIVEN_UP:
                of_place[job.digest] = job
        return found


def _line(held: HeldRepository, jobs: Mapping[str, JobRow]) -> LedgerLine:
    given_up = sum(digest in jobs and jobs[digest].state == GIVEN_UP for digest in held.unjudged)
    return LedgerLine(
        registry=held.registry,
        repository=held.repository,
        looked_at=held.looked_at,
        problem=held.problem,
        judged=held.judged,
        outdated=held.outdated,
        waiting=len(held.unjudged) - given_up,
        cannot=held.undecided + given_up,
        without_verdict=len(held.unjudged),
    )


def _entry(held: HeldImage, job: JobRow | None, policy_revision: str) -> LedgerEntry:
    if not held.verdicts:
        if job is not None:
            return _of_job(held, job)
        reason = held.missing or "seen by a sweep, no job yet"
        return LedgerEntry(digest=held.digest, tags=held.tags, state=LedgerState.WAITING, since=held.since, reason=reason)
    # Of several environments the one in which it stands worst.
    state, said = max(((_state(each, policy_revision), each) for each in held.verdicts), key=lambda each: _WORSE.index(each[0]))
    reason = said.reason
    if state is LedgerState.OUTDATED:
        reason = _why(job) if job is not None else ""
    return LedgerEntry(
        digest=held.digest, tags=held.tags, state=state, since=said.evaluated_at, outcome=said.outcome, reason=reason
    )


def _state(said: HeldVerdict, policy_revision: str) -> LedgerState:
    if said.outcome is Outcome.UNKNOWN and said.reason:
        return LedgerState.CANNOT
    if policy_revision not in {"", said.policy_revision} and said.outcome is not Outcome.NOT_APPLICABLE:
        return LedgerState.OUTDATED
    return LedgerState.JUDGED


def _of_job(held: HeldImage, job: JobRow) -> LedgerEntry:
    is_given_up = job.state == GIVEN_UP
    return LedgerEntry(
        digest=held.digest,
        tags=held.tags,
        state=LedgerState.CANNOT if is_given_up else LedgerState.WAITING,
        since=job.settled_at if is_given_up and job.settled_at is not None else job.received_at,
        reason=_why(job),
    )


def _why(job: JobRow) -> str:
    """Why it is not done yet, or was given up."""
    why = f"{job.reason}: {job.detail}" if job.detail else job.reason or f"in the lane {job.lane}"
    return f"given up: {why}" if job.state == GIVEN_UP else why
