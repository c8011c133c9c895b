"""The fourth loop: what verdicts rest on has become another, so images that were judged are judged again.

They are put into the backlog, in a lane of their own, and are then jobs like any other; what is stored of them takes the place of
their registry (watcher/pipeline/stored_images.py). What was put and what was done survives a restart; the same again does no harm.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import NoReturn

import structlog

from watcher.backlog.protocol import Arrival, Inbox, Lane
from watcher.kit.clock import Clock
from watcher.kit.units import seconds
from watcher.model.digest import Digest
from watcher.model.moments import iso, moment_of
from watcher.model.push import Push, Pushed
from watcher.model.reference import Host, RepositoryName
from watcher.model.standing import StandingSubject
from watcher.model.verdict import REEVALUATION
from watcher.pipeline.environments import EnvironmentSettings, environment_of
from watcher.pipeline.protocol import Changes, Marks, Standing
from watcher.pipeline.reevaluate_settings import ReevaluateSettings
from watcher.store.protocol import Holder, PackageIndex, PackageName

log = structlog.get_logger(__name__)

LOOK_SECONDS = 5.0
# Jobs that are put at a time: a push waits for them a few milliseconds.
TOGETHER = 100
# Images of one page; a page is read in milliseconds.
PAGE = 500
# The mark that names the policies in force, and what it says instead while everything is put to be judged by them.
POLICIES = "policy"
UNFINISHED = "unfinished"
# Indexes within indexes, as deep as they are looked into.
MOST_ABOVE = 4

Target = tuple[Host, RepositoryName, Digest, str | None]
"""(registry, repository, digest, environment where it is not that of the configuration)."""


@dataclass(slots=True, kw_only=True)
class Reevaluation:
    """`policy_revision` names the policies in force. `counted` hears (cause, how many images are to be judged again)."""

    settings: ReevaluateSettings
    inbox: Inbox
    standing: Standing
    packages: PackageIndex
    marks: Marks
    advisories: Changes
    policy_revision: Callable[[], str]
    environments: Sequence[EnvironmentSettings]
    clock: Clock
    counted: Callable[[str, int], None] = lambda _cause, _images: None
    aged: Callable[[float | None], None] = lambda _seconds: None

    async def run(self) -> NoReturn:
        """Look for what has changed until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> int:
        """Put a job for everything that has to be judged again, and say how many images that are.

        How far it came is noted when all jobs are put: what is cut off in between is put once more.
        """
        known, now = await self.marks.marks(), self.clock()
        oldest = await self.advisories.oldest()
        self.aged((now - oldest).total_seconds() if oldest is not None else None)
        present = {POLICIES: self.policy_revision(), "advisories": await self.advisories.revision()}
        # Nothing is noted yet: what is there to be judged again was judged by what there is now.
        first = {POLICIES: present[POLICIES], "advisories": ""}
        before = {name: known.get(name, first[name]) for name in present}
        begun = moment_of(known.get("schedule", "")) or now
        every = seconds(self.settings.every)
        due = every > 0 and now - begun >= timedelta(seconds=every)
        changed = {name for name in present if present[name] != before[name]}
        cause, found = await self._concerned(changed, before["advisories"], due=due)
        if found is not None and POLICIES in changed:
            # Policies can come back: were this cut off, those of before would look as if nothing had been judged by others.
            await self.marks.put_mark(POLICIES, UNFINISHED)
        count = await self._put(found) if found is not None else 0
        noted = {name: present[name] for name in present if known.get(name) != present[name]}
        if "schedule" not in known or due or cause in {"policy", "all-advisories"}:
            noted["schedule"] = iso(now)
        for name, value in noted.items():
            await self.marks.put_mark(name, value)
        if cause:
            self.counted(cause, count)
            log.info("reevaluation.begun", cause=cause, images=count)
        return count

    async def _concerned(self, changed: Collection[str], before: str, *, due: bool) -> tuple[str, AsyncIterator[Target] | None]:
        """Why, and which images; the widest cause where there are several."""
        if POLICIES in changed and self.settings.on_policy_change:
            return "policy", self._all()
        if due:
            return "schedule", self._all()
        if "advisories" in changed and self.settings.on_advisory_change:
            names = await self.advisories.changed_since(before) if before else None
            if names is None:
                return "all-advisories", self._all()
            return "advisories", self._holding(names)
        return "", None

    async def _all(self) -> AsyncIterator[Target]:
        after = 0
        while page := await self.standing.subjects(after=after, limit=PAGE):
            for each in page:
                if each.lasting and each.index is None:
                    yield self._target(each)
            after = page[-1].number

    async def _holding(self, names: Iterable[tuple[str, str, str]]) -> AsyncIterator[Target]:
        wanted = [PackageName(type=kind, name=name, distro=distro) for kind, name, distro in names]
        for holder in await self.packages.holders(wanted):
            for digest in [await self._outermost(holder, index) for index in sorted(holder.indexes)] or [holder.digest]:
                yield self._target(replace(holder, digest=digest))

    async def _outermost(self, holder: Holder, index: Digest) -> Digest:
        """An index is judged with all that it lists, so one that lists it too is judged in its place."""
        for _ in range(MOST_ABOVE):
            known = await self.standing.known(holder.registry, holder.repository, index)
            if known is None or known.index is None:
                break
            index = known.index
        return index

    def _target(self, subject: StandingSubject | Holder) -> Target:
        configured = environment_of(self.environments, subject.registry, subject.repository)
        asked = subject.environment if subject.environment != configured else None
        return subject.registry, subject.repository, subject.digest, asked

    async def _put(self, found: AsyncIterator[Target]) -> int:
        seen: set[Target] = set()
        waiting: list[Target] = []
        async for target in found:
            if target not in seen:
                seen.add(target)
                waiting.append(target)
            if len(waiting) >= TOGETHER:
                await self._put_together(waiting)
                waiting = []
        await self._put_together(waiting)
        return len(seen)

    async def _put_together(self, targets: Sequence[Target]) -> None:
        if not targets:
            return
        now = self.clock()
        await self.inbox.put(
            [
                Arrival(
                    source=REEVALUATION,
                    decision=Pushed(push=Push(registry=registry, repository=repository, digest=digest)),
                    delivery_key=None,
                    received_at=now,
                    lane=Lane.REEVALUATE,
                    environment=environment,
                    is_news=False,
                )
                for registry, repository, digest, environment in targets
            ]
        )
