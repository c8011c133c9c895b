"""One artefact beside an image in its registry: each kind once, replaced and never appended. A part of `referrer.py`.

Spec: OCI image-spec v1.1 "subject"; OCI distribution-spec v1.1 "Pushing Manifests with Subject", "Referrers Tag Schema".
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from watcher.model.digest import Digest, digest_of, is_digest
from watcher.model.errors import NotFoundError, PermanentError, RegistryRefusedError, RetryableError
from watcher.model.image import OCI_MANIFEST, Descriptor, Index, Manifest
from watcher.model.reference import RepositoryName
from watcher.publishing.protocol import OwnWrites, Progress
from watcher.registry.protocol import Fallback, RegistryAccess
from watcher.registry.referrers import EMPTY_BLOB, build_artifact, listed_descriptor, merge_index

log = structlog.get_logger(__name__)

# Some registries list a referrer a moment after it was put; between these looks it is waited for.
LOOK_SECONDS = (0.0, 0.2, 0.5)
# Another client may write the fallback tag between our write and our look; eight rounds outlast any that behaves.
ROUNDS = 8
ROUND_SECONDS = 0.1
# Foreign entries are looked at once to know that the index we write cannot be run as an image; more than that are left unclaimed.
MAX_FOREIGN = 50
# A note holds the digests of so many; there is one of ours at a time, unless somebody adds more.
MAX_NOTED = 25


class ReferrerLostError(RetryableError):
    """Our entry is not in the fallback index after every round: others write it faster than we can read it back."""

    reason = "referrers-contended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """What is attached: one layer, of the artefact's own type unless `layer_type` is another.

    It takes the place of earlier ones of the types `replaces`. Where others attach such artefacts too, those that are ours bear the
    annotation `mark`. `recurs`: an earlier publication may have put the same bytes, which are then not put again.
    """

    type: str
    content: bytes
    annotations: Mapping[str, str]
    replaces: Collection[str]
    mark: str = ""
    recurs: bool = False
    layer_type: str = ""

    def is_earlier(self, kind: str | None, annotations: Mapping[str, str]) -> bool:
        """Whether what says this of itself is one of ours that this one replaces."""
        return kind in self.replaces and (not self.mark or self.mark in annotations)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """The artefact's digest, and how many of those before it were removed, and kept since the registry does not delete."""

    digest: Digest
    removed: int
    kept: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Attaching:
    """To one image, whose referrers the caller has locked. `image` is its descriptor as the registry serves it."""

    access: RegistryAccess
    own_writes: OwnWrites
    repository: RepositoryName
    image: Descriptor
    progress: Progress

    async def attach(self, artifact: Artifact) -> Attached:
        """After this returns the registry lists the artefact, and no earlier one of ours.

        1. Record the digest of the manifest before putting anything, so that its event starts no work.
        2. Put it; a registry with the Referrers API then lists it, which is the only proof that there is one.
        3. Else write the fallback index with our entry in place of our last, and read it back. What it replaces is noted first:
           once it is out of the index, nothing else names it.
        4. Remove what this replaces, where the registry lets us.
        """
        layer_type = artifact.layer_type or artifact.type
        layer = Descriptor(media_type=layer_type, digest=digest_of(artifact.content), size=len(artifact.content))
        raw = build_artifact(self.image, artifact.type, [layer], artifact.annotations)
        digest = digest_of(raw)
        await self.own_writes.claim([digest])
        if not (artifact.recurs and await self._is_there(digest)):
            await self.access.uploads.put_blob(self.repository, EMPTY_BLOB)
            await self.access.uploads.put_blob(self.repository, artifact.content, media_type=layer_type)
            await self.access.uploads.put_manifest(self.repository, digest, raw, OCI_MANIFEST)
        if await self._listed(digest):
            earlier = await self._earlier(artifact, digest)
        else:
            earlier = await self._fall_back(artifact, raw, digest)
        removed = [await self._removed(artifact, each) for each in earlier]
        return Attached(digest=digest, removed=sum(removed), kept=len(removed) - sum(removed))

    async def _is_there(self, digest: Digest) -> bool:
        try:
            await self.access.manifests(self.repository).manifest(digest)
        except NotFoundError:
            return False
        return True

    async def _listed(self, digest: Digest) -> bool:
        for pause in LOOK_SECONDS:
            await asyncio.sleep(pause)
            listed = await self.access.referrers.listed(self.repository, self.image.digest, digest)
            if listed is not False:
                return bool(listed)
        return False

    async def _earlier(self, artifact: Artifact, digest: Digest) -> Sequence[Digest]:
        """Those of ours that the Referrers API lists beside the new one."""
        of_type = [
            await self.access.referrers.list_referrers(self.repository, self.image.digest, kind) for kind in artifact.replaces
        ]
        said = [(each.digest, each.artifact_type, each.annotations) for listed in of_type for each in listed]
        return [each for each in await self._ours(artifact, said) if each != digest]

    async def _ours(self, artifact: Artifact, said: Sequence[tuple[Digest, str | None, Mapping[str, str]]]) -> Collection[Digest]:
        """Of what says (digest, type, annotations) of itself, those that are ours. Some registries leave annotations out."""
        unmarked = [digest for digest, kind, annotations in said if kind in artifact.replaces and artifact.mark not in annotations]
        known = set(await self.own_writes.claimed(unmarked))
        return dict.fromkeys(
            digest for digest, kind, annotations in said if digest in known or artifact.is_earlier(kind, annotations)
        )

    async def _fall_back(self, artifact: Artifact, raw: bytes, digest: Digest) -> Sequence[Digest]:
        """Have our entry in the index under the fallback tag; the digests of those that this or an earlier attempt replaced."""
        referrers, entry = self.access.referrers, listed_descriptor(raw, digest)
        replaced = dict.fromkeys(Digest(each) for each in self.progress.noted.split())
        for attempt in range(ROUNDS):
            await asyncio.sleep(attempt * ROUND_SECONDS)
            seen = await referrers.read_fallback(self.repository, self.image.digest)
            said = [found for found in map(_said, seen.entries) if found is not None]
            earlier = {each: None for each in await self._ours(artifact, said) if each != digest}
            replaced.update(earlier)
            merged = merge_index(seen.entries, entry, partial(_names_one_of, earlier))
            if seen.exists and not earlier and any(each == digest for each, *_ in said):
                return [each for each in replaced if each != digest]
            if earlier:
                await self.progress.note(" ".join(tuple(replaced)[-MAX_NOTED:]))
            if await self._cannot_run(seen):
                await self.own_writes.claim([digest_of(merged)])
            elif await self._lists_ours():
                circle = "it lists an artefact of ours, and its fallback index something that can run"
                raise RegistryRefusedError(f"{self._name}: {circle}; each verdict would make another such image")
            await referrers.put_fallback(self.repository, self.image.digest, merged, seen=seen)
        raise ReferrerLostError(f"{self._name}: our entry in the fallback index was overwritten {ROUNDS} times")

    async def _cannot_run(self, seen: Fallback) -> bool:
        """Whether nothing in an index that we are about to write can run.

        Somebody could plant an image in the fallback index and later give our index, whose events we ignore, another tag.
        """
        digests = [str(each.get("digest", "")) for each in seen.entries]
        if not all(is_digest(digest) for digest in digests):
            return False
        ours = set(await self.own_writes.claimed([Digest(digest) for digest in digests]))
        foreign = [Digest(digest) for digest in digests if digest not in ours]
        if len(foreign) > MAX_FOREIGN:
            return False
        for digest in foreign:
            try:
                manifest = await self.access.manifests(self.repository).manifest(digest)
            except PermanentError:
                return False
            if not isinstance(manifest.content, Manifest) or not manifest.content.is_bare_artifact:
                return False
        return True

    async def _lists_ours(self) -> bool:
        """Whether the subject is an index with one of ours in it: an index that we wrote, and did not call ours since it can run.

        Where a registry gives the same for every fallback tag, attaching to it would write the next one, and so on.
        """
        manifest = await self.access.manifests(self.repository).manifest(self.image.digest)
        listed = [each.digest for each in manifest.content.manifests] if isinstance(manifest.content, Index) else []
        return bool(await self.own_writes.claimed(listed))

    async def _removed(self, artifact: Artifact, digest: Digest) -> bool:
        """Whether it is gone. A registry that does not delete keeps it, beside the new one or listed by nothing any more.

        What an index says of a digest anybody can have written, who may not delete: the manifest itself has to be such an artefact.
        """
        try:
            found = (await self.access.manifests(self.repository).manifest(digest)).content
            is_attached = isinstance(found, Manifest) and found.subject == self.image.digest
            if not is_attached or not artifact.is_earlier(found.artifact_type, found.annotations):
                return False
            return await self.access.uploads.delete_manifest(self.repository, digest)
        except NotFoundError:
            return True
        except (PermanentError, RetryableError) as error:
            log.debug("referrer.kept", repository=self.repository, digest=digest, reason=error.reason)
            return False

    @property
    def _name(self) -> str:
        return f"{self.repository}@{self.image.digest}"


def _names_one_of(digests: Collection[Digest], entry: Mapping[str, Any]) -> bool:
    return entry.get("digest") in digests


def _said(entry: Mapping[str, Any]) -> tuple[Digest, str | None, Mapping[str, str]] | None:
    """Digest, type and annotations of an entry as somebody wrote it; None where it names nothing."""
    digest, kind, annotations = entry.get("digest"), entry.get("artifactType"), entry.get("annotations")
    if not isinstance(digest, str) or not is_digest(digest):
        return None
    return Digest(digest), kind if isinstance(kind, str) else None, annotations if isinstance(annotations, dict) else {}
