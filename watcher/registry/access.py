"""The clients of all registries: those that are configured, and those that are named elsewhere and reached as they are."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

from watcher.model.image import FetchedManifest
from watcher.model.reference import Host, Reference
from watcher.registry.client import OnResponse, RegistryClient
from watcher.registry.listing_catalog import build_listing
from watcher.registry.manifests import RegistryImages
from watcher.registry.mirrors import Mirror, Mirrors
from watcher.registry.protocol import Listing
from watcher.registry.referrers import Referrers
from watcher.registry.settings import RegistrySettings, parse_mirror
from watcher.registry.uploads import Uploads


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryAccess:
    """Everything that can be asked of one registry."""

    images: RegistryImages
    uploads: Uploads
    referrers: Referrers
    listing: Listing


class Registries:
    """One client per registry, made when first needed. Whoever asks has checked that the host is one we may dial."""

    def __init__(self, settings: Sequence[RegistrySettings], on_response: OnResponse | None) -> None:
        self._settings = {each.registry: each for each in settings}
        self._on_response = on_response
        self._clients: dict[Host, RegistryClient] = {}
        self._accesses: dict[Host, RegistryAccess] = {}

    @classmethod
    @asynccontextmanager
    async def of(cls, settings: Sequence[RegistrySettings], *, on_response: OnResponse | None = None) -> AsyncIterator[Self]:
        """Open; every client is closed at the end."""
        registries = cls(settings, on_response)
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
            self.access(host)

    def access(self, host: Host) -> RegistryAccess:
        if host not in self._accesses:
            client = self._client(host)
            self._accesses[host] = RegistryAccess(
                images=RegistryImages(client, self._mirrors(client)),
                uploads=Uploads(client),
                referrers=Referrers(client),
                listing=build_listing(client),
            )
        return self._accesses[host]

    def images(self, host: Host) -> RegistryImages:
        return self.access(host).images

    async def fetch_configured(self, reference: Reference) -> FetchedManifest | None:
        """A manifest of a configured registry, None for any other: an image must not make us dial a host of its choice."""
        wanted = reference.digest or reference.tag
        if reference.registry not in self._settings or wanted is None:
            return None
        return await self.images(reference.registry).manifest(reference.repository, wanted)

    def _client(self, host: Host) -> RegistryClient:
        if host not in self._clients:
            settings = self._settings.get(host) or RegistrySettings(host=host)
            self._clients[host] = RegistryClient(settings, on_response=self._on_response)
        return self._clients[host]

    def _mirrors(self, client: RegistryClient) -> Mirrors:
        """A mirror is a registry like any other: what `registries` says of it holds, and its own pace and credentials."""
        places = [parse_mirror(text) for text in client.settings.mirrors]
        return Mirrors([Mirror(client=self._client(host), of=client.registry, prefix=prefix) for host, prefix in places])
