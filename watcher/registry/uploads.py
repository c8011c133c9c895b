"""Writing to a registry: small blobs and manifests, each safe to repeat.

Spec: OCI distribution-spec v1.1 "Pushing blobs, POST then PUT" (end-4a, end-6) and "Pushing Manifests" (end-7).
"""

from yarl import URL

from watcher.model.digest import Digest, digest_as, digest_of, is_digest
from watcher.model.errors import (
    AuthenticationError,
    DigestMismatchError,
    ForbiddenAddressError,
    RegistryRefusedError,
    RegistryUnavailableError,
)
from watcher.model.image import Descriptor
from watcher.model.reference import RepositoryName, Tag
from watcher.registry.answers import REFUSALS
from watcher.registry.challenges import scope
from watcher.registry.client import RegistryClient
from watcher.registry.protocol import PutManifest
from watcher.registry.redirects import Hop, next_hop
from watcher.registry.wire import Response

# A session that broke is started again from the beginning; these blobs are a few KiB.
UPLOAD_ATTEMPTS = 3


class RegistryUploads:
    """`Uploads` over a registry."""

    def __init__(self, client: RegistryClient) -> None:
        self._client = client

    async def put_blob(
        self, repository: RepositoryName, content: bytes, media_type: str = "application/octet-stream"
    ) -> Descriptor:
        """See `Uploads.put_blob`."""
        digest = digest_of(content)
        descriptor = Descriptor(media_type=media_type, digest=digest, size=len(content))
        path = f"/v2/{repository}/blobs/{digest}"
        # The wider token is asked for at once: HEAD, POST and PUT then share it.
        scopes = _push(repository)
        if await self._has(path, scopes, descriptor):
            return descriptor
        for attempt in range(1, UPLOAD_ATTEMPTS + 1):
            started = await self._client.request(
                "POST", f"/v2/{repository}/blobs/uploads/", scopes=scopes, data=b"", accept=frozenset({201, 202})
            )
            if started.status == 201:
                return descriptor
            location = started.headers.get("Location")
            if location is None:
                raise RegistryRefusedError(f"{self._client.registry}/{repository}: began an upload without a Location")
            hop = next_hop(Hop(url=started.url, authorized=True), location, self._client.guard)
            try:
                await self._client.request(
                    "PUT",
                    _with_digest(hop.url, digest),
                    scopes=scopes,
                    headers={"Content-Type": "application/octet-stream"},
                    data=content,
                    accept=frozenset({200, 201, 202, 204}),
                    attempts=1,
                )
            except RegistryUnavailableError:
                if attempt == UPLOAD_ATTEMPTS:
                    raise
                continue
            return descriptor
        raise AssertionError("the last attempt returns or raises")  # pragma: no cover

    async def _has(self, path: str, scopes: frozenset[str], blob: Descriptor) -> bool:
        """Whether HEAD says that this very blob is there.

        Every refusal can be the word of a store behind a redirect, whose signed URL is for GET; what the registry itself has to
        say against us it says again when it is sent the blob.
        """
        try:
            found = await self._client.request("HEAD", path, scopes=scopes, accept=REFUSALS | {200})
        except (AuthenticationError, ForbiddenAddressError, RegistryRefusedError, RegistryUnavailableError):
            return False
        says = (found.headers.get("Docker-Content-Digest", blob.digest), found.headers.get("Content-Length", str(blob.size)))
        return found.status == 200 and says == (blob.digest, str(blob.size))

    async def put_manifest(
        self,
        repository: RepositoryName,
        reference: Tag | Digest,
        raw: bytes,
        media_type: str,
    ) -> PutManifest:
        """See `Uploads.put_manifest`."""
        response = await self._client.request(
            "PUT",
            f"/v2/{repository}/manifests/{reference}",
            scopes=_push(repository),
            headers={"Content-Type": media_type},
            data=raw,
            accept=frozenset({200, 201, 202}),
        )
        return put_answer(response, raw, reference)

    async def delete_manifest(self, repository: RepositoryName, digest: Digest) -> bool:
        """See `Uploads.delete_manifest`."""
        return await self._deleted(repository, digest)

    async def delete_tag(self, repository: RepositoryName, tag: Tag) -> bool:
        """See `Uploads.delete_tag`. Spec: "Deleting tags"; distribution 2 answers that a tag is no digest."""
        return await self._deleted(repository, tag)

    async def _deleted(self, repository: RepositoryName, reference: Tag | Digest) -> bool:
        try:
            response = await self._client.request(
                "DELETE",
                f"/v2/{repository}/manifests/{reference}",
                scopes=frozenset({scope(repository, "delete")}),
                accept=frozenset({200, 202, 204, 400, 403, 404, 405, 409}),
            )
        except AuthenticationError:
            return False  # whose token is not for deleting is told that he is nobody
        return response.status in {200, 202, 204, 404}


def put_answer(response: Response, raw: bytes, reference: Tag | Digest) -> PutManifest:
    """Read the answer to a manifest that was taken. Raises DigestMismatchError when the registry kept something else."""
    claimed = response.headers.get("Docker-Content-Digest", "")
    digest = digest_as(raw, Digest(reference)) if is_digest(reference) else digest_of(raw)
    if is_digest(claimed) and digest_as(raw, Digest(claimed)) != claimed:
        raise DigestMismatchError(f"{response.url.authority}{response.url.path}: sent {digest}, the registry kept {claimed}")
    return PutManifest(digest=digest, subject=response.headers.get("OCI-Subject"), etag=response.headers.get("ETag"))


def _push(repository: RepositoryName) -> frozenset[str]:
    return frozenset({scope(repository, "pull", "push")})


def _with_digest(location: URL, digest: Digest) -> URL:
    """Append `digest` to an upload location whose query, a signed state perhaps, stays exactly as it was written."""
    text = str(location)
    return URL(f"{text}{'&' if '?' in text else '?'}digest={digest}", encoded=True)
