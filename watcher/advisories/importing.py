"""From documents to the next file: which format each is of, and which feed its records belong to."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from watcher.advisories.documents import Document, documents
from watcher.advisories.ecosystems import family
from watcher.advisories.formats import osv
from watcher.advisories.record import Advisory, Malformed, Record
from watcher.advisories.replacing import next_file
from watcher.advisories.writer import Counts, Writer
from watcher.model.errors import PermanentError

# What is named for people; the others are counted.
MAX_NAMED = 20


class NothingToImportError(PermanentError):
    """Not one record was found."""

    reason = "nothing-to-import"


@dataclass(slots=True, kw_only=True)
class Report:
    """What an import did. `malformed` names the first MAX_NAMED records that could not be read, `malformed_count` counts all."""

    counts: Counts = field(default_factory=Counts)
    records: int = 0
    malformed: list[Malformed] = field(default_factory=list)
    malformed_count: int = 0
    feeds: list[str] = field(default_factory=list)

    def refuse(self, record: Malformed) -> None:
        self.malformed_count += 1
        if len(self.malformed) < MAX_NAMED:
            self.malformed.append(record)


@dataclass(slots=True)
class _Sum:
    """What is known of a feed at the end of an import."""

    as_of: datetime
    whole: bool
    malformed: int = 0


def import_paths(
    paths: Iterable[Path],
    target: Path,
    *,
    now: datetime,
    as_of: datetime | None = None,
    seen: Callable[[int], None] = lambda _: None,
) -> Report:
    """Read everything below `paths` into the file `target`, which is then replaced. `seen` hears now and then how many records.

    `as_of` is of when the data are, else each file says it with its time of change.

    Raises:
        UnreadableError, NothingToImportError: nothing is changed.
        ConfigurationError: the file cannot be read or written; nothing is changed.
    """
    report = Report()
    with next_file(target, now=now) as writer:
        _put_all(documents(paths), writer, report, now=now, as_of=as_of, seen=seen)
        if not report.records:
            raise NothingToImportError(f"no advisories in {', '.join(map(str, paths))}" + _first(report))
    report.counts = writer.counts
    return report


def _put_all(
    found: Iterable[Document],
    writer: Writer,
    report: Report,
    *,
    now: datetime,
    as_of: datetime | None,
    seen: Callable[[int], None],
) -> None:
    sums: dict[str, _Sum] = {}
    for document in found:
        of_when = min(as_of or document.as_of, now)
        for record in _records(document):
            if isinstance(record, Malformed):
                report.refuse(record)
                continue
            if not isinstance(record, Advisory):
                continue
            feed = feed_of(record)
            known = sums.setdefault(feed, _Sum(of_when, document.whole))
            known.as_of, known.whole = max(known.as_of, of_when), known.whole and document.whole
            writer.put(feed, record)
            report.records += 1
            if report.records % 1000 == 0:
                seen(report.records)
    for feed, known in sums.items():
        writer.ended(feed, as_of=known.as_of, complete=known.whole)
    report.feeds = sorted(sums)


def feed_of(advisory: Advisory) -> str:
    """The list that it would be published in: that of its first ecosystem."""
    return f"osv:{family(advisory.affected[0].ecosystem)}" if advisory.affected else "osv:"


def _records(document: Document) -> Iterator[Record]:
    yield from osv.read(document.content, name=document.name)


def _first(report: Report) -> str:
    return f"; the first that cannot be read: {report.malformed[0].where}: {report.malformed[0].reason}" if report.malformed else ""
