"""Images of one repository: manifests and small blobs, verified. Layers are poured by `blobs`."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from watcher.kit.counted import counted
from watcher.model.digest import Digest, digest_as, digest_of, is_digest
from watcher.model.errors import (
    AuthenticationError,
    DigestMismatchError,
    ForbiddenAddressError,
    InvalidManifestError,
    NotAManifestError,
    NotFoundError,
    RegistryRefusedError,
    RegistryUnavailableError,
    ThrottledError,
    TooLargeError,
)
from watcher.model.image import MAX_MANIFEST_BYTES, Descriptor, FetchedManifest
from watcher.model.image_json import parse_manifest
from watcher.model.reference import RepositoryName, Tag
from watcher.registry.answers import REFUSALS
from watcher.registry.blobs import pour_blob
from watcher.registry.challenges import scope
from watcher.registry.client import ACCEPT, ATTEMPTS, RegistryClient
from watcher.registry.mirrors import Mirror, Mirrors
from watcher.registry.protocol import ListIncompleteError
from watcher.registry.referrers import RegistryReferrers
from watcher.registry.trouble import A_PAGE, NOTHING, is_page, unreachable
from watcher.registry.wire import Response

NO_MIRRORS = Mirrors()


@dataclass(frozen=True, slots=True)
class RegistryImages:
    """`ImageSource` and `Manifests` over one repository of a registry."""

    client: RegistryClient
    repository: RepositoryName
    mirrors: Mirrors = NO_MIRRORS

    async def manifest(self, reference: Tag | Digest) -> FetchedManifest:
        """See `ImageSource.manifest`."""
        try:
            raw, digest, media_type = await self._fetch(reference)
        except TooLargeError as error:
            what = f"{self.client.registry}/{self.repository} {reference}"
            raise NotAManifestError(f"{what}: more than {MAX_MANIFEST_BYTES} bytes are no manifest") from error
        content = parse_manifest(raw, media_type)
        return FetchedManifest(digest=digest, media_type=content.media_type, raw=raw, content=content)

    async def describe(self, digest: Digest) -> Descriptor:
        """See `Manifests.describe`."""
        raw, _, media_type = await self._fetch(digest)
        media_type = media_type.partition(";")[0].strip()
        # Registries on plain file servers serve manifests as text; what it says of itself is what others compare.
        with contextlib.suppress(InvalidManifestError):
            media_type = parse_manifest(raw, media_type).media_type
        return Descriptor(media_type=media_type, digest=digest, size=len(raw))

    async def head(self, reference: Tag | Digest) -> Digest | None:
        """The digest a tag has now, None when there is no such manifest. See `Manifests.head`.

        Asks for the body only where HEAD is refused, or its headers are silent: not every registry, nor every proxy and store on
        the way to it, answers HEAD as it answers GET.
        """
        attempts = ATTEMPTS
        try:
            response = await self._request("HEAD", reference, accept=REFUSALS | {200})
            claimed = response.headers.get("Docker-Content-Digest", "")
            if response.status == 200 and is_digest(claimed):
                return Digest(claimed)
        except (AuthenticationError, ForbiddenAddressError, RegistryRefusedError):
            pass
        except (RegistryUnavailableError, ThrottledError):
            attempts = 1  # it had its time already
        try:
            response = await self._request("GET", reference, attempts=attempts)
        except NotFoundError:
            return None
        raw, digest = _verified(response, reference, f"{self.client.registry}/{self.repository} {reference}")
        try:
            parse_manifest(raw, response.headers.get("Content-Type", ""))
        except NotAManifestError:
            raise  # the page of a proxy, perhaps
        except InvalidManifestError:
            pass
        return digest

    async def blob(self, descriptor: Descriptor, *, limit_bytes: int) -> bytes:
        """See `ImageSource.blob`."""
        what = f"{self.client.registry}/{self.repository} blob {descriptor.digest}"
        if descriptor.size > limit_bytes:
            raise TooLargeError(f"{what}: {descriptor.size} bytes, at most {limit_bytes} are read")

        async def from_mirror(mirror: Mirror) -> bytes:
            url = mirror.url(self.repository, "blobs", descriptor.digest)
            scopes = mirror.scopes(self.repository)
            response = await mirror.client.request("GET", url, scopes=scopes, limit_bytes=limit_bytes, attempts=1)
            return _whole(response, descriptor, what)

        mirrored = await self.mirrors.first(from_mirror)
        if mirrored is not None:
            return mirrored
        response = await self.client.request(
            "GET",
            f"/v2/{self.repository}/blobs/{descriptor.digest}",
            scopes=frozenset({scope(self.repository, "pull")}),
            limit_bytes=limit_bytes,
            check=partial(_require_content, descriptor.digest),
        )
        return _whole(response, descriptor, what)

    async def referrers(self, digest: Digest) -> Sequence[Descriptor]:
        """See `ImageSource.referrers`. No mirror is asked: what is attached changes."""
        try:
            return await RegistryReferrers(self.client).list_referrers(self.repository, digest)
        except ListIncompleteError as error:
            # Nobody attaches so much but to be in the way, and an image is inspected all the same.
            return error.found
        except RegistryRefusedError:
            # Something else has the fallback tag, so that nobody can have attached anything by it.
            return ()

    async def pour(self, descriptor: Descriptor, sink: int, *, timeout_seconds: float) -> None:
        """See `ImageSource.pour`."""
        await pour_blob(self.client, self.repository, descriptor, sink, timeout_seconds=timeout_seconds, mirrors=self.mirrors)

    async def _fetch(self, reference: Tag | Digest) -> tuple[bytes, Digest, str]:
        """The bytes of a manifest, their digest and what they are served as; from a mirror where one has what a digest names."""
        what = f"{self.client.registry}/{self.repository} {reference}"

        async def from_mirror(mirror: Mirror) -> tuple[bytes, Digest, str]:
            found = await mirror.client.request(
                "GET",
                mirror.url(self.repository, "manifests", reference),
                scopes=mirror.scopes(self.repository),
                headers={"Accept": ACCEPT},
                limit_bytes=MAX_MANIFEST_BYTES,
                attempts=1,
            )
            return *_verified(found, reference, what), found.headers.get("Content-Type", "")

        mirrored = await self.mirrors.first(from_mirror) if is_digest(reference) else None
        if mirrored is not None:
            return mirrored
        response = await self._request("GET", reference)
        return *_verified(response, reference, what), response.headers.get("Content-Type", "")

    async def _request(
        self, method: str, reference: Tag | Digest, *, accept: frozenset[int] = frozenset({200}), attempts: int = ATTEMPTS
    ) -> Response:
        return await self.client.request(
            method,
            f"/v2/{self.repository}/manifests/{reference}",
            scopes=frozenset({scope(self.repository, "pull")}),
            headers={"Accept": ACCEPT},
            limit_bytes=MAX_MANIFEST_BYTES,
            accept=accept,
            attempts=attempts,
            check=partial(_require_content, reference) if method == "GET" else None,
        )


def _whole(response: Response, descriptor: Descriptor, what: str) -> bytes:
    raw = response.bytes_of(descriptor.digest)
    if raw is None:
        if len(response.body) != descriptor.size:
            raise DigestMismatchError(f"{what}: {counted(len(response.body), 'byte')}, the manifest says {descriptor.size}")
        raise DigestMismatchError(f"{what}: the bytes received are {digest_as(response.body, descriptor.digest)}")
    if len(raw) != descriptor.size:
        raise DigestMismatchError(f"{what}: {counted(len(raw), 'byte')}, the manifest says {descriptor.size}")
    return raw


def _require_content(wanted: Tag | Digest, response: Response) -> None:
    """Raises RegistryUnavailableError for what is nothing, or a page for people, instead of what was asked for."""
    if is_digest(wanted) and response.bytes_of(Digest(wanted)) is not None:
        return
    if not response.body or is_page(response.headers, response.body):
        raise unreachable(response.what, A_PAGE if response.body else NOTHING)


def _verified(response: Response, reference: Tag | Digest, what: str) -> tuple[bytes, Digest]:
    """The bytes and their digest, checked against what was asked for, or by a tag against what the registry says it sent.

    A `Docker-Content-Digest` under an algorithm we do not know says nothing and is passed over.
    """
    claimed = response.headers.get("Docker-Content-Digest", "")
    expected = next((Digest(each) for each in (reference, claimed) if is_digest(each)), None)
    if expected is None:
        return response.body, digest_of(response.body)
    raw = response.bytes_of(expected)
    if raw is None:
        said = f"the registry says {claimed}, " if expected != reference else ""
        raise DigestMismatchError(f"{what}: {said}the bytes received are {digest_as(response.body, expected)}")
    return raw, expected
