"""Quay: a label on the manifest, which stops nothing. A tag that is removed can be restored from the repository's time machine.

Spec: Quay API v1, "manifest" and "tag". Permission: `api_token` of the registry is a token of an OAuth application with "Read/Write
to any accessible repositories".
"""

from urllib.parse import quote

from watcher.model.errors import RegistryRefusedError
from watcher.model.reference import RepositoryName, Tag
from watcher.publishing.quarantine.protocol import MARK, Condemned
from watcher.registry.protocol import RegistryAccess


class QuayDriver:
    """`QuarantineDriver` by Quay's own API."""

    def __init__(self, access: RegistryAccess) -> None:
        self._api = access.api

    async def block(self, image: Condemned) -> None:
        """See `QuarantineDriver.block`. Quay would keep any number of equal labels."""
        if not await self._ids(image):
            label = {"key": MARK, "value": image.reason[:250], "media_type": "text/plain"}
            await self._api.call("POST", _labels(image), body=label, accept={201})

    async def unblock(self, image: Condemned) -> None:
        """See `QuarantineDriver.unblock`."""
        for each in await self._ids(image):
            await self._api.call("DELETE", f"{_labels(image)}/{quote(each, safe='')}", accept={204, 404})

    async def is_blocked(self, image: Condemned) -> bool:
        """See `QuarantineDriver.is_blocked`."""
        return bool(await self._ids(image))

    async def admit(self, image: Condemned) -> None:
        """Nothing is kept back."""

    async def remove_tag(self, repository: RepositoryName, tag: Tag) -> bool:
        """See `QuarantineDriver.remove_tag`. 400: the tag is immutable."""
        answer = await self._api.call("DELETE", f"/api/v1/repository/{repository}/tag/{tag}", accept={204, 400, 404})
        return answer.status != 400

    async def _ids(self, image: Condemned) -> list[str]:
        """Of our labels on the manifest. What an image brings along as a label of this name was no decision of ours."""
        answer = await self._api.call("GET", f"{_labels(image)}?filter={MARK}", accept={200, 404})
        if answer.status == 404:
            return []
        labels = answer.document.get("labels") if isinstance(answer.document, dict) else None
        if not isinstance(labels, list):
            raise RegistryRefusedError(f"Quay answers to a request for labels of {image.digest} with something else")
        found = [each for each in labels if isinstance(each, dict) and each.get("key") == MARK and each.get("source_type") == "api"]
        return [each["id"] for each in found if isinstance(each.get("id"), str)]


def _labels(image: Condemned) -> str:
    return f"/api/v1/repository/{image.repository}/manifest/{image.digest}/labels"
