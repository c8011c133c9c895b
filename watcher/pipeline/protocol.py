"""What the pipeline asks of rooms that it does not know."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from watcher.model.digest import Digest
from watcher.model.inventory import Inventory
from watcher.model.knowledge import Knowledge
from watcher.model.ledger import HeldImage, HeldRepository
from watcher.model.reference import Host, RepositoryName
from watcher.model.standing import KnownAs, StandingSubject
from watcher.model.verdict import Subject


class Gatherer(Protocol):
    """Knows something of images beyond their bytes. `name` is a word; `sections` are those it answers for, and nobody else."""

    @property
    def name(self) -> str: ...

    @property
    def sections(self) -> Collection[str]: ...

    async def gather(self, subject: Subject, inventory: Inventory) -> Knowledge:
        """What is known of the image now. The same image and the same `data_revision`: the same knowledge.

        What goes wrong is raised, whatever it is: its sections are then missing, with the reason. It is cancelled when it takes too
        long. What it says of sections that are not its own is not heard.
        """
        ...


class Changes(Protocol):
    """Data that verdicts rest on, and that become others."""

    async def revision(self) -> str:
        """Names the data there are now; empty where there are none."""
        ...

    async def oldest(self) -> datetime | None:
        """Of when the oldest of them are, None where there are none."""
        ...

    async def changed_since(self, revision: str) -> Collection[tuple[str, str, str]] | None:
        """Packages of which something else is known since, as (purl type, name, distribution).

        These are the fields of a PackageName (watcher/store/protocol.py). None when that cannot be told: it may be any.
        """
        ...


class Standing(Protocol):
    """What was judged, and what it was found to be."""

    async def subjects(self, *, after: int = 0, limit: int = 500) -> Sequence[StandingSubject]:
        """Every subject with a verdict that stands, in the order of `number`, beginning after `after`.

        `limit` counts images, so that a page never ends within one; an empty page is the end.
        """
        ...

    async def known(self, registry: Host, repository: RepositoryName, digest: Digest) -> KnownAs | None:
        """What the last look there found the digest to be; None where nobody could look."""
        ...

    async def members(self, registry: Host, repository: RepositoryName, index: Digest) -> Sequence[KnownAs]:
        """The images that were judged as listed by an index itself, in the order of its list."""
        ...


class Marks(Protocol):
    """How far something came, over restarts."""

    async def marks(self) -> Mapping[str, str]: ...

    async def put_mark(self, name: str, value: str) -> None:
        """After this returns `marks()[name]` is `value`, on disk."""
        ...


class HeldImages(Protocol):
    """What sweeps saw in registries, beside the newest verdict of it that stands in each environment."""

    async def repositories(
        self,
        policy_revision: str,
        *,
        registry: Host | None = None,
        after: tuple[Host, RepositoryName] | None = None,
        limit: int = 100,
    ) -> Sequence[HeldRepository]:
        """In order of registry and repository, beginning after `after`. By other policies than these is outdated, '' is any."""
        ...

    async def images(self, registry: Host, repository: RepositoryName) -> Sequence[HeldImage]:
        """Those of one repository, in order of digest."""
        ...

    async def totals(self) -> Mapping[str, tuple[int, int]]:
        """By registry: how many images it held, and how many of them have no verdict."""
        ...
