"""What is asked of registries, and of other places that hold images (an OCI layout, an archive).

`Registries` is the way to all of them for those who read, `WritableRegistries` for those who leave something there.
"""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from watcher.model.digest import Digest
from watcher.model.errors import PermanentError, RegistryRefusedError
from watcher.model.image import Descriptor, FetchedManifest
from watcher.model.reference import Host, Reference, RepositoryName, Tag
from watcher.model.registry_kind import RegistryKind


class ImageSource(Protocol):
    """One place that holds images: a repository of a registry, or files."""

    @property
    def repository(self) -> RepositoryName:
        """Its name; of files, one that is made of theirs."""
        ...

    async def manifest(self, reference: Tag | Digest) -> FetchedManifest:
        """Fetch and verify a manifest.

        Raises:
            NotFoundError, AuthenticationError, ThrottledError, RegistryUnavailableError, RegistryRefusedError
            DigestMismatchError: the bytes are not what was asked for by digest, or not what the registry says they are.
            InvalidManifestError: the bytes are no manifest we can read, or above MAX_MANIFEST_BYTES.
        """
        ...

    async def blob(self, descriptor: Descriptor, *, limit_bytes: int) -> bytes:
        """Read a small blob whole (a configuration, a verdict), verified. Raises as `manifest` does, and TooLargeError."""
        ...

    async def referrers(self, digest: Digest) -> Sequence[Descriptor]:
        """What is attached to a manifest, by whomever; none where nothing can be.

        A registry is believed about it: that an artefact is attached, its own manifest says. One without an artifactType may be of
        any type. Raises as `manifest` does, but for NotFoundError.
        """
        ...

    async def pour(self, descriptor: Descriptor, sink: int, *, timeout_seconds: float) -> None:
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
        """Every manifest that no tag leads to; none at all unless `lists_digests`."""
        ...


class Registries(Protocol):
    """Every registry by its host; `hosts` are the configured ones.

    Any other host is reached with the settings that are default: whoever names one has made sure that it is one we may dial.
    """

    @property
    def hosts(self) -> Collection[Host]: ...

    def images(self, host: Host, repository: RepositoryName) -> ImageSource:
        """What one repository holds. Raises ConfigurationError when its settings are wrong."""
        ...

    def listing(self, host: Host) -> Listing:
        """Which names there are in it. Raises as `images` does."""
        ...

    async def head(self, reference: Reference) -> Digest | None:
        """What a reference leads to now, None when that is nothing. A digest is looked for, whatever tag stands beside it.

        Whether something is there is the registry's own to say: no mirror is asked.

        Raises as `images` and `ImageSource.manifest` do, but for NotFoundError.
        """
        ...

    async def fetch_configured(self, reference: Reference) -> FetchedManifest | None:
        """A manifest of a configured registry, None for any other: an image must not make us dial a host of its choice.

        Raises as `images` and `ImageSource.manifest` do.
        """
        ...


class Manifests(Protocol):
    """What an artefact of one repository is attached to."""

    async def manifest(self, reference: Tag | Digest) -> FetchedManifest:
        """See `ImageSource.manifest`."""
        ...

    async def describe(self, digest: Digest) -> Descriptor:
        """The descriptor of a manifest, verified, with the type it says it is; of one we refuse to read, the type it is served as.

        Raises as `manifest` does.
        """
        ...

    async def head(self, reference: Tag | Digest) -> Digest | None:
        """What it leads to now, None when that is nothing. Raises as `manifest` does, but for NotFoundError."""
        ...

    async def blob(self, descriptor: Descriptor, *, limit_bytes: int) -> bytes:
        """See `ImageSource.blob`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PutManifest:
    """What a registry said about a manifest it took. `subject` is its `OCI-Subject`, which proves nothing either way."""

    digest: Digest
    subject: str | None = None
    etag: str | None = None


class Uploads(Protocol):
    """Writing to one registry: small blobs and manifests, each safe to repeat."""

    async def put_blob(
        self, repository: RepositoryName, content: bytes, media_type: str = "application/octet-stream"
    ) -> Descriptor:
        """After this returns the repository holds the blob; one that is there already is not sent again.

        Raises:
            ThrottledError, RegistryUnavailableError, AuthenticationError, RegistryRefusedError, ForbiddenAddressError
        """
        ...

    async def put_manifest(self, repository: RepositoryName, reference: Tag | Digest, raw: bytes, media_type: str) -> PutManifest:
        """After this returns `reference` is this manifest.

        Raises:
            RegistryRefusedError: too large, invalid, or the tag is immutable.
            DigestMismatchError: the registry says that it kept something else.
            ThrottledError, RegistryUnavailableError, AuthenticationError
        """
        ...

    async def delete_manifest(self, repository: RepositoryName, digest: Digest) -> bool:
        """Whether it is gone now. Many registries forbid deletion; that is an answer here, not an error.

        Raises:
            ThrottledError, RegistryUnavailableError
        """
        ...

    async def delete_tag(self, repository: RepositoryName, tag: Tag) -> bool:
        """Whether the tag is gone now, and nothing else. Registries that delete by digest only leave it. Raises as the above."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """The index under an image's fallback tag. `entries` are its descriptors exactly as they were, ours and foreign ones.

    `digest` is None when there was no such tag.
    """

    entries: tuple[Mapping[str, Any], ...] = ()
    etag: str | None = None
    digest: Digest | None = None


class OddListError(RegistryRefusedError):
    """What is there cannot be edited as a list of referrers, and others may read it as one all the same.

    `entries` are what any of them could find in it, of whatever type where that is not said plainly. None: nobody can say.
    """

    reason = "referrers-odd"

    def __init__(self, message: str, *, entries: Sequence[Mapping[str, Any]] | None) -> None:
        super().__init__(message)
        self.entries = entries


class ListIncompleteError(PermanentError):
    """More is attached to the image than we ask for, or the rest cannot be read; `found` is what was."""

    reason = "too-many-referrers"

    def __init__(self, message: str, *, found: Sequence[Descriptor]) -> None:
        super().__init__(message)
        self.found = found


class Referrers(Protocol):
    """Artefacts attached to the images of one registry: the Referrers API, and the tag that stands in for it.

    Spec: OCI distribution-spec v1.1 "Listing Referrers", "Referrers Tag Schema".
    """

    async def listed(self, repository: RepositoryName, subject: Digest, digest: Digest) -> bool | None:
        """Whether the Referrers API lists `digest` under `subject`: the only proof that the API works. None where there is none.

        Raises:
            ListIncompleteError: it may be in the part of the list that was not read.
            OddListError: nobody can say what is listed.
            ThrottledError, RegistryUnavailableError, AuthenticationError
        """
        ...

    async def in_api(self, repository: RepositoryName, subject: Digest) -> Sequence[Descriptor] | None:
        """Every artefact that the Referrers API lists under `subject`; None where there is none. Raises as `list_referrers`."""
        ...

    async def list_referrers(
        self, repository: RepositoryName, subject: Digest, artifact_type: str | None = None
    ) -> Sequence[Descriptor]:
        """Every artefact attached to `subject`, from the API or the fallback tag, of one type when that is given.

        A descriptor without an artifactType may be of any type (older clients left it out) and is always returned. Entries that are
        no descriptors are left out. Of a list that programs read differently it is all that any of them finds.

        Raises:
            ListIncompleteError: there are more, or the rest cannot be read. It has what was found.
            Those of `read_fallback`; OddListError where nobody can say what is listed.
        """
        ...

    async def read_fallback(self, repository: RepositoryName, subject: Digest) -> Fallback:
        """What the fallback tag holds now; empty when it does not exist.

        Raises:
            RegistryRefusedError: the image itself has that tag. It must be left alone.
            OddListError: something else than a list of referrers does, in which others may find some all the same. Likewise.
            RegistryUnavailableError: among others while another client is writing the tag; retried already.
            ThrottledError, AuthenticationError
        """
        ...

    async def put_fallback(self, repository: RepositoryName, subject: Digest, raw: bytes, *, seen: Fallback) -> PutManifest:
        """Replace the fallback index, on the condition that it is still the one that was `seen`.

        The condition helps where a registry honours it; distribution ignores it, so read back what you have written.

        Raises:
            FallbackChangedError: it is not. Those of `Uploads.put_manifest`.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiAnswer:
    """`document` is the JSON of the body, None where there is none."""

    status: int
    document: Any = None


class OwnApi(Protocol):
    """What a kind of registry can do beside the specification, by an API of its own on the same host."""

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        scopes: Collection[str] = (),
        accept: Collection[int] = (200,),
    ) -> ApiAnswer:
        """Send `body` as JSON. `path` is encoded already. `scopes` are of the registry's tokens, where this API takes those.

        Else it is shown the `api_token` of the registry's settings, or user name and password where there is none.

        Raises:
            NotFoundError, AuthenticationError, ThrottledError, RegistryUnavailableError
            RegistryRefusedError: any other status that `accept` does not have, or an answer that is not JSON.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryAccess:
    """Everything that those who write to one registry ask of it."""

    host: Host
    kind: RegistryKind
    manifests: Callable[[RepositoryName], Manifests]
    uploads: Uploads
    referrers: Referrers
    api: OwnApi


class WritableRegistries(Protocol):
    """Every registry by its host, to write to. See `Registries` for which hosts."""

    def access(self, host: Host) -> RegistryAccess:
        """Raises ConfigurationError when its settings are wrong."""
        ...
