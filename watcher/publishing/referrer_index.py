"""The list of an image's referrers where its registry keeps none: an index under a tag, which everybody edits.

A part of `referrer.py`.

Nothing keeps two clients from reading the same list and writing one after the other, so that the first one's entry is lost. Between
our last look and our write there is nothing but the way to the registry, and whoever lost an entry all the same is heard of by the
event of its artefact: see `referrer_keeping`.

Spec: OCI distribution-spec v1.1 "Pushing Manifests with Subject", "Referrers Tag Schema".
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from watcher.model.digest import Digest, digest_of, is_digest
from watcher.model.errors import PermanentError, RegistryRefusedError, RetryableError
from watcher.model.image import Manifest
from watcher.model.reference import RepositoryName
from watcher.model.referrers_tag import fallback_tag
from watcher.publishing.protocol import OwnWrites
from watcher.registry.protocol import Fallback, OddListError, RegistryAccess
from watcher.registry.referrers import FallbackChangedError, index_of, merge_entries

# Another client may write between our two looks, or between our write and the next look; eight rounds outlast any that behaves.
ROUNDS = 8
ROUND_SECONDS = 0.1
# Kyverno refuses an image with more referrers than this. Ours are not worth that nothing of the image can be verified.
MOST_REFERRERS = 50


class ReferrerLostError(RetryableError):
    """The fallback index is not as we want it after every round: others write it faster than we can read it back."""

    reason = "referrers-contended"


class ListNotWritableError(PermanentError):
    """The registry does not let us write the tag of the list: it cannot be moved, or is nobody's to write."""

    reason = "referrers-not-writable"


class TooManyReferrersError(PermanentError):
    """One more, and enforcers would refuse the image for having too many."""

    reason = "too-many-referrers"


@dataclass(frozen=True, slots=True)
class Said:
    """An entry as somebody wrote it."""

    digest: Digest
    type: str | None
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What is to be in the list, with the digest of each, and what is not."""

    add: Sequence[Mapping[str, Any]] = ()
    drop: Collection[Digest] = ()


Decide = Callable[[Sequence[Said]], Awaitable[Edit]]
"""`await decide(said)`: given what is listed now, what is to be changed. Asked again whenever somebody has changed it meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferrerIndex:
    """Of one image, whose referrers the caller has locked."""

    access: RegistryAccess
    own_writes: OwnWrites
    repository: RepositoryName
    image: Digest

    async def listed(self) -> Sequence[Said]:
        """What it lists now. Raises as `Referrers.read_fallback`."""
        return _said(await self.access.referrers.read_fallback(self.repository, self.image))

    async def found(self) -> Sequence[Said]:
        """What anybody may find listed, though it be no list that could be edited; nothing where the image itself has the tag.

        Raises: as `Referrers.read_fallback`. OddListError: nobody can say.
        """
        try:
            return await self.listed()
        except OddListError as error:
            if error.entries is None:
                raise
            return _said(Fallback(entries=tuple(error.entries)))
        except RegistryRefusedError:
            return ()

    async def edit(self, decide: Decide) -> None:
        """After this returns the list is as `decide` wants it, and every other entry as it was.

        Whatever takes time is done between two looks at the same list, and the second is followed by the write.

        Raises:
            ReferrerLostError, TooManyReferrersError, ListNotWritableError
            Those of `Referrers.read_fallback` and `Referrers.put_fallback`.
        """
        referrers, tag, harmless = self.access.referrers, fallback_tag(self.image), set[Digest]()
        for attempt in range(ROUNDS):
            await asyncio.sleep(attempt * ROUND_SECONDS)
            seen = await referrers.read_fallback(self.repository, self.image)
            said = _said(seen)
            edit = await decide(said)
            listed = {each.digest for each in said}
            if listed.issuperset(each["digest"] for each in edit.add) and listed.isdisjoint(edit.drop):
                return
            entries = merge_entries(seen.entries, edit.add, edit.drop)
            if edit.add and len(entries) > max(MOST_REFERRERS, len(seen.entries)):
                raise TooManyReferrersError(f"{self._name}: has {len(seen.entries)} referrers; with one more nobody verifies any")
            merged = index_of(entries)
            if await self._cannot_run(entries, harmless):
                await self.own_writes.claim([digest_of(merged)], under=tag)
            if await referrers.read_fallback(self.repository, self.image) != seen:
                continue
            if not entries and seen.digest is not None and await self.access.uploads.delete_manifest(self.repository, seen.digest):
                # By its digest: should somebody have written another list meanwhile, that one stays.
                continue
            try:
                await referrers.put_fallback(self.repository, self.image, merged, seen=seen)
            except FallbackChangedError:
                continue
            except RegistryRefusedError as error:
                advice = "where tags are immutable, `sha256-*` has to be exempt"
                raise ListNotWritableError(f"{self._name}: its list of referrers cannot be written: {error}. {advice}") from error
        raise ReferrerLostError(f"{self._name}: its list of referrers was overwritten {ROUNDS} times")

    async def _cannot_run(self, entries: Sequence[Mapping[str, Any]], harmless: set[Digest]) -> bool:
        """Whether nothing in a list that we are about to write can run: what its entries say of that are claims.

        Else it is judged like any other index. Somebody may have given an image this tag, who would be rid of its verdict when we
        write a list over it that starts no work. `harmless` are those that were looked at.
        """
        digests = [str(each.get("digest", "")) for each in entries]
        if len(digests) > MOST_REFERRERS or not all(map(is_digest, digests)):
            return False
        claimed = await self.own_writes.claimed([Digest(each) for each in digests])
        harmless.update(digest for digest, tag in claimed.items() if tag is None)
        unknown = [Digest(each) for each in digests if each not in harmless]
        looked_at = await asyncio.gather(*map(self._is_bare, unknown))
        harmless.update(each for each, is_bare in zip(unknown, looked_at, strict=True) if is_bare)
        return all(looked_at)

    async def _is_bare(self, digest: Digest) -> bool:
        try:
            content = (await self.access.manifests(self.repository).manifest(digest)).content
        except PermanentError:
            return False
        return isinstance(content, Manifest) and content.is_bare_artifact

    @property
    def _name(self) -> str:
        return f"{self.repository}@{self.image}"


def _said(seen: Fallback) -> Sequence[Said]:
    """The entries that name something."""
    found = []
    for entry in seen.entries:
        digest, kind, annotations = entry.get("digest"), entry.get("artifactType"), entry.get("annotations")
        if isinstance(digest, str) and is_digest(digest):
            kept = annotations if isinstance(annotations, dict) else {}
            found.append(Said(Digest(digest), kind if isinstance(kind, str) else None, kept))
    return found
