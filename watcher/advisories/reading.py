"""The file of advisories, open for questions. What was asked once is remembered, since images hold the same packages."""

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from watcher.advisories.ecosystems import family
from watcher.advisories.feeds import counterparts
from watcher.advisories.record import Statement
from watcher.advisories.tables import AFFECTED, KEPT, PLACES, Feed, Kept, KeptAffected, feeds, open_read_only
from watcher.kit.memory import Memory
from watcher.model.errors import ConfigurationError
from watcher.model.first_use import known

# Parameters of one statement. SQLite takes 32 766; a longer list is not faster.
_TOGETHER = 500
# Answers of each kind that are remembered. A fleet has some ten thousand packages, of which a tenth is in any advisory at all; what
# is known of one vulnerability takes about 2 kB.
_REMEMBERED = 20_000
_STATEMENT = msgspec.msgpack.Decoder(known(Statement))

Entry = tuple[int, tuple[KeptAffected, ...]]
"""An advisory by its number in this file, and what it says of one package."""


class AdvisoryFile:
    """One revision of the data. Not for several threads at a time.

    Raises what `open_read_only` raises.
    """

    def __init__(self, path: Path) -> None:
        self._connection = open_read_only(path)
        # What others worked out from it, for as long as it is open.
        self.answers, self.rated = Memory[Any, Any](_REMEMBERED), Memory[Any, Any](_REMEMBERED)
        self._packages = Memory[tuple[int, str], tuple[Entry, ...]](_REMEMBERED)
        self._advisories = Memory[int, Kept](_REMEMBERED)
        try:
            self._read_small()
        except (sqlite3.DatabaseError, KeyError, ValueError) as error:  # cut short, for one
            self._connection.close()
            raise ConfigurationError(f"{path}: advisory data are damaged: {error!s:.200}; import them again") from error

    def _read_small(self) -> None:
        """What every question needs."""
        meta = dict(self._connection.execute("SELECT name, value FROM meta"))
        self.revision, self.lineage, self.last_import = meta["revision"], meta["lineage"], int(meta["import"])
        self._ecosystems: Mapping[str, int] = {
            name: number for number, name in self._connection.execute("SELECT id, name FROM ecosystem")
        }
        known = feeds(self._connection)
        self._as_of = _ages(known)
        self._lists = {each.name: each.as_of for each in known}
        self._exploited = frozenset(name for (name,) in self._connection.execute("SELECT name FROM exploited"))
        self.has_statements = bool(self._connection.execute("SELECT 1 FROM statement LIMIT 1").fetchone())

    def close(self) -> None:
        self._connection.close()

    def as_of(self, ecosystem: str) -> datetime | None:
        """Of when the data about an ecosystem are; None where it is not covered."""
        if ecosystem not in self._ecosystems:
            return None
        covering = (self._as_of.get(each) for each in (ecosystem, family(ecosystem)))
        return max((each for each in covering if each is not None), default=None)

    def as_of_list(self, feed: str) -> datetime | None:
        """Of when a list is that is about no packages; None where there is none."""
        return self._lists.get(feed)

    @property
    def oldest(self) -> datetime | None:
        """Of when the oldest of the data are."""
        return min(self._as_of.values(), default=None)

    def about(self, ecosystem: str, packages: Collection[str]) -> Mapping[str, tuple[Entry, ...]]:
        """What is said of these packages; those of which nothing is are left out."""
        number = self._ecosystems.get(ecosystem)
        if number is None:
            return {}
        remembered = self._packages.known((number, package) for package in packages)
        found: dict[str, list[Entry]] = {package: [] for package in packages if (number, package) not in remembered}
        for package, advisory, body in self._rows(
            "SELECT package, advisory, body FROM affected WHERE ecosystem = ? AND package IN ({})", list(found), number
        ):
            found[package].append((advisory, AFFECTED.decode(body)))
        answer = {package: entries for (_, package), entries in remembered.items() if entries}
        for package, listed in found.items():
            entries = tuple(listed)
            self._packages.keep((number, package), entries)
            if entries:
                answer[package] = entries
        return answer

    def advisories(self, numbers: Collection[int]) -> Mapping[int, Kept]:
        """Advisories by number."""
        answer = self._advisories.known(numbers)
        unknown = [number for number in numbers if number not in answer]
        for number, body in self._rows("SELECT id, body FROM advisory WHERE id IN ({})", unknown):
            answer[number] = KEPT.decode(body)
            self._advisories.keep(number, answer[number])
        return answer

    def named(self, names: Collection[str]) -> Mapping[str, Collection[int]]:
        """The advisories that go by each name, as their own or as an alias, or that cover it."""
        found: dict[str, list[int]] = {}
        for name, number in self._rows("SELECT name, advisory FROM alias WHERE name IN ({})", list(names)):
            found.setdefault(name, []).append(number)
        return found

    def packages_of(self, numbers: Collection[int]) -> Iterator[tuple[str, str]]:
        """(ecosystem, package) that advisories are about."""
        names = {number: name for name, number in self._ecosystems.items()}
        for (places,) in self._rows("SELECT places FROM advisory WHERE id IN ({})", list(numbers)):
            for ecosystem, package in PLACES.decode(places):
                yield names[ecosystem], package

    def exploited(self, names: Iterable[str]) -> bool:
        return not self._exploited.isdisjoint(names)

    def likelihoods(self, names: Collection[str]) -> Mapping[str, float]:
        return dict(self._rows("SELECT name, probability FROM likelihood WHERE name IN ({})", list(names)))

    def statements(self, names: Collection[str]) -> Mapping[str, Sequence[Statement]]:
        """What VEX documents say of vulnerabilities by these names."""
        if not self.has_statements:
            return {}
        found: dict[str, list[Statement]] = {}
        for name, body in self._rows(
            "SELECT name, body FROM statement_alias JOIN statement ON statement.id = statement WHERE name IN ({})", list(names)
        ):
            found.setdefault(name, []).append(_STATEMENT.decode(body))
        return found

    def touched_since(self, last_import: int) -> Iterator[tuple[str, str]]:
        """(ecosystem, package) that became another matter after that import."""
        yield from self._connection.execute(
            "SELECT name, package FROM touched JOIN ecosystem ON ecosystem.id = ecosystem WHERE import > ? ORDER BY name, package",
            (last_import,),
        )

    def _rows(self, statement: str, values: Sequence[Any], *first: Any) -> Iterator[Any]:
        for start in range(0, len(values), _TOGETHER):
            part = values[start : start + _TOGETHER]
            yield from self._connection.execute(statement.format(",".join("?" * len(part))), (*first, *part))


def _ages(known: Sequence[Feed]) -> Mapping[str, datetime]:
    """Of when the data about what is covered are: as old as the older of those that cover it together, as young as the youngest
    of those that each cover all of it.
    """
    dates = {each.name: each.as_of for each in known if each.as_of is not None}
    ages: dict[str, datetime] = {}
    for each in known:
        if each.covers and each.name in dates:
            together = min(dates[name] for name in (each.name, *counterparts(each.name)) if name in dates)
            ages[each.covers] = max(together, ages.get(each.covers, together))
    return ages
