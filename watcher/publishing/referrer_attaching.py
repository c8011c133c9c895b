"""One artefact beside an image in its registry: each kind once, replaced and never appended. A part of `referrer.py`.

Spec: OCI image-spec v1.1 "subject"; OCI distribution-spec v1.1 "Pushing Manifests with Subject", "Referrers Tag Schema".
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from watcher.kit.seldom import Seldom
from watcher.model.digest import Digest, digest_of, is_digest
from watcher.model.errors import NotFoundError, PermanentError, RetryableError
from watcher.model.image import INDEX_TYPES, OCI_MANIFEST, Descriptor, Index, Manifest
from watcher.model.reference import RepositoryName, Tag
from watcher.model.referrers_tag import subject_of
from watcher.publishing.protocol import OwnWrites, Progress
from watcher.publishing.referrer_index import Edit, ReferrerIndex, Said
from watcher.registry.protocol import RegistryAccess
from watcher.registry.referrers import EMPTY_BLOB, build_artifact, listed_descriptor

log = structlog.get_logger(__name__)

# Some registries list a referrer a moment after it was put; between these looks it is waited for.
LOOK_SECONDS = (0.0, 0.2, 0.5)
# A note holds the digests of so many; there is one of ours at a time, unless somebody adds more.
MAX_NOTED = 25


# So often an operator is told of what only he can mend, for each registry.
TOLD_SECONDS = 3600.0


class ListOfReferrersError(PermanentError):
    """It is a list of referrers itself. Where those are kept under tags, each verdict of a list would make another."""

    reason = "list-of-referrers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Artefacts of ours: of these types and, where others attach such as well, with this annotation."""

    types: Collection[str]
    mark: str = ""

    def has(self, kind: str | None, annotations: Mapping[str, str]) -> bool:
        """Whether what says this of itself is one of them."""
        return kind in self.types and (not self.mark or self.mark in annotations)


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """What is attached: one layer, of the artefact's own type unless `layer_type` is another.

    It takes the place of earlier ones of the types `replaces`. Where others attach such artefacts too, those that are ours bear the
    annotation `mark`. `recurs`: an earlier publication may have put the same bytes, which are then not put again. `by_config`: the
    type is said by that of the configuration.
    """

    type: str
    content: bytes
    annotations: Mapping[str, str]
    replaces: Collection[str]
    mark: str = ""
    recurs: bool = False
    layer_type: str = ""
    by_config: bool = False

    @property
    def earlier(self) -> Kind:
        """What it takes the place of."""
        return Kind(types=self.replaces, mark=self.mark)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """The artefact's digest, and how many of those before it were removed, and kept since the registry does not delete."""

    digest: Digest
    removed: int
    kept: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Attaching:
    """To one image, whose referrers the caller has locked. `image` is its descriptor as the registry serves it.

    `tags` are those that lead to it. `seldom` is for what an operator is told of each registry once in a while.
    """

    access: RegistryAccess
    own_writes: OwnWrites
    repository: RepositoryName
    image: Descriptor
    progress: Progress
    tags: Collection[Tag] = ()
    seldom: Seldom = field(default_factory=lambda: Seldom(every_seconds=TOLD_SECONDS))

    async def attach(self, artifact: Artifact) -> Attached:
        """After this returns the registry lists the artefact, and no earlier one of ours.

        1. Record the digest of the manifest before putting anything, so that its event starts no work.
        2. Put it; a registry with the Referrers API then lists it, which is the only proof that there is one.
        3. Else write the fallback index with our entry in place of our last, and read it back. What it replaces is noted first:
           once it is out of the index, nothing else names it.
        4. Remove what this replaces, where the registry lets us, and its entries in a list from when the API was silent.
        """
        layer_type = artifact.layer_type or artifact.type
        layer = Descriptor(media_type=layer_type, digest=digest_of(artifact.content), size=len(artifact.content))
        raw = build_artifact(self.image, artifact.type, [layer], artifact.annotations, by_config=artifact.by_config)
        digest = digest_of(raw)
        await self.own_writes.claim([digest])
        if not (artifact.recurs and await self._is_there(digest)):
            await self.access.uploads.put_blob(self.repository, EMPTY_BLOB)
            await self.access.uploads.put_blob(self.repository, artifact.content, media_type=layer_type)
            await self.access.uploads.put_manifest(self.repository, digest, raw, OCI_MANIFEST)
        if await self._listed(digest):
            earlier: Sequence[Digest] = [each for each in await self._in_api(artifact.earlier) if each != digest]
            removed = await self._remove(artifact.earlier, earlier, listed=True)
            await self._unlist(earlier)
        else:
            if await self._is_a_list():
                raise ListOfReferrersError(f"{self._name}: is a list of referrers; its verdict is in the store alone")
            entry = listed_descriptor(raw, digest)
            earlier = await self._in_index(artifact.earlier, entry)
            removed = await self._remove(artifact.earlier, earlier, listed=False)
        return Attached(digest=digest, removed=removed, kept=len(earlier) - removed)

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

    async def _in_api(self, kind: Kind) -> Sequence[Digest]:
        """Those of a kind that the Referrers API lists."""
        of_type = [await self.access.referrers.list_referrers(self.repository, self.image.digest, each) for each in kind.types]
        return await self._ours(
            kind, [Said(each.digest, each.artifact_type, each.annotations) for listed in of_type for each in listed]
        )

    async def _in_index(self, kind: Kind, new: Mapping[str, Any]) -> Sequence[Digest]:
        """Have an entry in the index under the fallback tag, in place of ours of a kind.

        The digests of those that this or an earlier attempt took out of it.
        """
        replaced = dict.fromkeys(Digest(each) for each in self.progress.noted.split() if is_digest(each))

        async def decide(said: Sequence[Said]) -> Edit:
            earlier = [each for each in await self._ours(kind, said) if each != new["digest"]]
            if not replaced.keys() >= {*earlier}:
                replaced.update(dict.fromkeys(earlier))
                await self.progress.note(" ".join(tuple(replaced)[-MAX_NOTED:]))
            return Edit(add=[new], drop=earlier)

        await self._index.edit(decide)
        return [each for each in replaced if each != new["digest"]]

    async def _unlist(self, earlier: Collection[Digest]) -> None:
        """Take entries out of the index under the fallback tag, which clients of the API do not read; it can be left as it is."""
        if not earlier:
            return

        async def decide(_: Sequence[Said]) -> Edit:
            return Edit(drop=earlier)

        try:
            await self._index.edit(decide)
        except (PermanentError, RetryableError) as error:
            log.debug("referrer.kept-listed", repository=self.repository, image=self.image.digest, reason=error.reason)

    async def _ours(self, kind: Kind, said: Sequence[Said]) -> Sequence[Digest]:
        """Those of a kind that are ours. Some registries leave annotations out."""
        unmarked = [each.digest for each in said if each.type in kind.types and kind.mark not in each.annotations]
        known = {*await self.own_writes.claimed(unmarked)}
        return tuple(dict.fromkeys(each.digest for each in said if each.digest in known or kind.has(each.type, each.annotations)))

    async def _is_a_list(self) -> bool:
        """Whether the image is a list of referrers: by its tags, or since it has one of ours in it."""
        if self.image.media_type not in INDEX_TYPES:
            return False
        manifest = await self.access.manifests(self.repository).manifest(self.image.digest)
        if not isinstance(manifest.content, Index):
            return False
        listed = [each.digest for each in manifest.content.manifests]
        return bool(self.tags and all(map(subject_of, self.tags))) or bool(await self.own_writes.claimed(listed))

    async def _remove(self, kind: Kind, digests: Sequence[Digest], *, listed: bool) -> int:
        """How many of these were of the kind, and are gone. `listed`: those that are kept are shown, of which we tell."""
        removed = sum([await self._removed(kind, each) for each in digests])
        kept = len(digests) - removed
        if kept and listed and (times := self.seldom.times(f"kept {self.access.host}")):
            log.warning(
                "referrer.not-removed",
                image=f"{self.access.host}/{self._name}",
                kept=kept,
                times=times,
                detail="several verdicts are attached to the image, since the registry does not let us delete: "
                "our account needs the permission to delete in the repository",
            )
        return removed

    async def _removed(self, kind: Kind, digest: Digest) -> bool:
        """Whether it is gone. A registry that does not delete keeps it, beside the new one or listed by nothing any more.

        What an index says of a digest anybody can have written, who may not delete: the manifest itself has to be such an artefact.
        """
        try:
            found = (await self.access.manifests(self.repository).manifest(digest)).content
            if not isinstance(found, Manifest) or found.subject != self.image.digest:
                return False
            if not kind.has(found.kind, found.annotations):
                return False
            return await self.access.uploads.delete_manifest(self.repository, digest)
        except NotFoundError:
            return True
        except (PermanentError, RetryableError) as error:
            log.debug("referrer.kept", repository=self.repository, digest=digest, reason=error.reason)
            return False

    @property
    def _index(self) -> ReferrerIndex:
        return ReferrerIndex(access=self.access, own_writes=self.own_writes, repository=self.repository, image=self.image.digest)

    @property
    def _name(self) -> str:
        return f"{self.repository}@{self.image.digest}"
