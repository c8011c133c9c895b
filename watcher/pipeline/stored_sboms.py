"""SBOMs of images as they were found to be when they were last inspected."""

import asyncio
from dataclasses import dataclass

from watcher.model.digest import Digest
from watcher.publishing.protocol import Sbom
from watcher.sbom.contents import Contents
from watcher.sbom.formats import FORMATS
from watcher.store.protocol import ImageReader


@dataclass(frozen=True, slots=True)
class StoredSboms:
    """`Sboms` of watcher/publishing/protocol.py."""

    images: ImageReader

    async def written(self, digest: Digest, repository: str, written_as: str) -> Sbom | None:
        """See `Sboms.written`; in a thread, since it is slow for an image of many packages."""
        inventory = await self.images.inventory(digest)
        if inventory is None:
            return None
        chosen = FORMATS[written_as]
        content = await asyncio.to_thread(chosen.write, Contents(inventory=inventory, repository=repository))
        return Sbom(media_type=chosen.media_type, content=content, facts_revision=inventory.facts_revision)
