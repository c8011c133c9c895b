"""What a source may need of the daemon, whichever it is."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass

from watcher.model.digest import Digest
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.registry.protocol import Listing

Judged = Callable[[Host, RepositoryName], Awaitable[Mapping[Digest, Collection[Tag]]]]
"""`await judged(registry, repository)`: every digest there that has a verdict, with the tags it is known by."""

Resolve = Callable[[Host, RepositoryName, Tag], Awaitable[Digest | None]]
"""What a tag leads to now, None when it leads nowhere. Raises as a registry does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceContext:
    """`listing` says what is in a registry. `swept` is told, of every pass: its source, how many images had no verdict, and how
    many of them became jobs.
    """

    max_body_bytes: int
    listing: Callable[[Host], Listing]
    resolve: Resolve
    judged: Judged
    swept: Callable[[str, int, int], None]
