"""Artifactory: a property on every manifest file of the image. What it stops, an Xray policy perhaps, the operator decides.

Artifactory keeps a manifest once for each tag, as `IMAGE/TAG/manifest.json`, and says the digest of each as a property. Its
repository has to be part of the image's path (`HOST/REPOSITORY/IMAGE:TAG`, its "repository path" method).

Spec: JFrog REST API, "Property Search", "Update Item Properties" (Artifactory Pro). Permission: read and annotate.
"""

from collections.abc import Collection
from urllib.parse import quote, unquote

from watcher.model.errors import RegistryRefusedError
from watcher.model.reference import RepositoryName, Tag
from watcher.publishing.quarantine.protocol import MARK, Condemned
from watcher.registry.protocol import RegistryAccess

_API = "/artifactory/api"
_STORAGE = "/api/storage/"


class ArtifactoryDriver:
    """`QuarantineDriver` by Artifactory's own API."""

    def __init__(self, access: RegistryAccess) -> None:
        self._api = access.api
        self._uploads = access.uploads

    async def block(self, image: Condemned) -> None:
        """See `QuarantineDriver.block`."""
        found = await self._paths(image)
        if not found:
            raise RegistryRefusedError(f"Artifactory knows no file of {image.repository}@{image.digest}")
        for path in found:
            await self._set(path, "true")

    async def unblock(self, image: Condemned) -> None:
        """See `QuarantineDriver.unblock`."""
        for path in await self._paths(image, marked=True):
            await self._set(path, None)

    async def is_blocked(self, image: Condemned) -> bool:
        """See `QuarantineDriver.is_blocked`."""
        found = await self._paths(image)
        return bool(found) and found == await self._paths(image, marked=True)

    async def admit(self, image: Condemned) -> None:
        """Nothing is kept back."""

    async def remove_tag(self, repository: RepositoryName, tag: Tag) -> bool:
        """See `QuarantineDriver.remove_tag`."""
        return await self._uploads.delete_tag(repository, tag)

    async def _set(self, path: str, value: str | None) -> None:
        """None takes the property away."""
        body = {"props": {MARK: value}}
        await self._api.call("PATCH", f"{_API}/metadata/{quote(path)}?recursiveProperties=0", body=body, accept={200, 204})

    async def _paths(self, image: Condemned, *, marked: bool = False) -> Collection[str]:
        """`REPOSITORY/IMAGE/TAG/manifest.json` of every tag; of those with our property where `marked`."""
        key, _, name = image.repository.partition("/")
        properties = f"docker.manifest.digest={quote(image.digest, safe='')}" + (f"&{MARK}=true" if marked else "")
        document = (await self._api.call("GET", f"{_API}/search/prop?{properties}&repos={quote(key, safe='')}")).document
        results = document.get("results") if isinstance(document, dict) else None
        if not isinstance(results, list):
            raise RegistryRefusedError(f"Artifactory answers to a search for {image.digest} with something else")
        uris = [each.get("uri") for each in results if isinstance(each, dict)]
        found = {unquote(uri.partition(_STORAGE)[2]) for uri in uris if isinstance(uri, str)}
        # Another image of the repository may have the same manifest, and is none of our business.
        depth = image.repository.count("/") + 2
        return sorted(path for path in found if path.startswith(f"{key}/{name}/") and path.count("/") == depth)
