"""The clients of all registries: those that are configured, and those that are named elsewhere and reached as they are."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Self

from watcher.kit.clock import since_boot
from watcher.model.digest import Digest
from watcher.model.image import FetchedManifest
from watcher.model.reference import Host, Reference, RepositoryName
from watcher.registry.client import RegistryClient
from watcher.registry.listing_catalog import build_listing
from watcher.registry.manifests import RegistryImages
from watcher.registry.mirrors import Mirror, Mirrors
from watcher.registry.own_api import RegistryOwnApi
from watcher.registry.protocol import Listing, RegistryAccess
from watcher.registry.referrers import RegistryReferrers
from watcher.registry.settings import RegistrySettings, parse_mirror
from watcher.registry.uploads import RegistryUploads
from watcher.registry.wire import OnResponse, Sleep


class RegistryClients:
    """`Registries` and `WritableRegistries` by one client per registry, made when first needed: all wait for the same turns."""

    def __init__(self, settings: Sequence[RegistrySettings], connect: Callable[[RegistrySettings], RegistryClient]) -> None:
        self._settings = {each.registry: each for each in settings}
        self._connect = connect
        self._clients: dict[Host, RegistryClient] = {}
        self._mirrors: dict[Host, Mirrors] = {}

    @classmethod
    @asynccontextmanager
    async def of(
        cls,
        settings: Sequence[RegistrySettings],
        *,
        on_response: OnResponse | None = None,
        monotonic: Callable[[], float] = since_boot,
        sleep: Sleep = asyncio.sleep,
    ) -> AsyncIterator[Self]:
        """Open; every client is closed at the end."""
        registries = cls(settings, partial(RegistryClient, on_response=on_response, monotonic=monotonic, sleep=sleep))
        try:
            yield registries
        finally:
            for client in registries._clients.values():
                await client.close()

    @property
    def hosts(self) -> Sequence[Host]:
        """The configured ones."""
        return tuple(self._settings)

    def open_configured(self) -> None:
        """Make the clients of all configured registries now, so that what is wrong with them is said at the start.

        Raises:
            ConfigurationError: a certificate, a secret or a setting that is not there.
        """
        for host in self._settings:
            self.open(host)

    def open(self, host: Host) -> None:
        """Make the client of one registry now, and those of its mirrors. Raises as `open_configured` does."""
        self._mirrors_of(host)

    def images(self, host: Host, repository: RepositoryName) -> RegistryImages:
        """See `Registries.images`."""
        return RegistryImages(self._client(host), repository, self._mirrors_of(host))

    def listing(self, host: Host) -> Listing:
        """See `Registries.listing`."""
        return build_listing(self._client(host))

    def access(self, host: Host) -> RegistryAccess:
        """See `WritableRegistries.access`."""
        client = self._client(host)
        return RegistryAccess(
            host=host,
            kind=client.settings.registry_kind,
            manifests=partial(self.images, host),
            uploads=RegistryUploads(client),
            referrers=RegistryReferrers(client),
            api=RegistryOwnApi(client),
        )

    async def head(self, reference: Reference) -> Digest | None:
        """See `Registries.head`."""
        wanted = reference.digest or reference.tag
        return await self.images(reference.registry, reference.repository).head(wanted) if wanted is not None else None

    async def fetch_configured(self, reference: Reference) -> FetchedManifest | None:
        """See `Registries.fetch_configured`."""
        wanted = reference.digest or reference.tag
        if reference.registry not in self._settings or wanted is None:
            return None
        return await self.images(reference.registry, reference.repository).manifest(wanted)

    def _client(self, host: Host) -> RegistryClient:
        if host not in self._clients:
            settings = self._settings.get(host) or RegistrySettings(host=host)
            self._clients[host] = self._connect(settings)
        return self._clients[host]

    def _mirrors_of(self, host: Host) -> Mirrors:
        """A mirror is a registry like any other: what `registries` says of it holds, and its own pace and credentials."""
        if host not in self._mirrors:
            client = self._client(host)
            places = [parse_mirror(text) for text in client.settings.mirrors]
            mirrors = [Mirror(client=self._client(cache), of=client.registry, prefix=prefix) for cache, prefix in places]
            self._mirrors[host] = Mirrors(mirrors)
        return self._mirrors[host]
