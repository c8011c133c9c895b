"""Artifact Registry and its predecessor: their tag lists say of every manifest, tagged or not, that it is there."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from watcher.model.digest import Digest
from watcher.model.reference import RepositoryName
from watcher.registry.challenges import scope
from watcher.registry.client import RegistryClient
from watcher.registry.listing import DistributionListing, valid_digest
from watcher.registry.pages import decode_page


class ManifestMap(msgspec.Struct, frozen=True):
    """`manifest` of a tag list: by digest, what is known of each."""

    manifest: dict[str, Any] | None = None


class GarListing(DistributionListing):
    """Repositories and tags are listed as everywhere."""

    lists_digests = True

    def __init__(self, client: RegistryClient) -> None:
        super().__init__(client)

    async def digests(self, repository: RepositoryName) -> AsyncIterator[Digest]:
        """See `Listing`."""
        path, scopes = f"/v2/{repository}/tags/list", frozenset({scope(repository, "pull")})
        async for page in self._pages(path, scopes=scopes, accept=frozenset({404})):
            if page.status == 404:
                return
            for text, known in (decode_page(self._client, page, ManifestMap).manifest or {}).items():
                is_tagged = isinstance(known, dict) and known.get("tag")
                if not is_tagged and (digest := valid_digest(text)):
                    yield digest
