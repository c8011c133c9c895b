"""Attach the verdict to the image, in its registry: one referrer per image, replaced, never appended.

Spec: OCI image-spec v1.1 "subject"; OCI distribution-spec v1.1 "Pushing Manifests with Subject", "Referrers Tag Schema".
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from watcher.model.digest import Digest, digest_of, is_digest
from watcher.model.errors import PermanentError, RegistryRefusedError, RetryableError
from watcher.model.image import OCI_MANIFEST, Index, Manifest
from watcher.model.moments import iso
from watcher.model.reference import RepositoryName
from watcher.model.verdict import Action, Verdict
from watcher.model.verdict_json import verdict_bytes
from watcher.publishing.context import PublisherContext
from watcher.publishing.protocol import Progress
from watcher.publishing.settings import ReferrerPublisherSettings
from watcher.registry.protocol import Fallback, RegistryAccess
from watcher.registry.referrers import EMPTY_BLOB, build_artifact, listed_descriptor, merge_index

log = structlog.get_logger(__name__)

VERDICT_TYPE = "application/vnd.registry-watcher.verdict.v1+json"
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


class ReferrerPublisher:
    """Publishes into the registry that the image is in."""

    def __init__(self, settings: ReferrerPublisherSettings, context: PublisherContext) -> None:
        self.name = settings.name
        self._registries = context.registries
        self._own_writes = context.own_writes
        self._locks = context.locks

    async def open(self) -> None:
        """Whether we may write is a matter of each repository, so that it shows with the first verdict of one."""

    async def publish(self, verdict: Verdict, progress: Progress) -> None:
        """Attach the verdict.

        1. Upload the verdict, and record the digest of the manifest before putting it, so that its event starts no work.
        2. Put the manifest; a registry with the Referrers API then lists it, which is the only proof that there is one.
        3. Else write the fallback index with our entry in place of our last, and read it back. What it replaces is noted first:
           once it is out of the index, nothing else names it.
        4. Remove what this verdict replaces, where the registry lets us.
        """
        subject = verdict.subject
        access = self._registries.access(subject.registry)
        async with self._locks.lock(subject):
            image = await access.manifests(subject.repository).describe(subject.digest)
            content = verdict_bytes(verdict)
            await access.uploads.put_blob(subject.repository, EMPTY_BLOB)
            layer = await access.uploads.put_blob(subject.repository, content, media_type=VERDICT_TYPE)
            raw = build_artifact(image, VERDICT_TYPE, [layer], annotations(verdict))
            digest = digest_of(raw)
            await self._own_writes.claim([digest])
            await access.uploads.put_manifest(subject.repository, digest, raw, OCI_MANIFEST)
            replaced: Sequence[Digest]
            if await self._listed(access, subject.repository, subject.digest, digest):
                earlier = await access.referrers.list_referrers(subject.repository, subject.digest, VERDICT_TYPE)
                replaced = [each.digest for each in earlier if each.artifact_type == VERDICT_TYPE and each.digest != digest]
            else:
                replaced = await self._fall_back(access, subject.repository, subject.digest, raw, digest, progress)
            removed = [await _removed(access, subject.repository, old) for old in replaced]
        log.info(
            "referrer.published",
            image=subject.name,
            referrer=digest,
            outcome=verdict.outcome.value,
            removed=sum(removed),
            kept=len(removed) - sum(removed),
        )

    async def aclose(self) -> None:
        """The clients of registries belong to the daemon."""

    async def _listed(self, access: RegistryAccess, repository: RepositoryName, subject: Digest, digest: Digest) -> bool:
        for pause in LOOK_SECONDS:
            await asyncio.sleep(pause)
            listed = await access.referrers.listed(repository, subject, digest)
            if listed is not False:
                return bool(listed)
        return False

    async def _fall_back(
        self, access: RegistryAccess, repository: RepositoryName, subject: Digest, raw: bytes, digest: Digest, progress: Progress
    ) -> Sequence[Digest]:
        """Have our entry in the index under the fallback tag; the digests of those that this or an earlier attempt replaced."""
        entry = listed_descriptor(raw, digest)
        replaced = dict.fromkeys(Digest(each) for each in progress.noted.split())
        for attempt in range(ROUNDS):
            await asyncio.sleep(attempt * ROUND_SECONDS)
            seen = await access.referrers.read_fallback(repository, subject)
            earlier = [each for each in seen.entries if _is_verdict(each) and each.get("digest") != digest]
            replaced.update(dict.fromkeys(Digest(str(each["digest"])) for each in earlier))
            merged = merge_index(seen.entries, entry, _is_verdict)
            if seen.exists and not earlier and any(each.get("digest") == digest for each in seen.entries):
                return tuple(replaced)
            if earlier:
                await progress.note(" ".join(tuple(replaced)[-MAX_NOTED:]))
            if await self._cannot_run(access, repository, seen):
                await self._own_writes.claim([digest_of(merged)])
            elif await self._lists_ours(access, repository, subject):
                circle = "it lists a verdict of ours, and its fallback index something that can run"
                raise RegistryRefusedError(f"{repository}@{subject}: {circle}; each verdict would make another such image")
            await access.referrers.put_fallback(repository, subject, merged, seen=seen)
        raise ReferrerLostError(f"{repository}@{subject}: our entry in the fallback index was overwritten {ROUNDS} times")

    async def _cannot_run(self, access: RegistryAccess, repository: RepositoryName, seen: Fallback) -> bool:
        """Whether nothing in an index that we are about to write can run.

        Somebody could plant an image in the fallback index and later give our index, whose events we ignore, another tag.
        """
        digests = [str(each.get("digest", "")) for each in seen.entries]
        if not all(is_digest(digest) for digest in digests):
            return False
        ours = set(await self._own_writes.claimed([Digest(digest) for digest in digests]))
        foreign = [Digest(digest) for digest in digests if digest not in ours]
        if len(foreign) > MAX_FOREIGN:
            return False
        for digest in foreign:
            try:
                manifest = await access.manifests(repository).manifest(digest)
            except PermanentError:
                return False
            if not isinstance(manifest.content, Manifest) or not manifest.content.is_bare_artifact:
                return False
        return True

    async def _lists_ours(self, access: RegistryAccess, repository: RepositoryName, subject: Digest) -> bool:
        """Whether the subject is an index with a verdict of ours in it: one that we wrote, and did not call ours since it can run.

        Where a registry gives the same for every fallback tag, attaching to it would write the next one, and so on.
        """
        manifest = await access.manifests(repository).manifest(subject)
        listed = [each.digest for each in manifest.content.manifests] if isinstance(manifest.content, Index) else []
        return bool(await self._own_writes.claimed(listed))


def annotations(verdict: Verdict) -> dict[str, str]:
    """What tools show of a referrer without fetching it. Hints: anybody who can push can write them."""
    evaluated_at = iso(verdict.evaluated_at)
    return {
        "io.registry-watcher.outcome": verdict.outcome.value,
        "io.registry-watcher.policy-revision": verdict.policy_revision,
        "io.registry-watcher.evaluated-at": evaluated_at,
        "io.registry-watcher.findings-fail": str(verdict.count(Action.FAIL)),
        "io.registry-watcher.findings-warn": str(verdict.count(Action.WARN)),
        "org.opencontainers.image.created": evaluated_at,
    }


def _is_verdict(entry: Mapping[str, Any]) -> bool:
    return entry.get("artifactType") == VERDICT_TYPE


async def _removed(access: RegistryAccess, repository: RepositoryName, digest: Digest) -> bool:
    """Whether it is gone. A registry that does not delete keeps it, beside the new one or listed by nothing any more."""
    try:
        return await access.uploads.delete_manifest(repository, digest)
    except (PermanentError, RetryableError) as error:
        log.debug("referrer.kept", repository=repository, digest=digest, reason=error.reason)
        return False
