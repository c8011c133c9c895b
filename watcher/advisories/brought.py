"""What each source has that is not known yet, fetched and not yet believed."""

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import msgspec

from watcher.advisories.changes import read_changes
from watcher.advisories.documents import Document
from watcher.advisories.fetching import BrokenDownloadError, Fetched, Fetcher, RefusedError, Seen
from watcher.advisories.sources import ListSource, OsvSource, Source
from watcher.advisories.tables import Feed
from watcher.kit.counted import counted
from watcher.model.errors import WatcherError
from watcher.model.first_use import known

# Sources at a time, and records of one. Storage answers more, and whoever mirrors it on one machine does not.
SOURCES = 3
RECORDS = 16
# From here on the whole archive costs less than its records one by one.
MAX_RECORDS = 1000
# A list that has shrunk to less than this of what is known is not believed: mirrors and proxies answer with empty files.
LEAST_PART = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """What was fetched of one source, `ecosystem` where it is one of OSV. `reason` says why that failed.

    Without anything else it has not changed. `listed` are all the advisories there are, where only `records` were fetched.
    """

    feed: str
    ecosystem: str = ""
    reason: str = ""
    file: Path | None = None
    records: tuple[Document, ...] = ()
    listed: Collection[str] = ()
    seen: Seen = field(default_factory=Seen)
    mark: str = ""

    @property
    def changed(self) -> bool:
        return self.file is not None or bool(self.listed)


def believable(count: int, known: int, url: str) -> None:
    """Raises BrokenDownloadError where a list has less than it can have lost."""
    if count < max(1, known * LEAST_PART):
        raise BrokenDownloadError(f"{url}: {counted(count, 'record')} where {known} are known")


def folder_of(folder: Path, feed: str) -> Path:
    return folder / "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in feed)


async def fetch_all(sources: Sequence[Source], known: Mapping[str, Feed], folder: Path, fetcher: Fetcher) -> list[Brought]:
    """What each source has that is not known, in the order of `sources`."""
    places = asyncio.Semaphore(SOURCES)

    async def fetch(source: Source) -> Brought:
        row, own = known.get(source.feed, Feed(name=source.feed)), folder_of(folder, source.feed)
        async with places:
            try:
                if isinstance(source, OsvSource):
                    return await _ecosystem(source, row, own, fetcher)
                return await _list(source, row, own, fetcher)
            except (WatcherError, OSError) as error:
                return Brought(feed=source.feed, reason=str(error))

    async with fetcher, asyncio.TaskGroup() as group:
        tasks = [group.create_task(fetch(source), name=f"fetch {source.feed}") for source in sources]
    return [task.result() for task in tasks]


async def _list(source: ListSource, row: Feed, folder: Path, fetcher: Fetcher) -> Brought:
    return _whole(source, await fetcher.file(source.feed, source.url, folder / source.file, known=_seen(row)))


async def _ecosystem(source: OsvSource, row: Feed, folder: Path, fetcher: Fetcher) -> Brought:
    """What has changed since the mark, record by record while they are few; else everything."""
    try:
        listed = await fetcher.file(f"{source.feed} changes", source.changes_url, folder / "modified_id.csv", known=_seen(row))
    except RefusedError as error:
        if error.status != 404:
            raise
        # A mirror that has only the archives.
        return _whole(source, await fetcher.file(source.feed, source.archive_url, folder / "all.zip", known=_seen(row)))
    if listed is None:
        return Brought(feed=source.feed)
    changes = read_changes(listed.path.read_bytes(), name=source.changes_url)  # a few megabytes
    believable(len(changes.modified), row.advisories, source.changes_url)
    wanted = changes.since(row.mark)
    if not row.mark or len(wanted) > MAX_RECORDS:
        archive = await fetcher.file(source.feed, source.archive_url, folder / "all.zip", known=Seen())
        return replace(_whole(source, archive), seen=listed.seen, mark=changes.newest)
    records = await _records(source, wanted, fetcher)
    return Brought(
        feed=source.feed,
        ecosystem=source.ecosystem,
        records=records,
        listed=changes.modified.keys(),
        seen=listed.seen,
        mark=changes.newest,
    )


async def _records(source: OsvSource, identifiers: Iterable[str], fetcher: Fetcher) -> tuple[Document, ...]:
    places = asyncio.Semaphore(RECORDS)

    async def fetch(identifier: str) -> Document | None:
        url = source.record_url(identifier)
        async with places:
            try:
                content = await fetcher.record(url)
            except RefusedError as error:
                if error.status == 404:
                    return None  # gone since the list was made; the next list says so
                raise
        if _named(content) != identifier:
            raise BrokenDownloadError(f"{url}: not the record of that name")
        return Document(name=url, content=content, as_of=datetime.min)  # noqa: DTZ901  # whoever puts it says of when it is

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(fetch(each), name=f"fetch {each}") for each in identifiers]
    except* (WatcherError, OSError) as several:
        raise next(_leaves(several)) from None
    return tuple(found for task in tasks if (found := task.result()) is not None)


def _leaves(group: BaseExceptionGroup) -> Iterator[BaseException]:
    for each in group.exceptions:
        if isinstance(each, BaseExceptionGroup):
            yield from _leaves(each)
        else:
            yield each


class _Name(msgspec.Struct):
    id: str = ""


def _named(content: bytes) -> str:
    try:
        return msgspec.json.decode(content, type=known(_Name)).id
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ""


def _whole(source: Source, fetched: Fetched | None) -> Brought:
    if fetched is None:
        return Brought(feed=source.feed)
    ecosystem = source.ecosystem if isinstance(source, OsvSource) else ""
    return Brought(feed=source.feed, ecosystem=ecosystem, file=fetched.path, seen=fetched.seen)


def _seen(row: Feed) -> Seen:
    return Seen(url=row.url, etag=row.etag, last_modified=row.last_modified)
