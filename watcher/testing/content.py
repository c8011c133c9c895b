"""What the in-memory registry holds: blobs, manifests and tags per repository."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec

from watcher.model.digest import DIGEST_PATTERN, Digest, digest_as, digest_of, is_digest
from watcher.model.image import INDEX_TYPES, MANIFEST_TYPES, MAX_MANIFEST_BYTES
from watcher.model.reference import TAG_PATTERN, RepositoryName, Tag
from watcher.testing.names import Names


class RefusedError(Exception):
    """An answer of the specification's error table: HTTP status, code, sentence."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers


def digest_in(text: str) -> Digest:
    """A digest out of a request. Raises RefusedError with 400 for one that is malformed or of another algorithm."""
    if not is_digest(text):
        raise RefusedError(400, "DIGEST_INVALID", "digest missing or malformed")
    return Digest(text)


class _Descriptor(msgspec.Struct):
    digest: Annotated[str, msgspec.Meta(pattern=f"^(?:{DIGEST_PATTERN.pattern})\\Z")]
    urls: list[str] | None = None


class _Manifest(msgspec.Struct):
    config: _Descriptor
    layers: list[_Descriptor] | None = None
    subject: _Descriptor | None = None


class _Index(msgspec.Struct):
    manifests: list[_Descriptor] | None = None
    subject: _Descriptor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredManifest:
    """One manifest as it was put; `body` is its JSON."""

    digest: Digest
    media_type: str
    raw: bytes
    body: Mapping[str, Any]

    @property
    def references(self) -> list[dict[str, Any]]:
        """Descriptors of everything it needs: configuration and layers, or an index's children."""
        if self.media_type in INDEX_TYPES:
            return list(self.body.get("manifests") or [])
        return [self.body["config"], *(self.body.get("layers") or [])]

    @property
    def subject(self) -> str | None:
        subject = self.body.get("subject")
        return subject["digest"] if subject else None

    def descriptor(self) -> dict[str, Any]:
        """As the Referrers API lists it: annotations copied, `artifactType` the manifest's own or its configuration's type."""
        listed: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest, "size": len(self.raw)}
        config = self.body.get("config") or {}
        artifact_type = self.body.get("artifactType") or config.get("mediaType")
        if artifact_type:
            listed["artifactType"] = artifact_type
        if self.body.get("annotations"):
            listed["annotations"] = self.body["annotations"]
        return listed


@dataclass(slots=True)
class Repository:
    blobs: dict[Digest, bytes] = field(default_factory=dict)
    manifests: dict[Digest, StoredManifest] = field(default_factory=dict)
    tags: Names[Tag, Digest] = field(default_factory=Names)

    def put_blob(self, content: bytes, expected: Digest) -> None:
        if digest_as(content, expected) != expected:
            raise RefusedError(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        self.blobs[expected] = content

    def put_manifest(
        self, raw: bytes, media_type: str, reference: str, *, tags: Iterable[str] = (), immutable: bool = False
    ) -> StoredManifest:
        """Check and keep a manifest; `reference` is a tag, or its digest with `tags` besides. Raises RefusedError."""
        if len(raw) > MAX_MANIFEST_BYTES:
            raise RefusedError(413, "SIZE_INVALID", "manifest too large")
        if media_type not in MANIFEST_TYPES | INDEX_TYPES:
            raise RefusedError(400, "MANIFEST_INVALID", f"media type {media_type!r} is not supported")
        tagged = [_tag_in(tag) for tag in ([*tags] if is_digest(reference) else [reference])]
        manifest = StoredManifest(
            digest=digest_as(raw, Digest(reference)) if is_digest(reference) else digest_of(raw),
            media_type=media_type,
            raw=raw,
            body=_checked_body(raw, media_type),
        )
        if is_digest(reference) and manifest.digest != reference:
            raise RefusedError(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        held: Mapping[Digest, object] = self.manifests if media_type in INDEX_TYPES else self.blobs
        for descriptor in manifest.references:
            if descriptor["digest"] not in held and not descriptor.get("urls"):
                raise RefusedError(404, "MANIFEST_BLOB_UNKNOWN", f"blob unknown to registry: {descriptor['digest']}")
        if immutable and any(self.tags.get(tag, manifest.digest) != manifest.digest for tag in tagged):
            raise RefusedError(409, "DENIED", "tag is immutable")
        self.manifests[manifest.digest] = manifest
        for tag in tagged:
            self.tags[tag] = manifest.digest
        return manifest

    def manifest(self, reference: str) -> StoredManifest:
        """By tag or digest. Raises RefusedError."""
        # No tag has a colon: this was meant to be a digest.
        digest = digest_in(reference) if ":" in reference else self.tags.get(Tag(reference))
        found = self.manifests.get(digest) if digest else None
        if found is None:
            raise RefusedError(404, "MANIFEST_UNKNOWN", "manifest unknown")
        return found

    def delete_manifest(self, reference: str) -> list[Tag]:
        """Remove a tag, or a manifest with every tag on it; the tags that went. Raises RefusedError."""
        digest = self.manifest(reference).digest
        if not is_digest(reference):
            del self.tags[Tag(reference)]
            return [Tag(reference)]
        del self.manifests[digest]
        gone = [tag for tag, tagged in self.tags.items() if tagged == digest]
        for tag in gone:
            del self.tags[tag]
        return gone


@dataclass(slots=True)
class Content:
    """Every repository, made when first written to."""

    repositories: Names[RepositoryName, Repository] = field(default_factory=Names)

    def existing(self, name: str) -> Repository:
        found = self.repositories.get(RepositoryName(name))
        if found is None:
            raise RefusedError(404, "NAME_UNKNOWN", "repository name not known to registry")
        return found

    def writable(self, name: str) -> Repository:
        return self.repositories.setdefault(RepositoryName(name), Repository())

    def holder(self, digest: Digest, name: str | None, *, anywhere: bool) -> tuple[str, bytes] | None:
        """Which repository has a blob, and the blob: the one called `name`, or any, where none is named and `anywhere` is set."""
        names = [name] if name is not None else [*self.repositories] if anywhere else []
        for each in names:
            found = self.repositories.get(RepositoryName(each))
            if found is not None and digest in found.blobs:
                return each, found.blobs[digest]
        return None


def _tag_in(text: str) -> Tag:
    if TAG_PATTERN.fullmatch(text) is None:
        raise RefusedError(400, "DIGEST_INVALID" if ":" in text else "TAG_INVALID", "neither a tag nor a digest")
    return Tag(text)


def _checked_body(raw: bytes, media_type: str) -> Mapping[str, Any]:
    """The JSON of a manifest with descriptors where they belong, and whatever else it has. Raises RefusedError."""
    try:
        body = msgspec.json.decode(raw, type=dict[str, Any])
        msgspec.convert(body, _Index if media_type in INDEX_TYPES else _Manifest)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RefusedError(400, "MANIFEST_INVALID", "manifest is not JSON of its type") from error
    if body.get("mediaType", media_type) != media_type:
        raise RefusedError(400, "MANIFEST_INVALID", "Content-Type does not match mediaType")
    return body
