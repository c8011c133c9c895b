"""What a source may need of the daemon, whichever it is."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass

from watcher.model.digest import Digest
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.registry.protocol import Registries

Judged = Callable[[Host, RepositoryName], Awaitable[Mapping[Digest, Collection[Tag]]]]
"""`await judged(registry, repository)`: every digest there that has a verdict, with the tags it is known by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceContext:
    """`swept` is told, of every pass: its source, how many images had no verdict, and how many of them became jobs."""

    max_body_bytes: int
    registries: Registries
    judged: Judged
    swept: Callable[[str, int, int], None]
