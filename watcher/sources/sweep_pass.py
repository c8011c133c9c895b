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
from watcher.model.errors import AuthenticationError, InvalidReferenceError, PermanentError, RetryableError
from watcher.model.holding import Holding, LastLook, Look
from watcher.model.push import Push
from watcher.model.reference import Host, RepositoryName, parse_repository
from watcher.registry.protocol import CatalogUnavailableError, Listing, Registries
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
    """What one pass saw. `without_verdict` images had none, or none under that tag, and `found` names the first of them; of those
    `taken_in` became new jobs.

    `lost_tags` are images that are known by a tag which leads elsewhere or nowhere: those are looked at again.
    `resumed` repositories were looked at before the pass was cut off, and are in no other number. `unmatched` are sentences about
    configured names and globs that nothing came of; `problems` are about what could not be read.
    """

    registry: Host
    repositories: int = 0
    images: int = 0
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
    _troubles: list[RetryableError] = field(init=False, default_factory=list)  # in a row
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
        looks = await holdings.looks(self.scope.registry)
        done = await self._resumed(looks, scope)
        try:
            async with asyncio.TaskGroup() as group:
                gate = asyncio.Semaphore(REPOSITORIES_AT_ONCE)
                async for repository in self._repositories(looks):
                    if repository in done:
                        self.report.resumed += 1
                        self._matched.update(self._patterns(repository))
                        continue
                    await gate.acquire()
                    group.create_task(self._one(repository, gate), name=f"look-{repository}")
        except* RetryableError as several:
            raise _first(several) from None
        if self._troubles and not self._was_read:
            raise self._troubles[-1]
        await holdings.forget(self.scope.registry, [name for name, last in looks.items() if self._is_over(name, last)])
        await holdings.end(self.name, self.clock())
        self.report.unmatched += self._unmatched()
        return self.report

    async def _resumed(self, looks: Mapping[RepositoryName, LastLook], scope: str) -> set[RepositoryName]:
        """What this pass has looked at already; it begins now where none was cut off."""
        now = self.clock()
        began = await self.known.holdings.begun(self.name, scope)
        if began is None or not timedelta(0) <= now - began < RESUMED_WITHIN:
            await self.known.holdings.begin(self.name, scope, now)
            return set()
        return {name for name, last in looks.items() if last.by == self.source and last.at >= began}

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
            self.report.add_problem(f"{repository}: {error}")
            self._matched.update(self._patterns(repository))
            if isinstance(error, RetryableError) and not isinstance(error, AuthenticationError):
                self._troubles.append(error)
                if len(self._troubles) >= MOST_TROUBLES:
                    raise
            await self.known.holdings.looked(self._look(repository, problem=str(error)))
            return None
        self._troubles, self._was_read = [], True
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
        report.images += len(names)
        news = news_in(scope, repository, seen, judged)
        # What came since the last pass is as urgent as if it had been told; what was there before waits behind everything.
        fresh = [push for push in news if self._has_ended and _holding(push) not in held]
        await self._take_in(fresh, fresh=True)
        await self._take_in([push for push in news if not self._has_ended or _holding(push) in held], fresh=False)
        if lost := lost_in(scope, repository, seen, judged):
            report.lost_tags += len(lost)
            await self.intake.found(self.source, lost)
        came, gone = names - held, went(scope, seen, held)
        await holdings.looked(self._look(repository, came=came, went=gone, problem=seen.problem))

    async def _take_in(self, news: Sequence[Push], *, fresh: bool) -> None:
        report = self.report
        report.without_verdict += len(news)
        report.found += news[: MOST_NAMED - len(report.found)]
        for start in range(0, len(news), TOGETHER):
            part = news[start : start + TOGETHER]
            accepted = await self.intake.found(self.source, part, fresh=fresh)
            report.taken_in += accepted.accepted

    def _look(self, repository: RepositoryName, **seen: Any) -> Look:
        return Look(registry=self.scope.registry, repository=repository, by=self.source, at=self.clock(), **seen)

    async def _repositories(self, looks: Mapping[RepositoryName, LastLook]) -> AsyncIterator[RepositoryName]:
        """Each once: those that are named, those of the catalogue when there is a glob, and those that are there no more."""
        given: set[RepositoryName] = set()
        for name in filter(_is_name, self.scope.repositories):
            try:
                repository = parse_repository(name)
            except InvalidReferenceError as error:
                self.report.add_problem(str(error))
                continue
            if repository not in given:
                given.add(repository)
                yield repository
        if all(map(_is_name, self.scope.repositories)):
            return
        try:
            async for repository in self._listing.repositories():
                if repository not in given and self._is_wanted(repository):
                    given.add(repository)
                    yield repository
        except CatalogUnavailableError as error:
            self.report.add_problem(str(error))
        for repository in looks:
            if repository not in given and self._is_wanted(repository):
                yield repository

    def _is_over(self, repository: RepositoryName, last: LastLook) -> bool:
        """Whether this sweep looked at it, and is not told to any more."""
        return last.by == self.source and not self._is_wanted(repository)

    def _is_wanted(self, repository: RepositoryName) -> bool:
        excluded = [f"exclude {pattern}" for pattern in self.scope.exclude if glob_match(repository, pattern)]
        self._matched.update(excluded)
        return not excluded and bool(self._patterns(repository))

    def _patterns(self, repository: RepositoryName) -> Sequence[str]:
        return [pattern for pattern in self.scope.repositories if glob_match(repository, pattern)]

    def _unmatched(self) -> Sequence[str]:
        """What was not seen by a pass that was cut off is not known of the rest."""
        scope, matched = self.scope, self._matched
        found = [f"no repository is called {each}" for each in scope.repositories if each not in matched]
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


def _is_name(pattern: str) -> bool:
    return not {*pattern} & {*"*?"}


def _first(group: BaseExceptionGroup[Exception]) -> Exception:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, Exception)
    return error
