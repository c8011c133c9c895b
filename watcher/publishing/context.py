"""What a publisher may need of the daemon, whichever it is."""

from dataclasses import dataclass

import aiohttp

from watcher.kit.clock import Clock
from watcher.publishing.links import Links
from watcher.publishing.protocol import Labels, OwnWrites, Sboms, SubjectLocks, TagHistory, Tickets
from watcher.registry.protocol import WritableRegistries


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherContext:
    """`session` is for requests to anybody but a registry, and is closed by its owner."""

    registries: WritableRegistries
    own_writes: OwnWrites
    locks: SubjectLocks
    sboms: Sboms
    tags: TagHistory
    labels: Labels
    tickets: Tickets
    session: aiohttp.ClientSession
    links: Links
    clock: Clock
