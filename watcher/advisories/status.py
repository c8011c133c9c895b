"""How old the data are, and what they cover."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from watcher.advisories.tables import Feed, feeds, open_read_only


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What the file holds. `ecosystems` has how many (package, advisory) pairs there are of each."""

    path: Path
    bytes: int
    revision: str
    feeds: tuple[Feed, ...]
    ecosystems: Mapping[str, int]
    exploited: int
    likelihoods: int
    statements: int


def status_of(path: Path) -> Status:
    """Raises FileNotFoundError and ConfigurationError as `open_read_only`."""
    connection = open_read_only(path)
    try:

        def count(table: str) -> int:
            ((number,),) = connection.execute(f"SELECT count(*) FROM {table}")  # noqa: S608  our own names
            return int(number)

        ((revision,),) = connection.execute("SELECT value FROM meta WHERE name = 'revision'")
        pairs = connection.execute(
            "SELECT name, (SELECT count(*) FROM affected WHERE ecosystem = ecosystem.id) FROM ecosystem ORDER BY name"
        )
        return Status(
            path=path,
            bytes=path.stat().st_size,
            revision=revision,
            feeds=tuple(feeds(connection)),
            ecosystems={name: number for name, number in pairs if number},
            exploited=count("exploited"),
            likelihoods=count("likelihood"),
            statements=count("statement"),
        )
    finally:
        connection.close()
