"""Artefacts attached to an image: the Referrers API, and the tag that stands in for it where it is missing.

Mechanical only. Which of the two a registry has is decided by reading back what was put: the `OCI-Subject` header has been
seen without the API and the API without the header. Who may edit an image's referrers at a time is the caller's business.

Spec: OCI distribution-spec v1.1 "Listing Referrers", "Pushing Manifests with Subject", "Referrers Tag Schema".
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from yarl import URL

from watcher.model.digest import Digest, digest_as, digest_of, is_digest
from watcher.model.errors import (
    AuthenticationError,
    ForbiddenAddressError,
    NotFoundError,
    RegistryRefusedError,
    RegistryUnavailableError,
    RetryableError,
    ThrottledError,
    TooLargeError,
)
from watcher.model.image import (
    EMPTY_DIGEST,
    MAX_MANIFEST_BYTES,
    OCI_EMPTY,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
)
from watcher.model.reference import RepositoryName
from watcher.model.referrers_tag import fallback_tag
from watcher.registry.answers import STANDING_REFUSALS
from watcher.registry.challenges import scope
from watcher.registry.client import ACCEPT, ATTEMPTS, RegistryClient
from watcher.registry.links import next_page
from watcher.registry.protocol import Fallback, ListIncompleteError, OddListError, PutManifest
from watcher.registry.redirects import StrayedError
from watcher.registry.referrers_reading import any_entries, descriptor_of, plain_entries
from watcher.registry.uploads import put_answer
from watcher.registry.wire import Response

EMPTY_BLOB = b"{}"
"""Has to be uploaded too, although everybody knows what is in it."""
EMPTY_DESCRIPTOR = Descriptor(
    media_type=OCI_EMPTY,
    digest=EMPTY_DIGEST,
    size=len(EMPTY_BLOB),
)

# Kyverno refuses images with more than 50 referrers; twenty pages of any size are beyond every sane image.
MAX_PAGES = 20
# An API that only ever asks to be left alone, for which everything waits, is not asked for each image. So long after the pause.
REST_SECONDS = 60.0


class FallbackChangedError(RetryableError):
    """Somebody else wrote the fallback tag since we read it: read it again and merge again."""

    reason = "referrers-changed"


def build_artifact(
    subject: Descriptor,
    artifact_type: str,
    layers: Sequence[Descriptor],
    annotations: Mapping[str, str],
    *,
    by_config: bool = False,
) -> bytes:
    """The manifest of an artefact attached to `subject`, as canonical JSON: same arguments, same digest.

    `subject` must say media type and size as the registry serves it. Without layers the empty blob is the only one. `by_config`:
    the type of the configuration alone says the artefact's, as before there was an artifactType.

    Spec: OCI image-spec v1.1 "Guidelines for Artifact Usage".
    """
    config = _described(EMPTY_DESCRIPTOR) | ({"mediaType": artifact_type} if by_config else {})
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": config,
        "layers": [_described(layer) for layer in layers or (EMPTY_DESCRIPTOR,)],
        "subject": _described(subject),
        "annotations": dict(annotations),
    }
    if not by_config:
        manifest["artifactType"] = artifact_type
    return msgspec.json.encode(manifest, order="deterministic")


def listed_descriptor(manifest: bytes, digest: Digest) -> dict[str, Any]:
    """How an artefact's manifest appears in an index of referrers: with its artifactType and a copy of all annotations.

    It is one that `parse_manifest` has read. What does not say its media type is OCI's, where it may be left out.
    """
    body = msgspec.json.decode(manifest)
    entry: dict[str, Any] = {"mediaType": body.get("mediaType") or OCI_MANIFEST, "digest": digest, "size": len(manifest)}
    entry["artifactType"] = body.get("artifactType") or body["config"]["mediaType"]
    if body.get("annotations"):
        entry["annotations"] = body["annotations"]
    return entry


def merge_entries(
    entries: Sequence[Mapping[str, Any]], add: Sequence[Mapping[str, Any]], remove: Collection[str]
) -> Sequence[Mapping[str, Any]]:
    """The entries of an index with each of `add` in it once, and without the digests of `remove`; others as they were, in order."""
    gone = [*remove, *(each["digest"] for each in add)]  # no set: what somebody wrote for a digest may be anything
    return [*(entry for entry in entries if entry.get("digest") not in gone), *add]


def index_of(entries: Sequence[Mapping[str, Any]]) -> bytes:
    """As canonical JSON: same entries, same digest."""
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [dict(entry) for entry in entries]}
    return msgspec.json.encode(index, order="deterministic")


class RegistryReferrers:
    """`Referrers` over a registry."""

    def __init__(self, client: RegistryClient) -> None:
        self._client = client

    async def listed(self, repository: RepositoryName, subject: Digest, digest: Digest) -> bool | None:
        """See `Referrers.listed`."""
        try:
            pages = await self._api(repository, subject, None, wanted=digest)
        except _SilentError:
            # Who has put it lists it under the tag, or is never done. Should there be an API after all, it lists it too.
            return None
        if pages is None:
            return None
        if any(entry.get("digest") == digest for entry in pages.entries):
            return True
        if pages.problem:
            raise ListIncompleteError(pages.problem, found=_descriptors(pages.entries))
        return False

    async def list_referrers(
        self, repository: RepositoryName, subject: Digest, artifact_type: str | None = None
    ) -> tuple[Descriptor, ...]:
        """See `Referrers.list_referrers`."""
        pages = await self._api_or_tag(repository, subject, artifact_type)
        entries: Sequence[Mapping[str, Any]] = pages.entries if pages is not None else ()
        if not entries:
            # An API that is there but empty may stand beside a fallback tag from before it was.
            entries = await self._in_fallback(repository, subject)
        found = _descriptors(entries, artifact_type)
        if pages is not None and pages.problem:
            raise ListIncompleteError(pages.problem, found=found)
        return found

    async def in_api(self, repository: RepositoryName, subject: Digest) -> Sequence[Descriptor] | None:
        """See `Referrers.in_api`."""
        pages = await self._api_or_tag(repository, subject, None)
        if pages is not None and pages.problem:
            raise ListIncompleteError(pages.problem, found=_descriptors(pages.entries))
        return None if pages is None else _descriptors(pages.entries)

    async def _api_or_tag(self, repository: RepositoryName, subject: Digest, artifact_type: str | None) -> "_Pages | None":
        """As `_api`. An API that is silent and a tag that is not there say together nothing: of two ways one fails."""
        try:
            return await self._api(repository, subject, artifact_type)
        except _SilentError as error:
            try:
                fallback = await self.read_fallback(repository, subject)
            except RegistryRefusedError:
                return None
            if fallback.digest is None:
                raise RegistryUnavailableError(str(error), retry_after_seconds=error.retry_after_seconds) from error
            return None

    async def _in_fallback(self, repository: RepositoryName, subject: Digest) -> Sequence[Mapping[str, Any]]:
        try:
            return (await self.read_fallback(repository, subject)).entries
        except OddListError as error:
            if error.entries is None:
                raise
            return error.entries

    async def read_fallback(self, repository: RepositoryName, subject: Digest) -> Fallback:
        """See `Referrers.read_fallback`."""
        tag = fallback_tag(subject)
        try:
            response = await self._client.request(
                "GET",
                f"/v2/{repository}/manifests/{tag}",
                scopes=frozenset({scope(repository, "pull")}),
                headers={"Accept": ACCEPT},
                limit_bytes=MAX_MANIFEST_BYTES,
            )
        except NotFoundError:
            return Fallback()
        except TooLargeError as error:
            what = f"{self._client.registry}/{repository}:{tag} is too large to be edited"
            raise OddListError(what, entries=None) from error
        # We made up the name of this tag, and a registry may know something else by it: its own form of the subject's digest, or
        # whatever it gives for what it does not know.
        claimed = response.headers.get("Docker-Content-Digest", "")
        is_itself = subject in {claimed, digest_as(response.body, subject)}
        entries = plain_entries(response.body, response.headers.get("Content-Type", ""))
        if entries is None:
            found = "not an image index"
        elif is_itself:
            found = "the image itself: this registry takes the tag for the digest"
        elif is_digest(claimed) and digest_as(response.body, Digest(claimed)) != claimed:
            found = f"other bytes than those of {claimed}, as the registry calls it"
        elif any("platform" in entry and not entry.get("artifactType") for entry in entries):
            found = "an image for several platforms, not a list of referrers"
        else:
            return Fallback(entries=tuple(entries), etag=response.headers.get("ETag"), digest=digest_of(response.body))
        what = f"{self._client.registry}/{repository}:{tag} is {found}; it is left alone"
        if is_itself:
            raise RegistryRefusedError(what)
        raise OddListError(what, entries=any_entries(response.body))

    async def put_fallback(self, repository: RepositoryName, subject: Digest, raw: bytes, *, seen: Fallback) -> PutManifest:
        """See `Referrers.put_fallback`."""
        conditions = {"If-None-Match": "*"} if seen.digest is None else {"If-Match": seen.etag} if seen.etag else {}
        response = await self._client.request(
            "PUT",
            f"/v2/{repository}/manifests/{fallback_tag(subject)}",
            scopes=frozenset({scope(repository, "pull", "push")}),
            headers={**conditions, "Content-Type": OCI_INDEX},
            data=raw,
            accept=frozenset({200, 201, 202, 412}),
        )
        if response.status == 412:
            raise FallbackChangedError(f"{self._client.registry}/{repository}:{fallback_tag(subject)} was changed meanwhile")
        return put_answer(response, raw, fallback_tag(subject))

    async def _api(
        self, repository: RepositoryName, subject: Digest, artifact_type: str | None, *, wanted: Digest | None = None
    ) -> "_Pages | None":
        """MAX_PAGES of the Referrers API, or those up to the one with `wanted`; None where there is none, or something else.

        Raises _SilentError where nothing but refusals that may pass came from it since this process began. Where it has answered
        before, that is an error like others: a list under the tag beside it would be seen by some clients and not by others.
        """
        path = f"/v2/{repository}/referrers/{subject}"
        url = self._client.base_url.joinpath(path.lstrip("/"))
        if artifact_type:
            url = url.with_query({"artifactType": artifact_type})
        pages, seen = _Pages(), set[URL]()
        for page in range(MAX_PAGES):
            seen.add(url)
            response = await self._ask(url, repository)
            found = None if response is None else self._page(response)
            if response is None or found is None:
                if page == 0:
                    return None
                pages.problem = f"{self._client.registry}{path}: page {page + 1} of the list cannot be read"
                return pages
            self._client.referrers_api.is_there = True
            pages.entries += found
            if wanted is not None and any(entry.get("digest") == wanted for entry in found):
                return pages
            try:
                following = next_page(self._client, response)
            except RegistryUnavailableError as error:
                pages.problem = str(error)
                return pages
            if following is None:
                return pages
            if following in seen:
                pages.problem = f"{self._client.registry}{path}: page {page + 1} of the list leads back to one before"
                return pages
            url = following
        pages.problem = f"{self._client.registry}{path}: {len(pages.entries)} artefacts are attached, and more than we ask for"
        return pages

    async def _ask(self, url: URL, repository: RepositoryName) -> Response | None:
        """The answer of the API, or whatever answers in its place; None where asking leads nowhere."""
        api = self._client.referrers_api
        if api.silent_until > self._client.monotonic():
            raise _SilentError(
                f"{self._client.registry}: the Referrers API asked to be left alone", retry_after_seconds=REST_SECONDS
            )
        try:
            return await self._client.request(
                "GET",
                url,
                scopes=frozenset({scope(repository, "pull")}),
                headers={"Accept": OCI_INDEX},
                limit_bytes=MAX_MANIFEST_BYTES,
                accept=(STANDING_REFUSALS | {200}) - ({403} if api.is_there else set()),
                attempts=1 if api.is_there is False else ATTEMPTS,
                is_optional=not api.is_there,
            )
        except (AuthenticationError, ForbiddenAddressError, RegistryRefusedError, StrayedError):
            # In spite of what we have shown. Should that be wrong, the registry says so of the fallback tag too.
            if api.is_there:
                raise
            return None
        except (RegistryUnavailableError, ThrottledError) as error:
            if api.is_there:
                raise
            api.is_there = False
            if isinstance(error, ThrottledError):
                api.silent_until = self._client.monotonic() + (error.retry_after_seconds or 0.0) + REST_SECONDS
            raise _SilentError(str(error), retry_after_seconds=error.retry_after_seconds) from error

    def _page(self, response: Response) -> list[Mapping[str, Any]] | None:
        """None of what is none. What programs read differently is taken for all that any of them finds in it."""
        content_type = response.headers.get("Content-Type", "")
        if response.status != 200 or content_type.partition(";")[0].strip() != OCI_INDEX:
            return None
        entries = plain_entries(response.body, content_type)
        if entries is not None:
            return entries
        found = any_entries(response.body)
        if found is None:
            raise OddListError(f"{self._client.registry}{response.url.path}: nests too deep to be read", entries=None)
        return found or None


class _SilentError(RegistryUnavailableError):
    """The Referrers API answers 5xx, 429 or not at all, and never did otherwise: it may be broken now, or never have been there."""


@dataclass(slots=True)
class _Pages:
    """`problem`: why these are not all."""

    entries: list[Mapping[str, Any]] = field(default_factory=list)
    problem: str = ""


def _descriptors(entries: Sequence[Mapping[str, Any]], artifact_type: str | None = None) -> tuple[Descriptor, ...]:
    found = [each for each in map(descriptor_of, entries) if each is not None]
    return tuple(each for each in found if not artifact_type or each.artifact_type in {None, "", artifact_type})


def _described(descriptor: Descriptor) -> dict[str, Any]:
    entry: dict[str, Any] = {"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size}
    if descriptor.artifact_type:
        entry["artifactType"] = descriptor.artifact_type
    if descriptor.annotations:
        entry["annotations"] = descriptor.annotations
    return entry
