"""What a publisher may need of the daemon, whichever it is."""

from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from watcher.kit.clock import Clock
from watcher.kit.proxies import Proxies
from watcher.model.reference import Host, RepositoryName
from watcher.publishing.links import Links
from watcher.publishing.protocol import (
    Judgements,
    Labels,
    OwnWrites,
    Pushes,
    Quarantines,
    Sboms,
    SubjectLocks,
    TagHistory,
    Tickets,
)
from watcher.publishing.quarantine.protocol import QuarantineDriver
from watcher.registry.protocol import RegistryAccess, WritableRegistries


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherContext:
    """`session` is for requests to anybody but a registry, through `proxies`, and is closed by its owner.

    `driver` gives what a registry can do to an image beside what the specification has, `environment` the one that a repository
    belongs to.
    """

    registries: WritableRegistries
    own_writes: OwnWrites
    locks: SubjectLocks
    sboms: Sboms
    tags: TagHistory
    labels: Labels
    tickets: Tickets
    quarantines: Quarantines
    judgements: Judgements
    pushes: Pushes
    driver: Callable[[RegistryAccess], QuarantineDriver]
    environment: Callable[[Host, RepositoryName], str | None]
    session: aiohttp.ClientSession
    proxies: Proxies
    links: Links
    clock: Clock
