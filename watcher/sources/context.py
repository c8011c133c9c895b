"""What a source may need of the daemon, whichever it is."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from watcher.model.digest import Digest
from watcher.model.holding import Holding, LastLook, LastPass, Look
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.registry.protocol import Registries

Judged = Callable[[Host, RepositoryName], Awaitable[Mapping[Digest, Collection[Tag]]]]
"""`await judged(registry, repository)`: every digest there that has a verdict, with the tags it is known by."""

Ours = Callable[[Collection[Digest]], Awaitable[Mapping[Digest, Tag | None]]]
"""`await ours(digests)`: those of them that we wrote ourselves, each with the tag under which alone it is ours, if there is one."""


class Holdings(Protocol):
    """What registries were last seen to hold, and how far each sweep has come. After a method returns, what it did is on disk."""

    async def looks(self, registry: Host) -> Mapping[RepositoryName, LastLook]:
        """When each repository was looked at last."""
        ...

    async def held(self, registry: Host, repository: RepositoryName) -> frozenset[Holding]:
        """What was there; nothing where nobody has looked."""
        ...

    async def looked(self, look: Look) -> None:
        """Keep what a look found to have changed. A repository that holds nothing any more is forgotten."""
        ...

    async def forget(self, registry: Host, repositories: Collection[RepositoryName]) -> None:
        """Nobody looks at these any more."""
        ...

    async def keep(self, registries: Collection[Host]) -> None:
        """Nobody looks at any other registry any more."""
        ...

    async def begun(self, sweep: str, scope: str) -> datetime | None:
        """When the pass began over this scope that has not come to its end yet."""
        ...

    async def ended(self, sweep: str, scope: str) -> datetime | None:
        """When a pass over this scope came to its end last."""
        ...

    async def begin(self, sweep: str, registry: Host, scope: str, at: datetime) -> None:
        """A pass begins. What was known of another scope of this sweep is forgotten."""
        ...

    async def end(self, sweep: str, at: datetime, problems: Sequence[str] = ()) -> None:
        """Its pass came to its end, with these sentences about what could not be read."""
        ...

    async def passes(self) -> Sequence[LastPass]:
        """The last pass of every sweep that came to its end, by registry; of one registry the latest is the last."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What we know of registries, which a sweep holds against what they say."""

    judged: Judged
    ours: Ours
    holdings: Holdings


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceContext:
    """`swept` is told, of every pass that came to its end: its source, and how many images became jobs."""

    max_body_bytes: int
    registries: Registries
    known: Known
    swept: Callable[[str, int], None]
