"""Artefacts of ours that a registry lists beside an image, and their removal. A part of `attestation.py`.

Spec: OCI distribution-spec v1.1 "Listing Referrers", "Referrers Tag Schema".
"""

import contextlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from watcher.model.digest import Digest
from watcher.model.errors import NotFoundError, PermanentError, RegistryRefusedError
from watcher.model.image import Descriptor, Manifest
from watcher.model.reference import RepositoryName
from watcher.publishing.attestation_bundle import BUNDLE_PREFIX, BUNDLE_TYPE, read_bundle
from watcher.publishing.dsse import Envelope
from watcher.publishing.notation_envelope import NOTATION_TYPE, read_signature
from watcher.publishing.protocol import OwnWrites
from watcher.publishing.referrer_index import Edit, ReferrerIndex, Said
from watcher.publishing.signing_key import PublicKey
from watcher.publishing.statement import SUMMARY_TYPE, StatementError, read_summary
from watcher.registry.protocol import ListIncompleteError, OddListError, RegistryAccess

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

# Kyverno refuses an image with more than fifty referrers; of what nobody can use no more than this is looked at.
MOST_LISTED = 100
# A summary of five hundred platforms is 70 KiB; in what is larger there is none of ours to look for.
MAX_SUMMARY_BYTES = 1024 * 1024
# An annotation of every attestation that we make, with the verdict's id.
OUR_ATTESTATION = "io.registry-watcher.attestation"
# What others attach to images as well.
_OF_MANY = (BUNDLE_PREFIX, NOTATION_TYPE)


class TooManyListedError(PermanentError):
    """More is attached to the image than anybody looks through."""

    reason = "too-many-referrers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """By digest; `gone` are entries of ours whose manifest is there no more, `others` what is not ours.

    `unseen`: why there may be more of ours, empty where there is not.
    """

    ours: Sequence[Digest] = ()
    gone: Sequence[Digest] = ()
    others: int = 0
    unseen: str = ""

    def whole(self) -> "Listed":
        """Itself. Raises TooManyListedError where there may be more."""
        if self.unseen:
            raise TooManyListedError(self.unseen)
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What the registry does not let us delete: still listed, so that everybody finds it, or by its digest alone.

    `unseen` as of what was to be removed.
    """

    listed: Sequence[Digest] = ()
    unlisted: Sequence[Digest] = ()
    unseen: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Of one image, whose referrers the caller has locked. What `key` has signed is ours whatever is written beside it.

    `notary` is the key of such signatures of Notary Project.
    """

    access: RegistryAccess
    own_writes: OwnWrites
    repository: RepositoryName
    image: Digest
    key: PublicKey | None = None
    notary: "PublicKeyTypes | None" = None

    async def bundles(self) -> Listed:
        """Sigstore bundles of any version.

        Ours bear our mark or were claimed or are signed by our key: marks go by what the manifest says, and who may push can leave
        them out to keep what we would remove.
        """
        return await self._found(BUNDLE_PREFIX, BUNDLE_TYPE)

    async def signatures(self) -> Listed:
        """Signatures of Notary Project; ours are known as bundles are."""
        return await self._found(NOTATION_TYPE, NOTATION_TYPE)

    async def of_type(self, artifact_type: str) -> Listed:
        """Artefacts of a type that is nobody's but ours."""
        return await self._found(artifact_type, artifact_type)

    async def remove(self, listed: Listed) -> Left:
        """After this returns none of them is listed, but for those given back as `listed`.

        1. Delete the manifests. Some registries refuse to while an index lists them.
        2. Take them out of the fallback index.
        3. Delete those that were refused, and look at what is left.
        """
        if not listed.ours and not listed.gone:
            return Left(unseen=listed.unseen)
        left = {each for each in listed.ours if not await self.access.uploads.delete_manifest(self.repository, each)}
        await self._unlist({*listed.ours, *listed.gone})
        left = {each for each in left if not await self.access.uploads.delete_manifest(self.repository, each)}
        await self.own_writes.forget([each for each in listed.ours if each not in left])
        if not left:
            return Left(unseen=listed.unseen)
        entries, unseen = await self._entries()
        still = left if unseen else left & {each.digest for each in entries}
        return Left(listed=sorted(still), unlisted=sorted(left - still), unseen=listed.unseen)

    async def _found(self, prefix: str, artifact_type: str) -> Listed:
        """Those whose type begins so; where they are too many to be read, the registry is asked for those of one type as well."""
        ours, gone, others, is_ours_alone = list[Digest](), list[Digest](), 0, prefix not in _OF_MANY
        listed, unseen = await self._entries(artifact_type)
        entries = [each for each in listed if not each.type or each.type.startswith(prefix)]
        if len(entries) > MOST_LISTED:
            unseen = f"{self._name}: has {len(entries)} referrers; more than {MOST_LISTED} are not looked at"
        claimed = {*await self.own_writes.claimed([each.digest for each in entries])}
        # Ours before those of others, who would be in the way.
        for entry in sorted(entries, key=lambda each: each.digest not in claimed)[:MOST_LISTED]:
            try:
                found = (await self.access.manifests(self.repository).manifest(entry.digest)).content
            except NotFoundError:
                if entry.digest in claimed or OUR_ATTESTATION in entry.annotations or (is_ours_alone and prefix == entry.type):
                    gone.append(entry.digest)
                continue
            except PermanentError:
                others += 1
                continue
            if not isinstance(found, Manifest) or found.subject != self.image or not found.kind.startswith(prefix):
                continue  # an index can call anything an artefact of this image
            if is_ours_alone or entry.digest in claimed or await self.is_ours(found):
                ours.append(entry.digest)
            else:
                others += 1
        return Listed(ours=ours, gone=gone, others=others, unseen=unseen)

    async def is_ours(self, found: Manifest) -> bool:
        """Whether it bears our mark, or our key has signed it."""
        if OUR_ATTESTATION in found.annotations:
            return True
        is_signature = found.kind == NOTATION_TYPE
        if (self.notary if is_signature else self.key) is None or len(found.layers) != 1:
            return False
        try:
            raw = await self.access.manifests(self.repository).blob(found.layers[0], limit_bytes=MAX_SUMMARY_BYTES)
            if is_signature:
                return self.notary is not None and read_signature(raw).is_by(self.notary)
            return self.key is not None and signed_summary(read_bundle(raw), self.key)
        except PermanentError:
            return False

    async def _entries(self, artifact_type: str = "") -> tuple[Sequence[Said], str]:
        """What the API lists and what the fallback index does: which of the two is read is for each reader to decide.

        And why that is not all, empty where it is. Then it has those of one type besides, where the API knows them.
        """
        referrers, unseen = self.access.referrers, ""
        in_api: Sequence[Descriptor] = ()
        try:
            in_api = await referrers.in_api(self.repository, self.image) or ()
        except ListIncompleteError as error:
            in_api, unseen = [*error.found, *await self._of_type(artifact_type)], str(error)
        except OddListError:
            raise
        except RegistryRefusedError:
            pass  # no API that is known here
        entries = {each.digest: Said(each.digest, each.artifact_type, each.annotations) for each in in_api}
        in_index = await self._index.found()
        # Whoever may push can call ours something else in an index, and cosign looks at entries whatever they are called.
        claimed = {*await self.own_writes.claimed([each.digest for each in in_index])}
        in_index = [Said(each.digest, None, each.annotations) if each.digest in claimed else each for each in in_index]
        return tuple(({each.digest: each for each in in_index} | entries).values()), unseen

    async def _of_type(self, artifact_type: str) -> Sequence[Descriptor]:
        try:
            return await self.access.referrers.list_referrers(self.repository, self.image, artifact_type or None)
        except ListIncompleteError as error:
            return error.found
        except RegistryRefusedError:
            return ()

    async def _unlist(self, digests: Collection[Digest]) -> None:
        """Take them out of the fallback index. Raises as `ReferrerIndex.edit`."""

        async def decide(_: Sequence[Said]) -> Edit:
            return Edit(drop=digests)

        with contextlib.suppress(RegistryRefusedError):
            await self._index.edit(decide)

    @property
    def _index(self) -> ReferrerIndex:
        return ReferrerIndex(access=self.access, own_writes=self.own_writes, repository=self.repository, image=self.image)

    @property
    def _name(self) -> str:
        return f"{self.repository}@{self.image}"


def signed_summary(envelope: Envelope, key: PublicKey) -> bool:
    """Whether a summary of ours is in it, signed by the key. What else somebody signs with that key is not ours to remove."""
    if envelope.signer([key]) is None:
        return False
    try:
        return read_summary(envelope.payload).predicate_type == SUMMARY_TYPE
    except StatementError:
        return False
