"""What a publisher may need of the daemon, whichever it is."""

from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from watcher.kit.clock import Clock
from watcher.model.reference import Host
from watcher.publishing.protocol import OwnWrites, SubjectLocks
from watcher.registry.access import RegistryAccess


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherContext:
    """`access` gives the clients of one registry; `session` is for requests to anybody else, and is closed by its owner."""

    access: Callable[[Host], RegistryAccess]
    own_writes: OwnWrites
    locks: SubjectLocks
    session: aiohttp.ClientSession
    clock: Clock
