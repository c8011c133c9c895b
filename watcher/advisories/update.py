"""Brings what is configured up to date: fetches what has changed, checks it, and puts all of it into the next file at once.

A source that fails leaves its data as they were, and the other sources nothing to wait for.
"""

import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from watcher.advisories.brought import Brought, believable, fetch_all, folder_of
from watcher.advisories.documents import Document, UnreadableError, documents
from watcher.advisories.feeds import list_of
from watcher.advisories.fetching import BrokenDownloadError, Fetcher
from watcher.advisories.formats.catalog import READERS, format_of
from watcher.advisories.formats.protocol import NotThisFormatError
from watcher.advisories.importing import Importer, Report
from watcher.advisories.record import Malformed
from watcher.advisories.replacing import next_file
from watcher.advisories.sources import ListSource, OsvSource, Source
from watcher.advisories.status import status_of
from watcher.advisories.tables import Feed
from watcher.advisories.writer import Writer

# What a file may turn out to be; zipfile raises the last two for methods it does not know and for what is encrypted.
_UNSOUND = (
    BrokenDownloadError,
    UnreadableError,
    NotThisFormatError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
)


@dataclass(slots=True, kw_only=True)
class Updated:
    """What an update did; `failed` has why by feed."""

    report: Report = field(default_factory=Report)
    unchanged: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Known:
    """What the present file has: its feeds, and how much of each."""

    feeds: Mapping[str, Feed]
    counts: Mapping[str, int]


class Update:
    """One update of the file `target`: `fetch`, then `apply`.

    Downloads are kept beside the file until they are used, in `.NAME.downloads`. `full` fetches what has not changed, too.

    Raises:
        ConfigurationError: the file cannot be read.
    """

    def __init__(self, sources: Sequence[Source], target: Path, *, full: bool = False) -> None:
        self._sources, self._target, self._full = sources, target, full
        self._known = _known(target)
        self._folder = target.with_name(f".{target.name}.downloads")
        self._brought: list[Brought] = []

    async def fetch(self, fetcher: Fetcher) -> None:
        """Everything that is new, from all sources. What fails is said by `apply`."""
        self._brought = await fetch_all(self._sources, {} if self._full else self._known.feeds, self._folder, fetcher)

    def apply(self, *, now: datetime, seen: Callable[[int], None] = lambda _: None) -> Updated:
        """Check what was fetched, and replace the file by one that has it. `seen` hears now and then how many records.

        Raises:
            ConfigurationError: the file cannot be written; nothing is changed.
        """
        checked = [_checked(source, each, self._known) for source, each in zip(self._sources, self._brought, strict=True)]
        updated = Updated(failed={each.feed: each.reason for each in checked if each.reason})
        good = [each for each in checked if not each.reason]
        if not good:
            return updated
        with next_file(self._target, now=now) as writer:
            importer = Importer(writer, now=now, seen=seen)
            for each in good:
                for document in _documents(each, now):
                    importer.put(document, as_of=now, ecosystem=each.ecosystem)
                if each.listed:
                    importer.listed(each.ecosystem, each.listed, as_of=now)
            importer.finish()
            for each in good:
                _noted(writer, each, now)
        importer.report.counts = writer.counts
        updated.report = importer.report
        for each in good:
            (updated.changed if each.changed else updated.unchanged).append(each.feed)
            shutil.rmtree(folder_of(self._folder, each.feed), ignore_errors=True)
        return updated


def _noted(writer: Writer, brought: Brought, now: datetime) -> None:
    if brought.changed:
        seen = brought.seen
        writer.fetched(brought.feed, url=seen.url, etag=seen.etag, last_modified=seen.last_modified, mark=brought.mark)
    else:
        writer.confirmed(brought.feed, as_of=now)


def _known(target: Path) -> _Known:
    try:
        status = status_of(target)
    except FileNotFoundError:
        return _Known({}, {})
    counts = {each.name: each.advisories for each in status.feeds} | {"kev": status.exploited, "epss": status.likelihoods}
    return _Known({each.name: each for each in status.feeds}, counts)


def _checked(source: Source, brought: Brought, known: _Known) -> Brought:
    """As it is when it is sound; what is not is thrown away, and says why."""
    if brought.file is None:
        return brought
    try:
        if isinstance(source, OsvSource):
            with zipfile.ZipFile(brought.file) as archive:
                damaged = archive.testzip()
                count = sum(each.filename.endswith(".json") for each in archive.infolist())
            if damaged is not None:
                raise BrokenDownloadError(f"{source.archive_url}: {damaged} is damaged")
        else:
            count = _count(source, brought.file)
        believable(count, known.counts.get(source.feed, 0), brought.seen.url)
    except _UNSOUND as error:
        shutil.rmtree(brought.file.parent, ignore_errors=True)
        url = brought.seen.url
        return Brought(feed=brought.feed, reason=f"{url}: {str(error).removeprefix(f'{url}: ')}")
    return brought


def _count(source: ListSource, file: Path) -> int:
    """How many records there are in a list that is the one that was asked for."""
    (document,) = documents([file])
    if format_of(document.content, name=document.name) != source.kind:
        raise BrokenDownloadError(f"{source.url}: nothing of the format {source.kind}")
    if list_of(source.kind, document) != source.feed:
        raise BrokenDownloadError(f"{source.url}: is not {source.feed}")
    return sum(not isinstance(record, Malformed) for record in READERS[source.kind](document.content, name=document.name))


def _documents(brought: Brought, now: datetime) -> Iterator[Document]:
    yield from (replace(each, as_of=now) for each in brought.records)
    if brought.file is not None:
        yield from documents([brought.file])
