"""What the in-memory registry holds: blobs, manifests and tags per repository."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from watcher.model.digest import Digest, digest_as, digest_of, is_digest
from watcher.model.image import INDEX_TYPES, MANIFEST_TYPES, MAX_MANIFEST_BYTES
from watcher.model.reference import RepositoryName, Tag


class RefusedError(Exception):
    """An answer of the specification's error table: HTTP status, code, sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


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
    tags: dict[Tag, Digest] = field(default_factory=dict)

    def put_blob(self, content: bytes, expected: Digest) -> None:
        if digest_as(content, expected) != expected:
            raise RefusedError(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        self.blobs[expected] = content

    def put_manifest(self, raw: bytes, media_type: str, reference: str, *, immutable: bool = False) -> StoredManifest:
        """Check and keep a manifest; `reference` is a tag or its digest. Raises RefusedError."""
        if len(raw) > MAX_MANIFEST_BYTES:
            raise RefusedError(413, "SIZE_INVALID", "manifest too large")
        if media_type not in MANIFEST_TYPES | INDEX_TYPES:
            raise RefusedError(400, "MANIFEST_INVALID", f"media type {media_type!r} is not supported")
        try:
            body = msgspec.json.decode(raw)
        except msgspec.DecodeError as error:
            raise RefusedError(400, "MANIFEST_INVALID", "manifest is not JSON") from error
        if body.get("mediaType", media_type) != media_type:
            raise RefusedError(400, "MANIFEST_INVALID", "Content-Type does not match mediaType")
        digest = digest_as(raw, Digest(reference)) if is_digest(reference) else digest_of(raw)
        if is_digest(reference) and digest != reference:
            raise RefusedError(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        manifest = StoredManifest(digest=digest, media_type=media_type, raw=raw, body=body)
        held: Mapping[Digest, object] = self.manifests if media_type in INDEX_TYPES else self.blobs
        for descriptor in manifest.references:
            if descriptor["digest"] not in held and not descriptor.get("urls"):
                raise RefusedError(404, "MANIFEST_BLOB_UNKNOWN", f"blob unknown to registry: {descriptor['digest']}")
        if not is_digest(reference):
            if immutable and self.tags.get(Tag(reference), digest) != digest:
                raise RefusedError(409, "DENIED", "tag is immutable")
            self.tags[Tag(reference)] = digest
        self.manifests[digest] = manifest
        return manifest

    def manifest(self, reference: str) -> StoredManifest:
        """By tag or digest. Raises RefusedError."""
        digest = Digest(reference) if is_digest(reference) else self.tags.get(Tag(reference))
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

    repositories: dict[RepositoryName, Repository] = field(default_factory=dict)

    def existing(self, name: str) -> Repository:
        found = self.repositories.get(RepositoryName(name))
        if found is None:
            raise RefusedError(404, "NAME_UNKNOWN", "repository name not known to registry")
        return found

    def writable(self, name: str) -> Repository:
        return self.repositories.setdefault(RepositoryName(name), Repository())
