"""The file that advisories are kept in: its tables, and what of a record is in them.

It is never changed in place. An import writes the next file beside it and puts that in its place, so that whoever reads has a whole
one, and an import that fails has changed nothing.
"""

import errno
import os
import sqlite3
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from watcher.model.errors import ConfigurationError
from watcher.model.first_use import known

# Files of another number are not read: they are made anew by importing again.
FORMAT = 1

# `feed` is what is published together: the advisories of one ecosystem in OSV, one list. `covers` is the ecosystem, or the family
# of ecosystems, for which it is everything there is; empty for none. `as_of` is of when it is, seconds since 1970.
# `url`, `etag`, `last_modified` are of what was fetched last; `mark` is up to when its changes are known, where it lists them.
# `touched` has the number of the last import in which something about a package became another.
SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE feed (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, covers TEXT NOT NULL DEFAULT '', licence TEXT NOT NULL DEFAULT '',
    as_of REAL, imported_at REAL, malformed INTEGER NOT NULL DEFAULT 0, url TEXT NOT NULL DEFAULT '',
    etag TEXT NOT NULL DEFAULT '', last_modified TEXT NOT NULL DEFAULT '', mark TEXT NOT NULL DEFAULT ''
);
CREATE TABLE ecosystem (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE advisory (
    id INTEGER PRIMARY KEY, feed INTEGER NOT NULL, name TEXT NOT NULL, hash BLOB NOT NULL, body BLOB NOT NULL, places BLOB NOT NULL,
    UNIQUE (feed, name)
);
CREATE TABLE alias (name TEXT NOT NULL, advisory INTEGER NOT NULL, PRIMARY KEY (name, advisory)) WITHOUT ROWID;
CREATE TABLE affected (
    ecosystem INTEGER NOT NULL, package TEXT NOT NULL, advisory INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (ecosystem, package, advisory)
) WITHOUT ROWID;
CREATE TABLE touched (
    ecosystem INTEGER NOT NULL, package TEXT NOT NULL, import INTEGER NOT NULL, PRIMARY KEY (ecosystem, package)
) WITHOUT ROWID;
CREATE TABLE exploited (name TEXT PRIMARY KEY, added REAL) WITHOUT ROWID;
CREATE TABLE likelihood (name TEXT PRIMARY KEY, probability REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE statement (id INTEGER PRIMARY KEY, feed INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE statement_alias (name TEXT NOT NULL, statement INTEGER NOT NULL, PRIMARY KEY (name, statement)) WITHOUT ROWID;
"""


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """`advisory.body`: what of an advisory is about no package. Vectors are (source, text); times seconds since 1970."""

    id: str
    aliases: tuple[str, ...]
    covers: tuple[str, ...]
    summary: str
    published: float | None
    severity: str
    vectors: tuple[tuple[str, str], ...]
    links: tuple[str, ...]


Span = tuple[str, str, str, str]
"""An Interval: (introduced, fixed, last_affected, limit)."""


class KeptAffected(msgspec.Struct, frozen=True, array_like=True):
    """One entry of `affected.body`, which is a list of them: Affected without its place.

    `since` is from when on a fix was there, None where none is or nobody said when.
    """

    intervals: tuple[Span, ...]
    versions: tuple[str, ...]
    severity: str
    status: str
    module: str
    subscription: bool
    since: float | None = None

    @property
    def has_fix(self) -> bool:
        return not self.subscription and any(fixed for _, fixed, _, _ in self.intervals)


ENCODER = msgspec.msgpack.Encoder()
KEPT = msgspec.msgpack.Decoder(known(Kept))
AFFECTED = msgspec.msgpack.Decoder(known(tuple[KeptAffected, ...]))
PLACES = msgspec.msgpack.Decoder(known(list[tuple[int, str]]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A row of `feed`, with how many advisories are kept of it."""

    name: str
    covers: str = ""
    licence: str = ""
    as_of: datetime | None = None
    imported_at: datetime | None = None
    advisories: int = 0
    malformed: int = 0
    url: str = ""
    etag: str = ""
    last_modified: str = ""
    mark: str = ""


def feeds(connection: sqlite3.Connection) -> list[Feed]:
    rows = connection.execute(
        "SELECT name, covers, licence, as_of, imported_at, (SELECT count(*) FROM advisory WHERE feed = feed.id),"
        " malformed, url, etag, last_modified, mark FROM feed ORDER BY name"
    )
    return [
        Feed(
            name=name,
            covers=covers,
            licence=licence,
            as_of=moment(as_of),
            imported_at=moment(imported_at),
            advisories=advisories,
            malformed=malformed,
            url=url,
            etag=etag,
            last_modified=last_modified,
            mark=mark,
        )
        for name, covers, licence, as_of, imported_at, advisories, malformed, url, etag, last_modified, mark in rows
    ]


def moment(timestamp: float | None) -> datetime | None:
    return None if timestamp is None else datetime.fromtimestamp(timestamp, UTC)


def found_at(path: Path) -> os.stat_result:
    """What is there now, without opening it.

    Raises:
        FileNotFoundError: there is nothing, which an import changes.
        ConfigurationError: something else than a file is there, or nobody can look: no import changes that.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(found.st_mode):
        raise ConfigurationError(f"{path}: is no file; advisory data are kept in one file")
    if not os.access(path, os.R_OK):
        raise ConfigurationError(f"{path}: cannot be read: {os.strerror(errno.EACCES)}")
    return found


def open_read_only(path: Path) -> sqlite3.Connection:
    """The file as it is now, whatever takes its place later.

    Raises:
        FileNotFoundError: there is none.
        ConfigurationError: it is no file, cannot be read, is none of ours, damaged, or of another version.
    """
    found_at(path)
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False)
    try:
        found = connection.execute("SELECT value FROM meta WHERE name = 'format'").fetchone()
    except sqlite3.DatabaseError as error:
        connection.close()
        raise ConfigurationError(f"{path}: no advisory data of ours, or damaged: {error}; import them again") from error
    if found is None or found[0] != str(FORMAT):
        connection.close()
        raise ConfigurationError(f"{path}: advisory data of another version; remove the file and import again")
    return connection
