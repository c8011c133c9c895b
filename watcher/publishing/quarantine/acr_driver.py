"""Azure Container Registry: a manifest that is locked against reading is pulled by nobody, by no tag and not by its digest.

Where the registry's quarantine policy is on (a preview), it keeps a state of what is pushed as well, which is set along with it.

Spec: ACR data plane API 2021-07-01, "Manifests - Update Attributes", "Manifests - Get Attributes", "Tag - Delete"; the quarantine
states as in Azure/acr docs/preview/quarantine. Permission: metadata/write on the repository; for states, role AcrQuarantineWriter.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from watcher.model.reference import RepositoryName, Tag
from watcher.publishing.quarantine.protocol import Condemned
from watcher.registry.protocol import RegistryAccess

# As much of the reason as fits well into what Azure keeps for details.
_MAX_DETAILS = 500
SOURCE = "registry-watcher"


class AcrDriver:
    """`QuarantineDriver` by Azure's own API."""

    def __init__(self, access: RegistryAccess) -> None:
        self._api = access.api

    async def block(self, image: Condemned) -> None:
        """See `QuarantineDriver.block`. What another scanner has failed already stays its matter."""
        now = await self._attributes(image)
        if now.get("readEnabled") is False:
            return
        body: dict[str, Any] = {"readEnabled": False}
        if now.get("quarantineState") not in {None, "", "Failed"}:
            body |= _stated("Failed", image)
        await self._set(image, body)

    async def unblock(self, image: Condemned) -> None:
        """See `QuarantineDriver.unblock`. A state is changed only where it is the one that we have set."""
        now = await self._attributes(image)
        body: dict[str, Any] = {"readEnabled": True} if now.get("readEnabled") is False else {}
        if now.get("quarantineState") == "Failed" and _is_ours(now.get("quarantineDetails")):
            body |= _stated("Passed", image)
        if body:
            await self._set(image, body)

    async def is_blocked(self, image: Condemned) -> bool:
        """See `QuarantineDriver.is_blocked`."""
        return (await self._attributes(image)).get("readEnabled") is False

    async def admit(self, image: Condemned) -> None:
        """See `QuarantineDriver.admit`. What was decided by somebody, to pass or to fail, stays so."""
        state = (await self._attributes(image)).get("quarantineState")
        if state and state not in {"Passed", "Failed"}:
            await self._set(image, _stated("Passed", image))

    async def remove_tag(self, repository: RepositoryName, tag: Tag) -> bool:
        """See `QuarantineDriver.remove_tag`. 405: the tag is locked."""
        scopes = (f"repository:{repository}:delete",)
        answer = await self._api.call("DELETE", f"/acr/v1/{repository}/_tags/{tag}", scopes=scopes, accept={200, 202, 404, 405})
        return answer.status != 405

    async def _set(self, image: Condemned, body: Mapping[str, Any]) -> None:
        scopes = (f"repository:{image.repository}:metadata_read", f"repository:{image.repository}:metadata_write")
        await self._api.call("PATCH", _manifest(image), body=body, scopes=scopes, accept={200, 202})

    async def _attributes(self, image: Condemned) -> dict[str, Any]:
        """What may be changed of the manifest, as it is; of one that is gone nothing is."""
        scopes = (f"repository:{image.repository}:metadata_read",)
        answer = await self._api.call("GET", _manifest(image), scopes=scopes, accept={200, 404})
        manifest = answer.document.get("manifest") if isinstance(answer.document, dict) else None
        attributes = manifest.get("changeableAttributes") if isinstance(manifest, dict) else None
        return attributes if isinstance(attributes, dict) else {}


def _stated(state: str, image: Condemned) -> Mapping[str, Any]:
    details = {"state": state, "source": SOURCE, "reason": image.reason[:_MAX_DETAILS]}
    return {"quarantineState": state, "quarantineDetails": msgspec.json.encode(details).decode()}


def _is_ours(details: Any) -> bool:
    """Whether the details of a state, a JSON text in which scanners say what they like, are of ours."""
    try:
        said = msgspec.json.decode(details) if isinstance(details, str) else details
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return False
    return isinstance(said, dict) and said.get("source") == SOURCE


def _manifest(image: Condemned) -> str:
    return f"/acr/v1/{image.repository}/_manifests/{image.digest}"
