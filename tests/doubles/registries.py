"""Registries in memory: nothing is dialled, and they say of a name whatever a test wants."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from tests.doubles.image_sources import MemoryImages
from watcher.model.digest import Digest
from watcher.model.errors import WatcherError
from watcher.model.image import Descriptor, FetchedManifest
from watcher.model.reference import Host, Reference, RepositoryName, Tag
from watcher.registry.protocol import CatalogUnavailableError

# What a registry says of a name: where it leads, nowhere, an error, or nothing until the event is set.
Answer = Digest | Exception | asyncio.Event | None


@dataclass(kw_only=True)
class MemoryRegistries:
    """`Registries`: what is in `held`, by host and repository, but for a name that `answers` has.

    `asked` are the references that `head` was asked for. `trouble` is raised whatever is asked, `no_digests`,
    `no_repositories` and `no_tags` by these lists.
    """

    hosts: tuple[Host, ...] = ()
    held: dict[tuple[Host, RepositoryName], MemoryImages] = field(default_factory=lambda: defaultdict(MemoryImages))
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    trouble: WatcherError | None = None
    lists_repositories: bool = True
    lists_digests: bool = True
    no_digests: WatcherError | None = None
    no_repositories: WatcherError | None = None
    no_tags: WatcherError | None = None

    def images(self, host: Host, repository: RepositoryName) -> "HeldImages":
        return HeldImages(self, host, repository)

    def listing(self, host: Host) -> "HeldListing":
        return HeldListing(self, host)

    async def head(self, reference: Reference) -> Digest | None:
        self.asked.append(str(reference))
        self.complain()
        if str(reference) in self.answers:
            return await _said(self.answers[str(reference)])
        held = self.held.get((reference.registry, reference.repository), MemoryImages())
        digest = reference.digest or (held.tags.get(reference.tag) if reference.tag else None)
        return digest if digest in held.media_types else None

    async def fetch_configured(self, reference: Reference) -> FetchedManifest | None:
        wanted = reference.digest or reference.tag
        if reference.registry not in self.hosts or wanted is None:
            return None
        return await self.images(reference.registry, reference.repository).manifest(wanted)

    def complain(self, also: WatcherError | None = None) -> None:
        for trouble in (self.trouble, also):
            if trouble is not None:
                raise trouble


@dataclass(frozen=True)
class HeldImages:
    """`ImageSource`: one repository of a host."""

    registries: MemoryRegistries
    host: Host
    repository: RepositoryName

    def _held(self) -> MemoryImages:
        self.registries.complain()
        return self.registries.held.get((self.host, self.repository), MemoryImages())

    async def manifest(self, reference: Tag | Digest) -> FetchedManifest:
        return await self._held().manifest(reference)

    async def blob(self, descriptor: Descriptor, *, limit_bytes: int) -> bytes:
        return await self._held().blob(descriptor, limit_bytes=limit_bytes)

    async def referrers(self, digest: Digest) -> Sequence[Descriptor]:
        return await self._held().referrers(digest)

    async def pour(self, descriptor: Descriptor, sink: int, *, timeout_seconds: float) -> None:
        await self._held().pour(descriptor, sink, timeout_seconds=timeout_seconds)


class HeldListing:
    """`Listing` of one host."""

    def __init__(self, registries: MemoryRegistries, host: Host) -> None:
        self.lists_digests = registries.lists_digests
        self._registries = registries
        self._host = host

    async def repositories(self) -> AsyncIterator[RepositoryName]:
        self._registries.complain(self._registries.no_repositories)
        if not self._registries.lists_repositories:
            raise CatalogUnavailableError("does not list its repositories for us")
        for host, repository in tuple(self._registries.held):
            if host == self._host:
                yield repository

    async def tags(self, repository: RepositoryName) -> AsyncIterator[Tag]:
        self._registries.complain(self._registries.no_tags)
        for tag in tuple(self._registries.held.get((self._host, repository), MemoryImages()).tags):
            yield tag

    async def digests(self, repository: RepositoryName) -> AsyncIterator[Digest]:
        self._registries.complain(self._registries.no_digests)
        held = self._registries.held.get((self._host, repository), MemoryImages())
        for digest in tuple(held.media_types.keys() - held.tags.values()) if self.lists_digests else ():
            yield digest


async def _said(answer: Answer) -> Digest | None:
    if isinstance(answer, Exception):
        raise answer
    if isinstance(answer, asyncio.Event):
        await answer.wait()
        return None
    return answer
