"""Catalogers as tests ask them: for the one database of a file."""

from typing import Any

from watcher.inspection.catalogers.protocol import AnyCataloger, Facts, begin
from watcher.model.inventory import PackageDatabase


def facts_of(cataloger: AnyCataloger, path: str, content: bytes, *, piece: int = 0) -> tuple[Any, ...]:
    """What the cataloger makes of a file that it has wanted, fed in pieces of so many bytes if not at once."""
    reading = begin(cataloger, path, len(content))
    for first in range(0, len(content), piece or len(content) or 1):
        reading.feed(content[first : first + (piece or len(content))])
    return reading.facts()


def databases_among(facts: Facts) -> list[PackageDatabase]:
    return [each for each in facts if isinstance(each, PackageDatabase)]


def database_of(cataloger: AnyCataloger, path: str, content: bytes) -> PackageDatabase | None:
    """The only database of the file, None when it is none."""
    databases = databases_among(facts_of(cataloger, path, content))
    assert len(databases) <= 1
    return databases[0] if databases else None
