"""Images as they were inspected, in place of their registry: what is judged again asks nobody for it."""

from dataclasses import dataclass

from watcher.backlog.protocol import Job, Lane
from watcher.model.digest import Digest
from watcher.model.errors import WatcherError
from watcher.model.image import INDEX_TYPES, OCI_CONFIG, Descriptor, FetchedManifest, Index, Manifest
from watcher.model.inventory import Inventory
from watcher.model.reference import Host, RepositoryName
from watcher.model.verdict import REEVALUATION, Verdict
from watcher.pipeline.protocol import Standing
from watcher.store.protocol import ImageReader


def is_again(job: Job) -> bool:
    """Whether a job is about an image that was judged before, and nothing was heard of it since."""
    return job.source == REEVALUATION and job.lane is Lane.REEVALUATE


class NotStoredError(WatcherError):
    """What is stored is not enough to judge the image again: it has to be looked at."""

    reason = "not-stored"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredImages:
    """What was judged in one repository."""

    registry: Host
    repository: RepositoryName
    standing: Standing
    images: ImageReader

    async def manifest(self, digest: Digest) -> FetchedManifest:
        """What its verdict says it is; an index lists the images that were judged under it. Its bytes are not there.

        Raises:
            NotStoredError: no verdict of it stands, or none that looked.
        """
        known = await self.standing.known(self.registry, self.repository, digest)
        if known is None:
            raise NotStoredError(f"{self.registry}/{self.repository}@{digest} has no verdict")
        content: Manifest | Index
        if known.media_type in INDEX_TYPES:
            members = await self.standing.members(self.registry, self.repository, digest)
            if not members:
                raise NotStoredError(f"nothing is known of the images of {self.registry}/{self.repository}@{digest}")
            listed = [
                Descriptor(media_type=each.media_type, digest=each.digest, size=0, platform=each.platform) for each in members
            ]
            content = Index(media_type=known.media_type, manifests=tuple(listed))
        else:
            # Whether it can run was found out by looking, so that its configuration is called what such are.
            config = Descriptor(media_type=OCI_CONFIG, digest=digest, size=0)
            content = Manifest(media_type=known.media_type, config=config, layers=())
        return FetchedManifest(digest=digest, media_type=known.media_type, raw=b"", content=content)

    async def inspect(self, manifest: FetchedManifest, _index: FetchedManifest | None) -> Inventory:
        """What was found when it was inspected.

        Raises:
            NotStoredError: it was not.
        """
        inventory = await self.images.inventory(manifest.digest)
        if inventory is None:
            raise NotStoredError(f"{self.registry}/{self.repository}@{manifest.digest} was not inspected")
        return inventory

    async def require_same_facts(self, said: Verdict) -> None:
        """Of what an index lists, some may not be stored any more, which must not look as if it listed less.

        Raises:
            NotStoredError: the verdict rests on other facts than the one before.
        """
        known = await self.standing.known(self.registry, self.repository, said.subject.digest)
        if known is None or known.facts_revision != said.facts_revision:
            raise NotStoredError(f"{said.subject.name} is not stored as it was judged")
