"""Harbor: its own API knows projects, repositories and artefacts, and shows each account what it may see.

The catalogue of the specification is for Harbor's administrators only. Permissions of a robot account: list project (a system
robot's), list repository, list artifact, list tag; pull.
"""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

from watcher.model.digest import Digest
from watcher.model.errors import AuthenticationError
from watcher.model.reference import RepositoryName
from watcher.registry.client import RegistryClient
from watcher.registry.listing import DistributionListing, no_catalog, valid_digest, valid_repositories
from watcher.registry.pages import decode_page
from watcher.registry.protocol import CatalogUnavailableError

API = "/api/v2.0"
PAGE_SIZE = 100  # its maximum

# Projects that are named in a sentence.
MOST_NAMED = 5

# 401 is not among them: this API answers so to a wrong password, and 403 to a right one that may not.
_REFUSED = frozenset({403, 404, 405})


class HarborListing(DistributionListing):
    """Tags are listed as everywhere."""

    lists_digests = True

    def __init__(self, client: RegistryClient) -> None:
        super().__init__(client)

    async def repositories(self) -> AsyncIterator[RepositoryName]:
        """See `Listing`. Projects that are seen, but not into, are told of when all others have been looked into."""
        closed = []
        async for project in self._entries(f"{API}/projects", needed=True):
            name = project.get("name")
            if not isinstance(name, str) or not name:
                continue
            try:
                async for entry in self._entries(f"{API}/projects/{quote(name, safe='')}/repositories"):
                    for repository in valid_repositories([entry.get("name")]):
                        yield repository
            except AuthenticationError:
                closed.append(name[:80])
        if closed:
            names = ", ".join(closed[:MOST_NAMED]) + (" and others" if len(closed) > MOST_NAMED else "")
            raise CatalogUnavailableError(f"{self._client.registry}: does not list the repositories of {names} for us")

    async def digests(self, repository: RepositoryName) -> AsyncIterator[Digest]:
        """See `Listing`. The manifests of an index are part of it, and not listed by themselves."""
        project, _, rest = repository.partition("/")
        # Encoded twice: Harbor's router takes the first away before it looks for slashes.
        name = quote(quote(rest, safe=""), safe="")
        async for entry in self._entries(f"{API}/projects/{project}/repositories/{name}/artifacts"):
            if not entry.get("tags") and (digest := valid_digest(entry.get("digest"))):
                yield digest

    async def _entries(self, path: str, *, needed: bool = False) -> AsyncIterator[dict[str, Any]]:
        """The objects of a list. One that is not there is empty.

        Raises:
            AuthenticationError: it is refused; CatalogUnavailableError, and where it is not there, if it is `needed`.
        """
        client, accept = self._client, _REFUSED if needed else frozenset({404})
        async for page in self._pages(path, size_name="page_size", size=PAGE_SIZE, accept=accept, password=True):
            if page.status != 200:
                if needed:
                    raise no_catalog(client, page)
                return
            for entry in decode_page(client, page, list[Any]):
                if isinstance(entry, dict):
                    yield entry
