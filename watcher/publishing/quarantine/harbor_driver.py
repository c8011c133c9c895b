"""Harbor: a label of the project, on the artefact. Nothing is stopped by it; rules of retention and replication can go by it.

Spec: Harbor API v2.0, `labels`, `artifact`, `tag`. Permissions of a robot account in the project: list and create label; create and
delete artifact label; read artifact; delete tag.
"""

from typing import Any
from urllib.parse import quote

from watcher.model.digest import Digest
from watcher.model.errors import RegistryRefusedError
from watcher.model.reference import RepositoryName, Tag
from watcher.publishing.quarantine.protocol import MARK, Condemned
from watcher.registry.protocol import RegistryAccess

_API = "/api/v2.0"
_COLOR = "#C92100"


class HarborDriver:
    """`QuarantineDriver` by Harbor's own API."""

    def __init__(self, access: RegistryAccess) -> None:
        self._api = access.api

    async def block(self, image: Condemned) -> None:
        """See `QuarantineDriver.block`."""
        label = {"id": await self._label_id(image)}
        # 409: it has the label already.
        await self._api.call("POST", f"{_artifact(image)}/labels", body=label, accept={200, 201, 409})

    async def unblock(self, image: Condemned) -> None:
        """See `QuarantineDriver.unblock`."""
        for label in await self._labels(image):
            await self._api.call("DELETE", f"{_artifact(image)}/labels/{label}", accept={200, 404})

    async def is_blocked(self, image: Condemned) -> bool:
        """See `QuarantineDriver.is_blocked`."""
        return bool(await self._labels(image))

    async def admit(self, image: Condemned) -> None:
        """Nothing is kept back."""

    async def remove_tag(self, repository: RepositoryName, tag: Tag) -> bool:
        """See `QuarantineDriver.remove_tag`. Its registry API deletes by digest alone."""
        path = f"{_artifacts(repository)}/{tag}/tags/{tag}"
        return (await self._api.call("DELETE", path, accept={200, 404, 412})).status != 412  # 412: a rule makes it immutable

    async def _labels(self, image: Condemned) -> list[int]:
        """The ids of ours that the artefact has; none of one that is gone."""
        answer = await self._api.call("GET", f"{_artifact(image)}?with_label=true", accept={200, 404})
        labels = answer.document.get("labels") if isinstance(answer.document, dict) else None
        return _ids(labels, scope="p")

    async def _label_id(self, image: Condemned) -> int:
        """Of the project's label, which is made when it is first needed."""
        project = image.repository.partition("/")[0]
        found = (await self._api.call("GET", f"{_API}/projects/{quote(project, safe='')}")).document
        number = found.get("project_id") if isinstance(found, dict) else None
        if not isinstance(number, int):
            raise RegistryRefusedError(f"Harbor says of the project {project} no number")
        listed = f"{_API}/labels?scope=p&project_id={number}&name={MARK}&page_size=100"
        for _ in range(2):
            ids = _ids((await self._api.call("GET", listed)).document, scope="p")
            if ids:
                return ids[0]
            label = {"name": MARK, "description": "kept from use by a policy", "color": _COLOR, "scope": "p", "project_id": number}
            # 409: another of us has just made it.
            await self._api.call("POST", f"{_API}/labels", body=label, accept={201, 409})
        raise RegistryRefusedError(f"Harbor lists no label {MARK} in the project {project}, though it was made")


def _ids(labels: Any, *, scope: str) -> list[int]:
    """Of those with our name: a search finds everything that has it in its name."""
    found = [each for each in labels if isinstance(each, dict)] if isinstance(labels, list) else []
    ours = [each.get("id") for each in found if each.get("name") == MARK and each.get("scope", scope) == scope]
    return [each for each in ours if isinstance(each, int)]


def _artifacts(repository: RepositoryName) -> str:
    project, _, rest = repository.partition("/")
    # Encoded twice: Harbor's router takes the first away before it looks for slashes.
    return f"{_API}/projects/{quote(project, safe='')}/repositories/{quote(quote(rest, safe=''), safe='')}/artifacts"


def _artifact(image: Condemned) -> str:
    return f"{_artifacts(image.repository)}/{Digest(image.digest)}"
