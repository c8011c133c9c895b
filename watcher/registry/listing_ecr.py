"""Amazon ECR: tags are listed as everywhere, and its own API knows what no tag of a repository leads to.

Permissions: ecr:DescribeRepositories and ecr:ListImages.
"""

from collections.abc import AsyncIterator

from watcher.model.digest import Digest
from watcher.model.reference import RepositoryName
from watcher.registry.aside import Aside
from watcher.registry.client import RegistryClient
from watcher.registry.ecr_api import PUBLIC_HOST, ecr_client, region_of
from watcher.registry.listing import DistributionListing, valid_digest
from watcher.registry.pages import PAGES, PageLimits
from watcher.registry.settings import EcrAuth

# Loading the SDK takes a second, each page well below one.
ANSWER_SECONDS = 300.0


class EcrListing(DistributionListing):
    """Repositories and tags are listed as everywhere. The public gallery lists digests for nobody but their owner."""

    def __init__(self, client: RegistryClient, *, api: EcrAuth | None = None, limits: PageLimits = PAGES) -> None:
        """`api` says where and as whom it is asked; None: as the registry's settings do."""
        super().__init__(client, limits=limits)
        self.lists_digests = client.registry != PUBLIC_HOST
        self._limits = limits
        auth = client.settings.auth
        self._settings = api or (auth if isinstance(auth, EcrAuth) else EcrAuth())

    async def digests(self, repository: RepositoryName) -> AsyncIterator[Digest]:
        """See `Listing`."""
        if self.lists_digests:
            name = f"images of {self._client.registry}/{repository}"
            for digest in await Aside(lambda: self._listed(repository), name=name, timeout_seconds=ANSWER_SECONDS).ask():
                yield digest

    def _listed(self, repository: RepositoryName) -> list[Digest]:
        registry = self._client.registry
        found: dict[Digest, None] = {}
        with ecr_client(registry, self._settings, region_of(registry, self._settings), self._client.settings.sdk_proxies()) as ecr:
            asked = {"repositoryName": repository, "maxResults": self._limits.size, "filter": {"tagStatus": "UNTAGGED"}}
            for _ in range(self._limits.pages):
                try:
                    page = ecr.list_images(**asked)
                except ecr.exceptions.RepositoryNotFoundException:
                    return []
                untagged = (each.get("imageDigest") for each in page.get("imageIds", ()) if not each.get("imageTag"))
                found.update(dict.fromkeys(filter(None, map(valid_digest, untagged))))
                if not page.get("nextToken"):
                    break
                asked["nextToken"] = page["nextToken"]
        return [*found]
