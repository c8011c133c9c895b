"""One pass over one registry: repositories, their tags, what these lead to, and what of it nobody has judged.

A pass that was cut off is taken up where it was: what it has looked at is not looked at again.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from watcher.kit.clock import Clock, utc_now
from watcher.kit.glob import glob_match
from watcher.model.errors import AuthenticationError, InvalidReferenceError, PermanentError, RetryableError, WatcherError
from watcher.model.holding import Holding, LastLook, Look
from watcher.model.push import Push
from watcher.model.reference import Host, RepositoryName, parse_repository
from watcher.registry.protocol import Listing, Registries
from watcher.sources.context import Known
from watcher.sources.protocol import Intake
from watcher.sources.sweep_pass_look import Heads, Seen, look, lost_in, news_in, went, without_ours
from watcher.sources.sweep_settings import ALL, Scope

# One waits for its list while others wait for their tags.
REPOSITORIES_AT_ONCE = 4
# Repositories in a row that cannot be read, before it is the registry that cannot be.
MOST_TROUBLES = 3
# What a pass has looked at that was cut off longer ago is looked at again.
RESUMED_WITHIN = timedelta(days=1)
# Images that are taken in at a time.
TOGETHER = 500
# As many as a report names, and as many sentences of one kind as it has.
MOST_NAMED = 10_000
MOST_SENTENCES = 100


@dataclass(slots=True, kw_only=True)
class SweepReport:
    """What one pass saw. `images` have so many `names`, in each repository; `without_verdict` had none, or none under a tag, and
    `found` names the first of them; `taken_in` became new jobs.

    `lost_tags` are images that are known by a tag which leads elsewhere or nowhere: those are looked at again.
    `resumed` repositories were looked at before the pass was cut off, and are in no other number. `unmatched` are sentences about
    configured names and globs that nothing came of; `problems` are about what could not be read.
    """

    registry: Host
    repositories: int = 0
    images: int = 0
    names: int = 0
    lost_tags: int = 0
    without_verdict: int = 0
    found: list[Push] = field(default_factory=list)
    taken_in: int = 0
    resumed: int = 0
    unmatched: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def add_problem(self, sentence: str) -> None:
        """Beyond MOST_SENTENCES only that there are more."""
        if len(self.problems) < MOST_SENTENCES:
            self.problems.append(sentence)
        elif len(self.problems) == MOST_SENTENCES:
            self.problems.append("and more, which the ledger names")


@dataclass(slots=True, kw_only=True)
class SweepPass:
    """Looks through a registry once, and takes in what has no verdict, repository by repository.

    `source` is named in the verdicts of what is found; `name` is that of the pass, should it be cut off. `told` hears of the report
    after every repository. `report` is there from the start, and as far as it came when the pass is cut off.
    """

    scope: Scope
    source: str
    registries: Registries
    known: Known
    intake: Intake
    name: str = ""
    clock: Clock = utc_now
    told: Callable[[SweepReport], None] = lambda _report: None
    report: SweepReport = field(init=False)
    _heads: Heads = field(init=False)
    _listing: Listing = field(init=False)
    _matched: set[str] = field(init=False, default_factory=set)
    _has_ended: bool = field(init=False, default=False)
    _looks: Mapping[RepositoryName, LastLook] = field(init=False, default_factory=dict)
    # Could not be read before this pass was cut off; are in the catalogue no more.
    _failed: set[RepositoryName] = field(init=False, default_factory=set)
    _absent: set[RepositoryName] = field(init=False, default_factory=set)
    _failures: int = field(init=False, default=0)  # in a row
    _failure: RetryableError | None = field(init=False, default=None)
    _was_read: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.name = self.name or self.source
        self.report = SweepReport(registry=self.scope.registry)
        self._heads = Heads(self.scope.registry, self.registries)

    async def run(self) -> SweepReport:
        """Look. Of what cannot be read alone the report tells, and the pass goes on.

        Raises:
            RetryableError: the registry cannot be read now, or what was found could not be kept.
            ConfigurationError: its settings are wrong.
        """
        holdings, scope = self.known.holdings, scope_name(self.scope)
        self._listing = self.registries.listing(self.scope.registry)
        self._has_ended = await holdings.ended(self.name, scope) is not None
        self._looks = await holdings.looks(self.scope.registry)
        done = await self._resume(scope)
        try:
            async with asyncio.TaskGroup() as group:
                gate = asyncio.Semaphore(REPOSITORIES_AT_ONCE)
                async for repository in self._in_order():
                    if repository in done:
                        self.report.resumed += 1
                        self._matched.update(self._patterns(repository))
                        continue
                    await gate.acquire()
                    group.create_task(self._one(repository, gate), name=f"look-{repository}")
        except* WatcherError as several:
            raise _first(several) from None
        if self._failure is not None and not self._was_read and not done:
            raise self._failure
        await holdings.forget(self.scope.registry, [name for name, last in self._looks.items() if self._is_over(name, last)])
        await holdings.end(self.name, self.clock(), self.report.problems)
        self.report.unmatched += self._unmatched()
        return self.report

    async def _resume(self, scope: str) -> set[RepositoryName]:
        """What this pass has read already; it begins now where none was cut off."""
        now = self.clock()
        began = await self.known.holdings.begun(self.name, scope)
        if began is None or not timedelta(0) <= now - began < RESUMED_WITHIN:
            await self.known.holdings.begin(self.name, self.scope.registry, scope, now)
            return set()
        mine = {name: last for name, last in self._looks.items() if last.by == self.source and began <= last.at <= now}
        self._failed = {name for name, last in mine.items() if last.problem}
        return {*mine} - self._failed

    async def _in_order(self) -> AsyncIterator[RepositoryName]:
        """Those last that could not be read before the pass was cut off, so that they hide none of the others again."""
        failed = []
        async for repository in self._repositories():
            if repository in self._failed:
                failed.append(repository)
            else:
                yield repository
        for repository in failed:
            yield repository

    async def _one(self, repository: RepositoryName, gate: asyncio.Semaphore) -> None:
        try:
            seen = await self._seen(repository)
            if seen is not None:
                await self._compare(repository, seen)
            self.told(self.report)
        finally:
            gate.release()

    async def _seen(self, repository: RepositoryName) -> Seen | None:
        """None of one that cannot be read, which the report tells. Raises RetryableError when it is the registry that cannot be."""
        try:
            seen = await look(self.scope, repository, self._listing, self._heads)
        except (RetryableError, PermanentError) as error:
            if isinstance(error, AuthenticationError) and repository in self._absent:
                return Seen(untagged=set())  # so many registries say that there is none
            self.report.add_problem(f"{repository}: {error}")
            self._matched.update(self._patterns(repository))
            await self.known.holdings.looked(self._look(repository, problem=str(error)))
            if isinstance(error, RetryableError) and not isinstance(error, AuthenticationError):
                self._failure, self._failures = error, self._failures + (repository not in self._failed)
                if self._failures >= MOST_TROUBLES:
                    raise
            return None
        self._failures, self._was_read = 0, True
        if seen.problem:
            self.report.add_problem(f"{repository}: {seen.problem}")
        return seen

    async def _compare(self, repository: RepositoryName, seen: Seen) -> None:
        scope, report, holdings = self.scope, self.report, self.known.holdings
        judged = await self.known.judged(scope.registry, repository)
        await without_ours(seen, judged, self.known.ours)
        held, names = await holdings.held(scope.registry, repository), seen.holdings
        if names or seen.troubled:
            report.repositories += 1
            self._matched.update(self._patterns(repository))
            self._matched.update(f"tag {pattern}" for pattern in scope.tags if any(glob_match(tag, pattern) for tag in seen.tags))
        report.names += len(names)
        report.images += len({each.digest for each in names})
        news = news_in(scope, repository, seen, judged)
        report.without_verdict += len({push.digest for push in news})
        # What came since the last pass is as urgent as if it had been told; what was there before waits behind everything.
        is_known = self._has_ended and (bool(held) or repository not in self._looks or not self._looks[repository].problem)
        fresh = [push for push in news if is_known and _holding(push) not in held]
        await self._take_in(fresh, fresh=True)
        await self._take_in([push for push in news if not is_known or _holding(push) in held], fresh=False)
        if lost := lost_in(scope, repository, seen, judged):
            report.lost_tags += len(lost)
            await self.intake.found(self.source, lost)
        came, gone = names - held, went(scope, seen, held)
        await holdings.looked(self._look(repository, came=came, went=gone, problem=seen.problem))

    async def _take_in(self, news: Sequence[Push], *, fresh: bool) -> None:
        report = self.report
        report.found += news[: MOST_NAMED - len(report.found)]
        for start in range(0, len(news), TOGETHER):
            part = news[start : start + TOGETHER]
            accepted = await self.intake.found(self.source, part, fresh=fresh)
            report.taken_in += accepted.accepted

    def _look(self, repository: RepositoryName, **seen: Any) -> Look:
        return Look(registry=self.scope.registry, repository=repository, by=self.source, at=self.clock(), **seen)

    async def _repositories(self) -> AsyncIterator[RepositoryName]:
        """Each once: those that are named, those of the catalogue when there is a glob, and those that are there no more."""
        given: set[RepositoryName] = set()
        for name in self.scope.names:
            try:
                repository = parse_repository(name)
            except InvalidReferenceError as error:
                self.report.add_problem(str(error))
                continue
            if repository not in given:
                given.add(repository)
                yield repository
        if len(self.scope.names) == len(self.scope.repositories):
            return
        is_whole = True
        try:
            async for repository in self._listing.repositories():
                if repository not in given and self._is_wanted(repository):
                    given.add(repository)
                    yield repository
        except PermanentError as error:
            self.report.add_problem(str(error))
            is_whole = False
        for repository in self._looks:
            if repository not in given and self._is_wanted(repository):
                self._absent.update([repository] if is_whole else [])
                yield repository

    def _is_over(self, repository: RepositoryName, last: LastLook) -> bool:
        """Whether this sweep looked at it, and is not told to any more."""
        return last.by == self.source and not self.scope.wants(repository)

    def _is_wanted(self, repository: RepositoryName) -> bool:
        self._matched.update(f"exclude {pattern}" for pattern in self.scope.exclude if glob_match(repository, pattern))
        return self.scope.wants(repository)

    def _patterns(self, repository: RepositoryName) -> Sequence[str]:
        return [pattern for pattern in self.scope.repositories if glob_match(repository, pattern)]

    def _unmatched(self) -> Sequence[str]:
        """What was not seen by a pass that was cut off is not known of the rest."""
        scope, matched = self.scope, self._matched
        found = [f"no repository is called {each}" for each in scope.repositories if each not in matched and each != ALL]
        if not self.report.resumed:
            found += [f"no tag is called {each}" for each in scope.tags if f"tag {each}" not in matched and each != ALL]
            found += [f"{each} excludes nothing" for each in scope.exclude if f"exclude {each}" not in matched]
        return found


def scope_name(scope: Scope) -> str:
    """Another one for each scope; what was seen of one says little about another."""
    return hashlib.sha256(repr(scope).encode()).hexdigest()


def _holding(push: Push) -> Holding:
    assert push.digest is not None
    return Holding(digest=push.digest, tag=push.tag)


def _first(group: BaseExceptionGroup[Exception]) -> Exception:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, Exception)
    return error
