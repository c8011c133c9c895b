"""Puts records into the next file, feed by feed, and notes which packages became another matter by it."""

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b, sha256
from typing import Any

from watcher.advisories.ecosystems import family
from watcher.advisories.record import Advisory, Affected, Exploited, Likelihood, Statement
from watcher.advisories.tables import AFFECTED, ENCODER, KEPT, PLACES, Kept, KeptAffected

# EPSS changes for every vulnerability every day; less than this is nothing that verdicts should be worked out again for.
LIKELIHOOD_STEP = 0.01
_HASH_BYTES = 16

Place = tuple[int, str]
"""(id of an ecosystem, package)."""


@dataclass(slots=True, kw_only=True)
class Counts:
    """What an import did to advisories. `touched` is how many packages became another matter by it."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    touched: int = 0


@dataclass(slots=True)
class _Feed:
    """`known` has what is kept of it: id and hash by name. `alone` are families that some advisory is about and no other."""

    id: int
    known: dict[str, tuple[int, bytes]]
    seen: set[str] = field(default_factory=set)
    alone: set[str] = field(default_factory=set)


class Writer:
    """One import, into a connection that has the tables."""

    def __init__(self, connection: sqlite3.Connection, *, now: datetime) -> None:
        self._connection = connection
        self._now = now.timestamp()
        meta = dict(connection.execute("SELECT name, value FROM meta"))
        self._import = int(meta.get("import", "0")) + 1
        # The sum of what every record weighs: the same records are the same revision, in whichever order they came.
        self._sum = int(meta.get("sum", "0"), 16)
        self._ecosystems: dict[str, int] = {name: number for number, name in connection.execute("SELECT id, name FROM ecosystem")}
        self._feeds: dict[str, _Feed] = {}
        self._touched: set[Place] = set()
        self.counts = Counts()

    def put(self, feed: str, advisory: Advisory) -> None:
        """Take the place of what this feed said by that id. `feed` is made when it is new."""
        held = self._feed(feed)
        held.seen.add(advisory.id)
        families = {family(each.ecosystem) for each in advisory.affected}
        if len(families) == 1:
            held.alone |= families
        kept = ENCODER.encode(_kept(advisory))
        by_place: dict[tuple[str, str], list[KeptAffected]] = {}
        for each in () if advisory.withdrawn else advisory.affected:
            by_place.setdefault((each.ecosystem, each.package), []).append(_affected(each))
        said = list(by_place.items())
        digest = blake2b(kept + b"\0" + ENCODER.encode(said), digest_size=_HASH_BYTES).digest()
        known = held.known.get(advisory.id)
        if known is None:
            self.counts.added += 1
            earlier: Mapping[Place, bytes] = {}
        elif known[1] == digest:
            self.counts.unchanged += 1
            return
        else:
            self.counts.changed += 1
            earlier = self._removed(*known)
        places = [(self._ecosystem(ecosystem), package) for ecosystem, package in by_place]
        number = self._inserted(held.id, advisory, places, kept, digest)
        held.known[advisory.id] = (number, digest)
        self._connection.executemany(
            "INSERT INTO affected VALUES (?, ?, ?, ?)",
            [
                (*place, number, _with_since(entries, advisory, earlier.get(place), new=known is None))
                for place, entries in zip(places, by_place.values(), strict=True)
            ],
        )
        self._touched.update(places)

    def keeps(self, feed: str, name: str, digest: bytes) -> bool:
        """Whether this feed says just that by that id. It is then taken to say it again."""
        held = self._feed(feed)
        held.seen.add(name)
        known = held.known.get(name)
        if known is None or known[1] != digest:
            return False
        self.counts.unchanged += 1
        return True

    def adopt(self, feed: str, digest: bytes, kept: bytes, said: Mapping[tuple[str, str], bytes]) -> None:
        """As `put`, of what another file keeps: `kept` of the advisory, and `said` of packages by (ecosystem, package)."""
        advisory, held = KEPT.decode(kept), self._feed(feed)
        known = held.known.get(advisory.id)
        if known is None:
            self.counts.added += 1
        else:
            self.counts.changed += 1
            self._removed(*known)
        for body in said.values():
            AFFECTED.decode(body)
        places = [(self._ecosystem(ecosystem), package) for ecosystem, package in said]
        number = self._inserted(held.id, advisory, places, kept, digest)
        held.known[advisory.id] = (number, digest)
        rows = [(*place, number, body) for place, body in zip(places, said.values(), strict=True)]
        self._connection.executemany("INSERT INTO affected VALUES (?, ?, ?, ?)", rows)
        self._touched.update(places)

    def exploited(self, entries: Iterable[Exploited]) -> None:
        """All that is known to be exploited; whatever was is forgotten."""
        self._replace("exploited", {each.id: each.added.timestamp() if each.added else None for each in entries}, step=0.0)

    def likelihoods(self, entries: Iterable[Likelihood]) -> None:
        """All that has a probability; whatever had one is forgotten."""
        self._replace("likelihood", {each.id: each.probability for each in entries}, step=LIKELIHOOD_STEP)

    def statements(self, feed: str, entries: Iterable[Statement]) -> None:
        """All that one document says; what it said before is forgotten."""
        number = self._feed(feed).id
        wanted = {ENCODER.encode(each): each for each in entries}
        present: dict[bytes, int] = {
            body: held for held, body in self._connection.execute("SELECT id, body FROM statement WHERE feed = ?", (number,))
        }
        names: set[str] = set()
        for body in present.keys() - wanted.keys():
            rows = self._connection.execute("SELECT name FROM statement_alias WHERE statement = ?", (present[body],))
            names |= {name for (name,) in rows}
            self._connection.execute("DELETE FROM statement_alias WHERE statement = ?", (present[body],))
            self._connection.execute("DELETE FROM statement WHERE id = ?", (present[body],))
            self._weigh(-1, "statement", body)
        for body in wanted.keys() - present.keys():
            added = self._connection.execute("INSERT INTO statement (feed, body) VALUES (?, ?)", (number, body)).lastrowid
            ids = dict.fromkeys(wanted[body].ids)
            self._connection.executemany("INSERT INTO statement_alias VALUES (?, ?)", [(name, added) for name in ids])
            names |= ids.keys()
            self._weigh(1, "statement", body)
        self._touch_named(names)

    def ended(
        self,
        feed: str,
        *,
        as_of: datetime,
        covers: str | None = None,
        complete: bool = False,
        keep: Collection[str] = (),
        malformed: int = 0,
        licence: str = "",
    ) -> None:
        """Say how far a feed goes, after its records were put.

        `covers`: the ecosystem, or family of them, that it has everything of; None where its records show that: one that is about a
        single family is in no other family's list. `complete`: what the feed said and does not say any more is removed,
        but for advisories of the names in `keep`.
        """
        held = self._feed(feed)
        if complete:
            for name in held.known.keys() - held.seen - set(keep):
                self._removed(*held.known.pop(name))
                self.counts.removed += 1
        shown = covers if covers is not None else (next(iter(held.alone)) if len(held.alone) == 1 else "")
        self._connection.execute(
            "UPDATE feed SET imported_at = ?, malformed = ?, licence = CASE WHEN ? = '' THEN licence ELSE ? END WHERE id = ?",
            (self._now, malformed, licence, licence, held.id),
        )
        if shown or covers is not None:
            self._connection.execute(
                "UPDATE feed SET covers = ?, as_of = max(coalesce(as_of, 0), ?) WHERE id = ?", (shown, as_of.timestamp(), held.id)
            )

    def has(self, feed: str) -> bool:
        """Whether anything was ever put into a feed of this name."""
        return feed in self._feeds or self._connection.execute("SELECT 1 FROM feed WHERE name = ?", (feed,)).fetchone() is not None

    def fetched(self, feed: str, *, url: str, etag: str, last_modified: str, mark: str) -> None:
        """Keep what asks next time whether there is something new."""
        self._connection.execute(
            "UPDATE feed SET url = ?, etag = ?, last_modified = ?, mark = ? WHERE name = ?", (url, etag, last_modified, mark, feed)
        )

    def confirmed(self, feed: str, *, as_of: datetime) -> None:
        """Nothing of it has changed until then."""
        self._connection.execute(
            "UPDATE feed SET as_of = max(coalesce(as_of, 0), ?), imported_at = ? WHERE name = ?",
            (as_of.timestamp(), self._now, feed),
        )

    def finish(self) -> None:
        """Name the revision, and commit."""
        self._connection.executemany(
            "INSERT INTO touched VALUES (?, ?, ?) ON CONFLICT (ecosystem, package) DO UPDATE SET import = excluded.import",
            [(*place, self._import) for place in sorted(self._touched)],
        )
        self.counts.touched = len(self._touched)
        of_when = self._connection.execute("SELECT name, covers, as_of FROM feed ORDER BY name").fetchall()
        revision = sha256(f"{self._sum:064x} {of_when}".encode()).hexdigest()[:16]
        meta = {"import": str(self._import), "sum": f"{self._sum:064x}", "revision": revision}
        self._connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", meta.items())
        self._connection.execute("COMMIT")

    def _feed(self, name: str) -> _Feed:
        if name not in self._feeds:
            self._connection.execute("INSERT OR IGNORE INTO feed (name) VALUES (?)", (name,))
            ((number,),) = self._connection.execute("SELECT id FROM feed WHERE name = ?", (name,))
            rows = self._connection.execute("SELECT name, id, hash FROM advisory WHERE feed = ?", (number,))
            self._feeds[name] = _Feed(number, {advisory: (held, digest) for advisory, held, digest in rows})
        return self._feeds[name]

    def _ecosystem(self, name: str) -> int:
        if name not in self._ecosystems:
            added = self._connection.execute("INSERT INTO ecosystem (name) VALUES (?)", (name,)).lastrowid
            self._ecosystems[name] = added or 0
        return self._ecosystems[name]

    def _inserted(self, feed: int, advisory: Advisory | Kept, places: list[Place], kept: bytes, digest: bytes) -> int:
        number = self._connection.execute(
            "INSERT INTO advisory (feed, name, hash, body, places) VALUES (?, ?, ?, ?, ?)",
            (feed, advisory.id, digest, kept, ENCODER.encode(places)),
        ).lastrowid
        names = dict.fromkeys((advisory.id, *advisory.aliases, *advisory.covers))
        self._connection.executemany("INSERT INTO alias VALUES (?, ?)", [(name, number) for name in names])
        self._weigh(1, "advisory", digest)
        return number or 0

    def _removed(self, number: int, digest: bytes) -> dict[Place, bytes]:
        """Take an advisory out; what it said of which package."""
        ((body, places),) = self._connection.execute("SELECT body, places FROM advisory WHERE id = ?", (number,))
        earlier: dict[Place, bytes] = {}
        for ecosystem, package in PLACES.decode(places):
            ((said,),) = self._connection.execute(
                "DELETE FROM affected WHERE ecosystem = ? AND package = ? AND advisory = ? RETURNING body",
                (ecosystem, package, number),
            ).fetchall()
            earlier[ecosystem, package] = said
        kept = KEPT.decode(body)
        names = dict.fromkeys((kept.id, *kept.aliases, *kept.covers))
        self._connection.executemany("DELETE FROM alias WHERE name = ? AND advisory = ?", [(name, number) for name in names])
        self._connection.execute("DELETE FROM advisory WHERE id = ?", (number,))
        self._touched.update(earlier)
        self._weigh(-1, "advisory", digest)
        return earlier

    def _replace(self, table: str, wanted: Mapping[str, float | None], *, step: float) -> None:
        """The whole of a table of two columns: a name, and a number."""
        present: dict[str, float | None] = dict(self._connection.execute(f"SELECT * FROM {table}").fetchall())  # noqa: S608  ours
        self._connection.execute(f"DELETE FROM {table}")  # noqa: S608
        self._connection.executemany(f"INSERT INTO {table} VALUES (?, ?)", wanted.items())  # noqa: S608
        for name, number in present.items():
            self._weigh(-1, table, f"{name} {number}".encode())
        for name, number in wanted.items():
            self._weigh(1, table, f"{name} {number}".encode())
        both = wanted.keys() & present.keys()
        moved = {name for name in both if abs((wanted[name] or 0.0) - (present[name] or 0.0)) >= step > 0}
        self._touch_named((wanted.keys() ^ present.keys()) | moved)

    def _touch_named(self, names: Iterable[str]) -> None:
        """Packages that advisories of these names are about."""
        for name in names:
            rows: Any = self._connection.execute(
                "SELECT places FROM advisory JOIN alias ON alias.advisory = advisory.id WHERE alias.name = ?", (name,)
            )
            for (places,) in rows:
                self._touched.update(PLACES.decode(places))

    def _weigh(self, sign: int, kind: str, content: bytes) -> None:
        self._sum = (self._sum + sign * int.from_bytes(sha256(kind.encode() + b"\0" + content).digest(), "big")) % 2**256


def _kept(advisory: Advisory) -> Kept:
    return Kept(
        id=advisory.id,
        aliases=advisory.aliases,
        covers=advisory.covers,
        summary=advisory.summary,
        published=advisory.published.timestamp() if advisory.published else None,
        severity=advisory.severity,
        vectors=tuple((each.source, each.text) for each in advisory.vectors),
        links=advisory.links,
    )


def _affected(said: Affected) -> KeptAffected:
    return KeptAffected(
        intervals=tuple((each.introduced, each.fixed, each.last_affected, each.limit) for each in said.intervals),
        versions=said.versions,
        severity=said.severity,
        status=said.status,
        module=said.module,
        subscription=said.subscription,
    )


def _with_since(entries: list[KeptAffected], advisory: Advisory, earlier: bytes | None, *, new: bool) -> bytes:
    """With from when on each has a fix. Nobody publishes that, so it is when the data were first seen to have one.

    Of an advisory that is new here and has one it is when the advisory was published: it cannot have been there before that, and a
    fix must not look younger than it is. Where one has come to an advisory that had none, it is when that was modified.
    """
    before = AFFECTED.decode(earlier) if earlier else ()
    known = next((each.since for each in before if each.since is not None), None)
    first, changed = advisory.published or advisory.modified, advisory.modified or advisory.published
    seen = (first if new else changed) or None
    since = known if known is not None else seen.timestamp() if seen else None
    return ENCODER.encode([_dated(each, since) for each in entries])


def _dated(said: KeptAffected, since: float | None) -> KeptAffected:
    if not said.has_fix or since is None:
        return said
    return KeptAffected(
        intervals=said.intervals,
        versions=said.versions,
        severity=said.severity,
        status=said.status,
        module=said.module,
        subscription=said.subscription,
        since=since,
    )
