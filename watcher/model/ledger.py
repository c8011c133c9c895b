"""The ledger: what registries hold, held against what has a verdict, image by image."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from watcher.model.digest import Digest
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.model.verdict import Outcome


class LedgerState(StrEnum):
    """What is the matter with an image.

    JUDGED: it has a verdict by the policies in force. OUTDATED: by earlier ones. WAITING: it has none yet. CANNOT: it has none, and
    gets none until somebody does something, or one that says that it could not be decided.
    """

    JUDGED = "judged"
    OUTDATED = "outdated"
    WAITING = "waiting"
    CANNOT = "cannot"


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One image of a repository.

    `since` is when it was judged, or was given up, or from when it waits. `outcome` is that of its verdict, None where there is
    none; `reason` says why, or why the outcome is unknown.
    """

    digest: Digest
    tags: tuple[Tag, ...]
    state: LedgerState
    since: datetime
    outcome: Outcome | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerLine:
    """One repository: how many images it held when a sweep looked at it, and how many are in which state now.

    `without_verdict` are those of them that have none at all. `problem` is what could not be read, '' for nothing.
    """

    registry: Host
    repository: RepositoryName
    looked_at: datetime
    problem: str
    judged: int
    outdated: int
    waiting: int
    cannot: int
    without_verdict: int

    @property
    def place(self) -> tuple[Host, RepositoryName]:
        return self.registry, self.repository

    @property
    def images(self) -> int:
        return self.judged + self.outdated + self.waiting + self.cannot


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldVerdict:
    """What was said last of an image in its repository, for one environment."""

    outcome: Outcome
    reason: str
    policy_revision: str
    evaluated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldImage:
    """One image as a sweep saw it, first at `since`; `verdicts` are the newest of every environment, newest first.

    `missing` is what was said of one that is listed and was not there when it was to be judged.
    """

    digest: Digest
    tags: tuple[Tag, ...]
    since: datetime
    verdicts: tuple[HeldVerdict, ...] = ()
    missing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRepository:
    """One repository as a sweep saw it: how many images have a verdict by the policies in force, or by earlier ones, or one that
    could not be decided; and which have none.
    """

    registry: Host
    repository: RepositoryName
    looked_at: datetime
    problem: str
    judged: int
    outdated: int
    undecided: int
    unjudged: frozenset[Digest]
