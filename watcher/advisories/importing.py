"""From documents to the next file: which format each is of, and which feed its records belong to."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePath

from watcher.advisories.documents import Document, documents
from watcher.advisories.feeds import counterparts, covered_by, feed_of, is_about_one, list_of
from watcher.advisories.formats.catalog import READERS, format_of
from watcher.advisories.formats.protocol import NotThisFormatError
from watcher.advisories.record import Advisory, Exploited, Likelihood, Malformed, Statement
from watcher.advisories.replacing import next_file
from watcher.advisories.sources import licence_of
from watcher.advisories.writer import Counts, Writer
from watcher.model.errors import PermanentError

# What is named for people; the others are counted.
MAX_NAMED = 20


class NothingToImportError(PermanentError):
    """Not one record was found."""

    reason = "nothing-to-import"


@dataclass(slots=True, kw_only=True)
class Report:
    """What an import did.

    `malformed` names the first MAX_NAMED records that could not be read, `malformed_count` counts all. `others` counts texts and
    YAML that are no advisories. `kept` are feeds of a bundle that are younger here.
    """

    counts: Counts = field(default_factory=Counts)
    records: int = 0
    malformed: list[Malformed] = field(default_factory=list)
    malformed_count: int = 0
    others: int = 0
    feeds: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    def refuse(self, record: Malformed) -> None:
        self.malformed_count += 1
        if len(self.malformed) < MAX_NAMED:
            self.malformed.append(record)


@dataclass(slots=True)
class _Sum:
    """What is known of a feed at the end of an import.

    `own`: it was met in its own list, not in that of another ecosystem. `covers` is what it is everything of, None where its
    records show that.
    """

    as_of: datetime
    whole: bool = True
    own: bool = False
    covers: str | None = None
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
    with next_file(target, now=now) as writer:
        importer = Importer(writer, now=now, seen=seen)
        for document in documents(paths):
            importer.put(document, as_of=as_of or document.as_of)
        importer.finish()
        report = importer.report
        if not report.records:
            raise NothingToImportError(f"no advisories in {', '.join(map(str, paths))}" + _first(report))
    report.counts = writer.counts
    return report


class Importer:
    """Puts documents into the next file, one after the other."""

    def __init__(self, writer: Writer, *, now: datetime, seen: Callable[[int], None] = lambda _: None) -> None:
        self.report = Report()
        self._writer, self._now, self._seen = writer, now, seen
        self._sums: dict[str, _Sum] = {}
        # What is about vulnerabilities by their names is put when all advisories are there, whose packages it concerns.
        self._exploited: list[Exploited] = []
        self._likelihoods: list[Likelihood] = []
        self._statements: dict[str, list[Statement]] = {}
        # Advisories of archives that could not be read. What was known of them is still the best that is.
        self._unread: set[str] = set()
        self._listed: dict[str, Collection[str]] = {}

    def put(self, document: Document, *, as_of: datetime, ecosystem: str = "") -> None:
        """Everything of one document; `as_of` is of when it is.

        `ecosystem` is of OSV, in whose list it is. Without, each record is taken to be of its first: one that moves from one to
        another is then in both, until their whole lists are read again.
        """
        kind = format_of(document.content, name=document.name)
        if kind is None:
            self.report.others += 1
            return
        of_when, all_of = min(as_of, self._now), ""
        try:
            all_of = "" if ecosystem else list_of(kind, document)
            for record in READERS[kind](document.content, name=document.name):
                if isinstance(record, Malformed):
                    self._refuse(record, document, all_of, of_when)
                    continue
                feed = f"osv:{ecosystem}" if ecosystem else all_of or feed_of(kind, document, record)
                self._put(record, feed)
                known = self._sum(feed, of_when)
                known.covers = ecosystem or known.covers
                known.whole = known.whole and (document.whole or bool(all_of))
                # What is about several ecosystems is in the list of each. Only what is about one shows whose list this is.
                known.own = known.own or bool(all_of or ecosystem) or is_about_one(record)
        except NotThisFormatError as error:
            reason = str(error).removeprefix(f"{document.name}: ")
            self._refuse(Malformed(where=document.name, reason=reason), document, all_of, of_when)

    def listed(self, ecosystem: str, names: Collection[str], *, as_of: datetime) -> None:
        """Advisories of these names are all there are in an ecosystem, of which only those that have changed were put."""
        feed = f"osv:{ecosystem}"
        self._listed[feed] = names
        known = self._sum(feed, min(as_of, self._now))
        known.own, known.covers = True, ecosystem

    def finish(self) -> None:
        """Say of every feed how far it goes."""
        if self._exploited:
            self._writer.exploited(self._exploited)
        if self._likelihoods:
            self._writer.likelihoods(self._likelihoods)
        for feed, said in self._statements.items():
            self._writer.statements(feed, said)
        for feed, known in self._sums.items():
            alone = any(not self._writer.has(other) for other in counterparts(feed))
            self._writer.ended(
                feed,
                as_of=known.as_of,
                covers="" if alone else known.covers if known.covers is not None else covered_by(feed),
                # Of a list that could be read in part nobody knows what it does not have any more.
                complete=(known.whole or feed in self._listed) and known.own and not known.malformed,
                keep=self._unread.union(self._listed.get(feed, ())),
                malformed=known.malformed,
                licence=licence_of(feed),
            )
        self.report.feeds = sorted(self._sums)

    def _put(self, record: Advisory | Exploited | Likelihood | Statement, feed: str) -> None:
        if isinstance(record, Advisory):
            self._writer.put(feed, record)
        elif isinstance(record, Exploited):
            self._exploited.append(record)
        elif isinstance(record, Likelihood):
            self._likelihoods.append(record)
        else:
            self._statements.setdefault(feed, []).append(record)
        self.report.records += 1
        if self.report.records % 1000 == 0:
            self._seen(self.report.records)

    def _sum(self, feed: str, as_of: datetime) -> _Sum:
        known = self._sums.setdefault(feed, _Sum(as_of))
        known.as_of = max(known.as_of, as_of)
        return known

    def _refuse(self, record: Malformed, document: Document, feed: str, as_of: datetime) -> None:
        self.report.refuse(record)
        self._unread.add(PurePath(document.name).stem)
        if feed:
            self._sum(feed, as_of).malformed += 1


def _first(report: Report) -> str:
    return f"; the first that cannot be read: {report.malformed[0].where}: {report.malformed[0].reason}" if report.malformed else ""
