"""Whether a registry can be written to, without leaving anything there. A part of `probe`.

What is put is the same each time, so that what a registry does not delete is there once, however often somebody looks.
"""

import asyncio

from watcher.kit.checkup import Found, Result
from watcher.model.digest import Digest, digest_of
from watcher.model.errors import (
    AuthenticationError,
    PermanentError,
    RegistryRefusedError,
    WatcherError,
)
from watcher.model.image import OCI_INDEX, OCI_MANIFEST
from watcher.model.reference import RepositoryName
from watcher.registry.challenges import scope
from watcher.registry.client import RegistryClient, challenges_of
from watcher.registry.probe_artefacts import ARTIFACT, EMPTY_BLOB, INDEX, OTHER_INDEX, SUBJECT, TAG
from watcher.registry.probe_permissions import DELETE, needed
from watcher.registry.redirects import Hop, next_hop
from watcher.registry.referrers import RegistryReferrers
from watcher.registry.uploads import RegistryUploads
from watcher.registry.wire import Response

# Some registries list a referrer a moment after it was put.
LOOK_SECONDS = (0.0, 0.2, 0.5, 1.0)


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
        self._uploads, self._referrers = RegistryUploads(client), RegistryReferrers(client)

    async def attach(self) -> Found:
        """Put an artefact, and read back by which way it is found."""
        await self._uploads.put_blob(self.repository, EMPTY_BLOB)
        subject, artifact = digest_of(SUBJECT), digest_of(ARTIFACT)
        for raw in (SUBJECT, ARTIFACT):
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
        await self._tag(INDEX)
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
        if digest_of(INDEX) not in self.put:
            await self._tag(INDEX)
        try:
            await self._tag(OTHER_INDEX)
        except (PermanentError, AuthenticationError) as error:
            return Found(
                detail=f"tags are immutable, as it seems: {error}",
                result=Result.WARNING,
                advice="referrers need the Referrers API there, and quarantine can move no tag",
            )
        return Found(detail="a tag can be moved")

    async def delete(self) -> Found:
        """Take everything away again, the tag first."""
        deletes_tags = await self._uploads.delete_tag(self.repository, TAG)
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
            await self._uploads.put_manifest(self.repository, TAG, index, OCI_INDEX)
        except (PermanentError, AuthenticationError):
            self.put.remove(digest)
            raise

    async def _delete(self, digest: Digest) -> None:
        path, scopes = f"/v2/{self.repository}/manifests/{digest}", frozenset({scope(self.repository, "delete")})
        answer = await self.client.request("DELETE", path, scopes=scopes, accept=frozenset({200, 202, 204, 401, 404}))
        _require_allowed(self.client, answer, f"DELETE /v2/{self.repository}/manifests/…")


def _require_allowed(client: RegistryClient, answer: Response, what: str) -> None:
    """Raises AuthenticationError for 401, with the word for it that challenges have: `insufficient_scope`, mostly."""
    if answer.status == 401:
        words = [each.parameters["error"][:40] for each in challenges_of(answer) if each.parameters.get("error")]
        raise AuthenticationError(f"{what}: {client.registry} answered 401{', ' if words else ''}{', '.join(words)}")
