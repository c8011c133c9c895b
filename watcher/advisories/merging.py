"""A bundle into the data that are here: feed by feed, so that what only is here stays, and what is younger here too."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

import msgspec

from watcher.advisories.bundle import DamagedBundleError, opened_bundle
from watcher.advisories.importing import Report
from watcher.advisories.record import Exploited, Likelihood, Statement
from watcher.advisories.replacing import next_file
from watcher.advisories.tables import PLACES, Feed, feeds, moment, open_read_only
from watcher.advisories.writer import Writer
from watcher.model.first_use import known

_STATEMENT = msgspec.msgpack.Decoder(known(Statement))


def import_bundle(path: Path, target: Path, *, now: datetime, seen: Callable[[int], None] = lambda _: None) -> Report:
    """Put a bundle into the file `target`. `report.kept` are feeds that are younger here, of which nothing was taken.

    Raises:
        DamagedBundleError: nothing is changed.
        ConfigurationError: a file cannot be read or written; nothing is changed.
    """
    report = Report()
    present = _present(target)
    with opened_bundle(path, target.parent) as bundle, next_file(target, now=now) as writer:
        ecosystems = dict(bundle.execute("SELECT id, name FROM ecosystem"))
        for feed in feeds(bundle):
            here = present.get(feed.name)
            if here and here.as_of and (feed.as_of is None or here.as_of > feed.as_of):
                report.kept.append(feed.name)
                continue
            report.records += _merged(bundle, feed, ecosystems, writer)
            report.feeds.append(feed.name)
            seen(report.records)
    report.counts = writer.counts
    return report


def _present(target: Path) -> Mapping[str, Feed]:
    try:
        connection = open_read_only(target)
    except FileNotFoundError:
        return {}
    with contextlib.closing(connection):
        return {each.name: each for each in feeds(connection)}


def _merged(bundle: sqlite3.Connection, feed: Feed, ecosystems: Mapping[int, str], writer: Writer) -> int:
    """How many records of a feed there were."""
    if feed.name == "kev":
        exploited = [Exploited(id=name, added=moment(added)) for name, added in bundle.execute("SELECT name, added FROM exploited")]
        writer.exploited(exploited)
        count = len(exploited)
    elif feed.name == "epss":
        rows = bundle.execute("SELECT name, probability FROM likelihood")
        likelihoods = [Likelihood(id=name, probability=probability) for name, probability in rows]
        writer.likelihoods(likelihoods)
        count = len(likelihoods)
    elif feed.name.startswith("vex:"):
        statements = [_STATEMENT.decode(body) for body in _bodies(bundle, feed.name)]
        writer.statements(feed.name, statements)
        count = len(statements)
    else:
        count = _advisories(bundle, feed.name, ecosystems, writer)
    writer.ended(
        feed.name,
        as_of=feed.as_of or datetime.min,  # noqa: DTZ901  # of a feed that has no age nothing is kept
        covers=feed.covers if feed.as_of else None,
        complete=True,
        malformed=feed.malformed,
        licence=feed.licence,
    )
    writer.fetched(feed.name, url=feed.url, etag=feed.etag, last_modified=feed.last_modified, mark=feed.mark)
    return count


def _advisories(bundle: sqlite3.Connection, feed: str, ecosystems: Mapping[int, str], writer: Writer) -> int:
    count = 0
    rows = bundle.execute(
        "SELECT advisory.id, advisory.name, hash, body, places FROM advisory JOIN feed ON feed.id = feed WHERE feed.name = ?",
        (feed,),
    )
    for number, name, digest, body, places in rows:
        count += 1
        if not writer.keeps(feed, name, digest):
            said = dict(_said(bundle, ecosystems, ecosystem, package, number) for ecosystem, package in PLACES.decode(places))
            writer.adopt(feed, digest, body, said)
    return count


def _said(
    bundle: sqlite3.Connection, ecosystems: Mapping[int, str], ecosystem: int, package: str, advisory: int
) -> tuple[tuple[str, str], bytes]:
    row = bundle.execute(
        "SELECT body FROM affected WHERE ecosystem = ? AND package = ? AND advisory = ?", (ecosystem, package, advisory)
    ).fetchone()
    if row is None or ecosystem not in ecosystems:
        raise DamagedBundleError(f"nothing is said of {package!r:.80}, which an advisory names")
    return (ecosystems[ecosystem], package), row[0]


def _bodies(bundle: sqlite3.Connection, feed: str) -> Iterator[bytes]:
    for (body,) in bundle.execute("SELECT body FROM statement JOIN feed ON feed.id = feed WHERE feed.name = ?", (feed,)):
        yield body
