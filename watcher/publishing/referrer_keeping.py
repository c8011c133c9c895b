"""Keep lists of referrers whole that live under a tag: somebody who wrote one may have lost an entry by it, ours or another's.

What is heard of is neither an image nor ours: an artefact that was attached to one, or the list itself. A part of `referrer.py`.

Spec: OCI distribution-spec v1.1 "Referrers Tag Schema".
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace

import structlog

from watcher.model.digest import Digest
from watcher.model.errors import PermanentError
from watcher.model.image import FetchedManifest, Index, Manifest
from watcher.model.referrers_tag import subject_of
from watcher.model.verdict import Outcome, Subject, Verdict
from watcher.publishing.protocol import Judgements, OwnWrites, SubjectLocks
from watcher.publishing.referrer_index import Edit, ReferrerIndex, Said
from watcher.registry.protocol import RegistryAccess
from watcher.registry.referrers import listed_descriptor

log = structlog.get_logger(__name__)

# Of an artefact that is larger nothing is copied into a list that everybody has to read: its annotations would be in it.
MOST_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """Of images whose verdicts are attached: those with one of `outcomes`, as artefacts of the type `verdict_type`.

    `attach` does that once more. `is_false` tells of an artefact whether it says in our name what the image's verdict does not.
    """

    judgements: Judgements
    own_writes: OwnWrites
    locks: SubjectLocks
    outcomes: Collection[Outcome]
    verdict_type: str
    attach: Callable[[Verdict], Awaitable[None]]
    is_false: Callable[[Manifest, Verdict], Awaitable[bool]]

    async def keep(self, access: RegistryAccess, found: Subject) -> None:
        """`found` is what was pushed. Where the registry lists referrers itself, nothing is done but for what is ours.

        Raises: as `Publisher.publish`.
        """
        try:
            manifest = await access.manifests(found.repository).manifest(found.digest)
        except PermanentError:
            return  # it is gone already, or nothing that anybody can read
        for image in _images(manifest, found):
            standing = next(iter(await self.judgements.standing(found.registry, found.repository, image)), None)
            if standing is None or standing.outcome not in self.outcomes:
                continue
            if isinstance(manifest.content, Manifest) and await self.is_false(manifest.content, standing):
                # Somebody pushed again what we said of the image once.
                log.info("referrer.replaced", image=standing.subject.name, referrer=found.digest)
                await self.attach(standing)
                continue
            if await access.referrers.listed(found.repository, image, found.digest) is not None:
                return
            index = ReferrerIndex(access=access, own_writes=self.own_writes, repository=found.repository, image=image)
            if isinstance(manifest.content, Manifest):
                await self._list(index, replace(found, digest=image), manifest)
            # Where another verdict is listed somebody replaced ours, another watcher perhaps, and would again.
            if not any(each.type == self.verdict_type for each in await index.listed()):
                log.info("referrer.restored", image=standing.subject.name, referrer="ours")
                await self.attach(standing)

    async def _list(self, index: ReferrerIndex, image: Subject, artefact: FetchedManifest) -> None:
        """Whoever attached it has written it into the list, as every client does, seconds ago. If it is not there, it was lost."""
        if len(artefact.raw) > MOST_BYTES:
            return

        async def decide(_: Sequence[Said]) -> Edit:
            return Edit(add=[listed_descriptor(artefact.raw, artefact.digest)])

        if artefact.digest not in {each.digest for each in await index.listed()}:
            async with self.locks.lock(image):
                await index.edit(decide)
            log.info("referrer.restored", image=image.name, referrer=artefact.digest)


def _images(manifest: FetchedManifest, found: Subject) -> Collection[Digest]:
    """Whose list of referrers it is, or ought to be in."""
    if isinstance(manifest.content, Index):
        return [image for image in map(subject_of, found.tags) if image is not None]
    attached_to = manifest.content.subject if manifest.content.is_bare_artifact else None
    return [] if attached_to is None else [attached_to]
