"""Where manifests and blobs come from (a registry, an OCI layout, an archive), and what there is in a registry."""

from collections.abc import AsyncIterator
from typing import Protocol

from watcher.model.digest import Digest
from watcher.model.errors import PermanentError
from watcher.model.image import Descriptor, FetchedManifest
from watcher.model.reference import RepositoryName, Tag


class ImageSource(Protocol):
    """One place that holds images. `repository` is ignored by sources that hold one only."""

    async def manifest(self, repository: RepositoryName, reference: Tag | Digest) -> FetchedManifest:
        """Fetch and verify a manifest.

        Raises:
            NotFoundError, AuthenticationError, ThrottledError, RegistryUnavailableError, RegistryRefusedError
            DigestMismatchError: the bytes are not what was asked for by digest, or not what the registry says they are.
            InvalidManifestError: the bytes are no manifest we can read, or above MAX_MANIFEST_BYTES.
        """
        ...

    async def blob(self, repository: RepositoryName, descriptor: Descriptor, *, limit_bytes: int) -> bytes:
        """Read a small blob whole (a configuration, a verdict), verified. Raises as `manifest` does, and TooLargeError."""
        ...

    async def pour(self, repository: RepositoryName, descriptor: Descriptor, sink: int, *, timeout_seconds: float) -> None:
        """Write one blob into the pipe `sink` from a thread of its own, verifying size and digest as it passes.

        The bytes are compressed as stored. That they are the right ones is known only when this returns: keep nothing of what was
        read from the pipe when it raises. The caller closes `sink`. A reader that goes away ends the transfer without an
        error here, since the reader's own end says why. Cancelling stops the thread within a second.

        Raises:
            DigestMismatchError: wrong bytes or wrong size.
            TimedOutError: longer than `timeout_seconds` in all.
            Those of `manifest` for the request itself.

        Spec: OCI distribution-spec v1.1, "Pulling blobs" (end-2).
        """
        ...


class CatalogUnavailableError(PermanentError):
    """This registry does not let us list its repositories: they have to be named."""

    reason = "no-catalog"


class Listing(Protocol):
    """What there is in a registry, page by page.

    Each name is valid, may come twice, and may be gone already. What comes into being while it is read may be missing.
    Every iterator raises AuthenticationError, ThrottledError, RegistryUnavailableError, and TooLargeError for an absurd page.
    """

    lists_digests: bool

    def repositories(self) -> AsyncIterator[RepositoryName]:
        """Those we may see. Raises CatalogUnavailableError besides."""
        ...

    def tags(self, repository: RepositoryName) -> AsyncIterator[Tag]:
        """Those of one repository; none when there is no such repository."""
        ...

    def digests(self, repository: RepositoryName) -> AsyncIterator[Digest]:
        """Every manifest, tagged or not; none at all unless `lists_digests`."""
        ...
