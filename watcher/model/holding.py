"""What registries were last seen to hold: the side of the ledger that verdicts are held against."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from watcher.model.digest import Digest
from watcher.model.reference import Host, RepositoryName, Tag


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """One name of a repository: a tag with what it led to, or a digest that no tag leads to."""

    digest: Digest
    tag: Tag | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at a repository at the moment `at`: what is there that was not before, and what is there no more.

    `by` is the sweep that looked. `problem` is a sentence about what of it could not be read, '' where everything was.
    """

    registry: Host
    repository: RepositoryName
    by: str
    at: datetime
    came: Collection[Holding] = ()
    went: Collection[Holding] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastLook:
    """Who looked at a repository last, and when; `problem` as in Look."""

    by: str
    at: datetime
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastPass:
    """The last pass over a registry that came to its end. `problems` are sentences, one a line, '' where all was read."""

    registry: Host
    at: datetime
    problems: str = ""
