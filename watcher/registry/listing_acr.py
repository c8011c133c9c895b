"""Azure Container Registry: an API of its own beside the specification's, with the same tokens."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from watcher.model.digest import Digest
from watcher.model.reference import RepositoryName
from watcher.registry.challenges import scope
from watcher.registry.client import RegistryClient
from watcher.registry.listing import DistributionListing, valid_digest
from watcher.registry.pages import decode_page


class Manifests(msgspec.Struct, frozen=True):
    """A page of `_manifests`."""

    manifests: list[Any] | None = None


class AcrListing(DistributionListing):
    """Tags are listed as everywhere; the catalogue and the manifests are Azure's own.

    Role: whatever may read metadata, AcrPull among them; for the catalogue of a registry whose repositories have roles of their
    own, Container Registry Repository Catalog Lister.
    """

    lists_digests = True

    def __init__(self, client: RegistryClient) -> None:
        super().__init__(client, catalog_path="/acr/v1/_catalog")

    async def digests(self, repository: RepositoryName) -> AsyncIterator[Digest]:
        """See `Listing`."""
        path, scopes = f"/acr/v1/{repository}/_manifests", frozenset({scope(repository, "metadata_read")})
        async for page in self._pages(path, scopes=scopes, accept=frozenset({404})):
            if page.status == 404:
                return
            for entry in decode_page(self._client, page, Manifests).manifests or ():
                if isinstance(entry, dict) and not entry.get("tags") and (digest := valid_digest(entry.get("digest"))):
                    yield digest
