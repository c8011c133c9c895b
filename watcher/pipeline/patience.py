"""One answer speaks against no image: what a registry gives in place of it counts only when it is given again.

A store that has not got its copy yet, a node with a damaged disk and a proxy with a page of its own answer like a registry whose
image is gone or corrupted; the next look is at another node, or at the same one a moment later.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from watcher.model.digest import Digest
from watcher.model.errors import (
    DigestMismatchError,
    ForbiddenAddressError,
    NotFoundError,
    PermanentError,
    RegistryRefusedError,
    RetryableError,
)
from watcher.model.image import Descriptor, FetchedManifest
from watcher.model.reference import RepositoryName, Tag
from watcher.registry.protocol import ImageSource

# So many looks tell late from gone and damaged on the way from damaged.
LOOKS = 3
ANSWERS = (DigestMismatchError, ForbiddenAddressError, NotFoundError, RegistryRefusedError)


def seconds_after(look: int) -> float:
    """How long what was heard at a look, counted from 1, has to become another thing."""
    return look * 1.0


class HeardOnceError(RetryableError):
    """What a registry answered, which may be another thing at the next look. `error` is what it comes to if it is not."""

    outside = False

    def __init__(self, error: PermanentError) -> None:
        super().__init__(str(error))
        self.error = error
        # Who goes on without it, as without an SBOM, says why.
        self.reason = error.reason  # type: ignore[misc]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """`ImageSource` of a look that is not the last: raises HeardOnceError for an answer that speaks against the image."""

    source: ImageSource

    @property
    def repository(self) -> RepositoryName:
        return self.source.repository

    async def manifest(self, reference: Tag | Digest) -> FetchedManifest:
        try:
            return await self.source.manifest(reference)
        except ANSWERS as error:
            raise HeardOnceError(error) from error

    async def blob(self, descriptor: Descriptor, *, limit_bytes: int) -> bytes:
        try:
            return await self.source.blob(descriptor, limit_bytes=limit_bytes)
        except ANSWERS as error:
            raise HeardOnceError(error) from error

    async def referrers(self, digest: Digest) -> Sequence[Descriptor]:
        return await self.source.referrers(digest)

    async def pour(self, descriptor: Descriptor, sink: int, *, timeout_seconds: float) -> None:
        try:
            await self.source.pour(descriptor, sink, timeout_seconds=timeout_seconds)
        except ANSWERS as error:
            if isinstance(error, NotFoundError) and descriptor.is_non_distributable:
                raise  # as it should be
            raise HeardOnceError(error) from error
