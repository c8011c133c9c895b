"""Registries that can do nothing to a manifest, but what the specification lets us do to tags."""

from watcher.model.reference import RepositoryName, Tag
from watcher.publishing.quarantine.protocol import Condemned
from watcher.registry.protocol import RegistryAccess


class TagsDriver:
    """`QuarantineDriver` by the specification alone. Spec: OCI distribution-spec v1.1 "Deleting tags"."""

    def __init__(self, access: RegistryAccess) -> None:
        self._uploads = access.uploads

    async def block(self, image: Condemned) -> None:
        """Nothing is to be done."""

    async def unblock(self, image: Condemned) -> None:
        """Nothing was done."""

    async def is_blocked(self, image: Condemned) -> bool:
        """See `QuarantineDriver.is_blocked`."""
        del image
        return False

    async def admit(self, image: Condemned) -> None:
        """Nothing is kept back."""

    async def remove_tag(self, repository: RepositoryName, tag: Tag) -> bool:
        """See `QuarantineDriver.remove_tag`."""
        return await self._uploads.delete_tag(repository, tag)
