"""What the room asks of others, and what others ask of it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from watcher.model.inventory import Inventory, PackageRecord
from watcher.model.knowledge import Knowledge
from watcher.model.verdict import Subject


class FirstSeen(Protocol):
    """Remembers when something was seen for the first time."""

    async def first_seen(self, keys: Collection[str], *, now: datetime) -> Mapping[str, datetime]:
        """When each key was first asked for, which is now for those that never were. After this returns that is on disk."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownVulnerability:
    """One vulnerability under all of its `names`.

    `document` is what is known of it, as JSON (docs/reference/http.md). `packages` are those that it is in some version of: (purl
    type, name, distribution), the fields of a PackageName (watcher/store/protocol.py).
    """

    names: frozenset[str]
    document: Mapping[str, Any]
    packages: tuple[tuple[str, str, str], ...]
    data_revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """That an installed version is affected: how severe that is for this package, and what mends it.

    `state` is that of a fix (docs/reference/policy.md), or `undecided` where the version cannot be compared.
    """

    severity: str
    state: str
    fixed: tuple[str, ...] = ()


class KnownVulnerabilities(Protocol):
    """What the data that there are now say."""

    async def known(self, name: str) -> KnownVulnerability | None:
        """By any of its names; None where nobody knows it, and where there are no data."""
        ...

    async def exposures(
        self, vulnerability: KnownVulnerability, installed: Sequence[tuple[PackageRecord, str]]
    ) -> Sequence[Exposure | None]:
        """Of each package in images of a distribution, `debian:12`; None for one that is not affected."""
        ...

    async def of_image(self, subject: Subject, inventory: Inventory) -> Knowledge:
        """All vulnerabilities of an image, as rules read them."""
        ...
