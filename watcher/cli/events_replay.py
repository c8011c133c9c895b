"""What `watcher events replay` takes in again: events of the inbox, and messages that somebody captured."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from watcher.backlog.protocol import BacklogReader, EventRow, Fate
from watcher.cli.captured import read_deliveries
from watcher.dialects.catalog import build_dialect
from watcher.kit.clock import utc_now
from watcher.kit.counted import counted
from watcher.kit.suggestions import one_of
from watcher.model.digest import Digest
from watcher.model.errors import ConfigurationError
from watcher.model.push import Push
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.pipeline.intake import DurableIntake
from watcher.sources.binding import EventSourceSettings
from watcher.sources.protocol import Accepted
from watcher.storage import Storage

# Rows of the inbox that are looked through at a time.
PAGE = 500


@dataclass(slots=True, kw_only=True)
class Replay:
    """Takes in what it is given, once. `counts` is what became of it, `cut` how many rejected events are not kept whole."""

    storage: Storage
    sources: Mapping[str, EventSourceSettings]
    counts: Counter[str] = field(default_factory=Counter)
    cut: int = 0
    _intake: DurableIntake = field(init=False)
    _bodies: set[tuple[str, bytes]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._intake = DurableIntake(
            dialects={name: build_dialect(source.dialect, source.mapping) for name, source in self.sources.items()},
            backlog=self.storage.backlog,
            own_writes=self.storage.own_writes,
            clock=utc_now,
            counted=lambda _source, _fate, _reason: None,
        )

    async def files(self, name: str, paths: Iterable[Path]) -> None:
        """What was captured, as the source of that name would take it in.

        Raises:
            ConfigurationError: there is no such source, or a file cannot be read.
        """
        source = self._source(name)
        captured = [each for path in paths for each in read_deliveries(path, Host(source.registry))]
        bound = [source.delivery(each.headers, each.body, method=each.method) for each in captured]
        # Those of one step share a commit.
        for start in range(0, len(bound), PAGE):
            for accepted in await asyncio.gather(*(self._intake.again(name, each) for each in bound[start : start + PAGE])):
                self._count(accepted)

    async def events(self, ids: Iterable[int]) -> None:
        """Events of the inbox. Nothing is taken in when one of them cannot be.

        Raises:
            ConfigurationError: one is not there, is no news of an image, or was rejected and is not kept whole.
        """
        rows = [await _row(self.storage.jobs, event_id) for event_id in ids]
        for row in rows:
            self._check(row)
        for row in rows:
            await self._take(row)

    async def rejected(self) -> None:
        """Every rejected event that is kept whole.

        Raises:
            ConfigurationError: the source of one is not in the configuration any more.
        """
        before_id: int | None = None
        while rows := await self.storage.jobs.events(before_id=before_id, limit=PAGE):
            before_id = rows[-1].id
            for row in rows:
                if row.fate == Fate.REJECTED and _is_whole(row):
                    await self._take(row)
                self.cut += row.fate == Fate.REJECTED and not _is_whole(row)

    def _check(self, row: EventRow) -> None:
        if row.fate == Fate.IGNORED:
            raise ConfigurationError(f"event {row.id} was ignored ({row.reason}): there is nothing to judge")
        if row.fate == Fate.REJECTED:
            self._source(row.source)
            if not _is_whole(row):
                kept = f"{len(row.excerpt)} of its {counted(row.body_bytes, 'byte')} are kept"
                raise ConfigurationError(f"event {row.id} was rejected, and {kept}: let its sender send it again")
        elif not row.repository:
            raise ConfigurationError(f"event {row.id} names no image")

    async def _take(self, row: EventRow) -> None:
        if row.fate != Fate.REJECTED:
            self._count(await self._intake.pushed_again(row.source, [_push(row)]))
            return
        # Several events of one body were rejected one by one, and are read together.
        if (row.source, row.excerpt) not in self._bodies:
            self._bodies.add((row.source, row.excerpt))
            self._count(await self._intake.again(row.source, self._source(row.source).delivery({}, row.excerpt)))

    def _source(self, name: str) -> EventSourceSettings:
        if (source := self.sources.get(name)) is None:
            there_are = one_of(name[:80], self.sources)
            raise ConfigurationError(f"no source {name[:80]!r} that hears of events in the configuration; {there_are}")
        return source

    def _count(self, accepted: Accepted) -> None:
        self.counts.update(
            accepted=accepted.accepted, duplicates=accepted.duplicates, ignored=accepted.ignored, rejected=accepted.rejected
        )


async def _row(jobs: BacklogReader, event_id: int) -> EventRow:
    rows = await jobs.events(before_id=event_id + 1, limit=1)
    if not rows or rows[0].id != event_id:
        raise ConfigurationError(f"no event {event_id}: `watcher events list` shows them")
    return rows[0]


def _is_whole(row: EventRow) -> bool:
    return 0 < row.body_bytes == len(row.excerpt)


def _push(row: EventRow) -> Push:
    return Push(
        registry=Host(row.registry),
        repository=RepositoryName(row.repository),
        tag=Tag(row.tag) if row.tag else None,
        digest=Digest(row.digest) if row.digest else None,
    )
