"""Whether a registry can be written to, without leaving anything there. A part of `probe`.

What is put is the same each time, so that what a registry does not delete is there once, however often somebody looks.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any

import msgspec

from watcher.kit.checkup import Found, Result
from watcher.model.digest import Digest, digest_of
from watcher.model.errors import (
    AuthenticationError,
    PermanentError,
    RegistryRefusedError,
    WatcherError,
)
from watcher.model.image import EMPTY_DIGEST, OCI_EMPTY, OCI_INDEX, OCI_MANIFEST, Descriptor
from watcher.model.reference import RepositoryName
from watcher.model.referrers_tag import fallback_tag
from watcher.registry.challenges import scope
from watcher.registry.client import RegistryClient, Response, challenges_of
from watcher.registry.probe_permissions import DELETE, needed
from watcher.registry.redirects import Hop, next_hop
from watcher.registry.referrers import EMPTY_BLOB, RegistryReferrers, build_artifact, listed_descriptor
from watcher.registry.uploads import RegistryUploads

ARTIFACT_TYPE = "application/vnd.registry-watcher.doctor.v1+json"
# Some registries list a referrer a moment after it was put.
LOOK_SECONDS = (0.0, 0.2, 0.5, 1.0)

Claim = Callable[[Collection[Digest]], Awaitable[None]]
"""`await claim(digests)` before they are put, so that their events start no work."""


async def begin_upload(client: RegistryClient, repository: RepositoryName) -> Found:
    """Begin an upload and call it off: nothing is stored. Raises as `RegistryClient.request`."""
    scopes = frozenset({scope(repository, "pull", "push")})
    path = f"/v2/{repository}/blobs/uploads/"
    started = await client.request("POST", path, scopes=scopes, data=b"", accept=frozenset({202, 401}), attempts=1)
    _require_allowed(client, started, f"POST {path}")
    location = started.headers.get("Location")
    if location is None:
        raise RegistryRefusedError(f"{client.registry}/{repository}: began an upload without a Location")
    hop = next_hop(Hop(url=started.url, authorized=True), location, client.guard)
    may = "an upload may begin"
    try:
        await client.request("DELETE", hop.url, scopes=scopes, accept=frozenset({200, 202, 204}), attempts=1)
    except WatcherError:
        return Found(detail=f"{may}; it could not be called off, and the registry forgets it by itself")
    return Found(detail=f"{may}, and was called off")


class Writing:
    """A small artefact attached to another, both made for this. `put` is what is there now, in the order of its deletion."""

    def __init__(self, client: RegistryClient, repository: RepositoryName) -> None:
        self.client = client
        self.repository = repository
        self.put: list[Digest] = []
        self._subject = _encoded({"mediaType": OCI_MANIFEST, "artifactType": ARTIFACT_TYPE, "config": _EMPTY, "layers": [_EMPTY]})
        described = Descriptor(media_type=OCI_MANIFEST, digest=digest_of(self._subject), size=len(self._subject))
        self._artifact = build_artifact(described, ARTIFACT_TYPE, [], {})
        entries = [listed_descriptor(raw, digest_of(raw)) for raw in (self._artifact, self._subject)]
        self._index, self._other_index = (
            _encoded({"mediaType": OCI_INDEX, "manifests": listed}) for listed in (entries[:1], entries)
        )
        self._uploads, self._referrers = RegistryUploads(client), RegistryReferrers(client)

    @property
    def digests(self) -> Sequence[Digest]:
        """Everything that may be put."""
        return [digest_of(raw) for raw in (self._subject, self._artifact, self._index, self._other_index)]

    async def attach(self) -> Found:
        """Put an artefact, and read back by which way it is found."""
        await self._uploads.put_blob(self.repository, EMPTY_BLOB)
        subject, artifact = digest_of(self._subject), digest_of(self._artifact)
        for raw in (self._subject, self._artifact):
            self.put.insert(0, digest_of(raw))
            answer = await self._uploads.put_manifest(self.repository, digest_of(raw), raw, OCI_MANIFEST)
        listed = None
        for pause in LOOK_SECONDS:
            await asyncio.sleep(pause)
            listed = await self._referrers.listed(self.repository, subject, artifact)
            if listed is not False:
                break
        if listed:
            return Found(detail="an artefact was attached, and the Referrers API lists it")
        await self._tag(self._index)
        seen = await self._referrers.read_fallback(self.repository, subject)
        if not any(entry.get("digest") == artifact for entry in seen.entries):
            raise RegistryRefusedError(f"{self.client.registry}/{self.repository}: what was tagged is not what the tag leads to")
        by_tag = "an artefact was attached, and is listed by its fallback tag"
        if listed is None and answer.subject is None:
            return Found(detail=by_tag)
        beside = "the Referrers API is there, and does not list it" if listed is False else "OCI-Subject was promised in vain"
        advice = "nothing to do for the watcher; other clients may believe the registry and find nothing"
        return Found(detail=f"{by_tag}; {beside}", result=Result.WARNING, advice=advice)

    async def move(self) -> Found:
        """Whether a tag can be led to something else, which referrers without an API and quarantine need."""
        if digest_of(self._index) not in self.put:
            await self._tag(self._index)
        try:
            await self._tag(self._other_index)
        except (PermanentError, AuthenticationError) as error:
            return Found(
                detail=f"tags are immutable, as it seems: {error}",
                result=Result.WARNING,
                advice="referrers need the Referrers API there, and quarantine can move no tag",
            )
        return Found(detail="a tag can be moved")

    async def delete(self) -> Found:
        """Take everything away again, the tag first."""
        tag = fallback_tag(digest_of(self._subject))
        deletes_tags = await self._uploads.delete_tag(self.repository, tag)
        kept: list[Digest] = []
        why: WatcherError | None = None
        for digest in self.put:
            try:
                await self._delete(digest)
            except (PermanentError, AuthenticationError) as error:
                kept, why = [*kept, digest], error
        if why is not None:
            left = f"{len(kept)} small manifests of ours stay in {self.repository}"
            advice = needed(DELETE, self.client.settings.registry_kind)
            return Found(detail=f"{left}: {why}", result=Result.WARNING, advice=advice)
        tags = "a tag by itself too" if deletes_tags else "a tag only with its manifest"
        return Found(detail=f"everything was deleted again; {tags}")

    async def _tag(self, index: bytes) -> None:
        digest = digest_of(index)
        self.put.insert(0, digest)
        try:
            await self._uploads.put_manifest(self.repository, fallback_tag(digest_of(self._subject)), index, OCI_INDEX)
        except (PermanentError, AuthenticationError):
            self.put.remove(digest)
            raise

    async def _delete(self, digest: Digest) -> None:
        path, scopes = f"/v2/{self.repository}/manifests/{digest}", frozenset({scope(self.repository, "delete")})
        answer = await self.client.request("DELETE", path, scopes=scopes, accept=frozenset({200, 202, 204, 401, 404}))
        _require_allowed(self.client, answer, f"DELETE /v2/{self.repository}/manifests/…")


_EMPTY = {"mediaType": OCI_EMPTY, "digest": EMPTY_DIGEST, "size": len(EMPTY_BLOB)}


def _require_allowed(client: RegistryClient, answer: Response, what: str) -> None:
    """Raises AuthenticationError for 401, with the word for it that challenges have: `insufficient_scope`, mostly."""
    if answer.status == 401:
        words = [each.parameters["error"][:40] for each in challenges_of(answer) if each.parameters.get("error")]
        raise AuthenticationError(f"{what}: {client.registry} answered 401{', ' if words else ''}{', '.join(words)}")


def _encoded(manifest: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"schemaVersion": 2, **manifest}, order="deterministic")
