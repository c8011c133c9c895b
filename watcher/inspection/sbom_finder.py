"""SBOMs that somebody attached to an image: as its referrers or those of its index, or as attestations that stand in the index.

Asked once an inspection, since it is nothing of the image's bytes: whoever may push can attach one, replace it, or remove it.

Spec: OCI distribution-spec v1.1 "Listing Referrers"; BuildKit "Image attestation storage"; in-toto attestation v1, "Statement",
"Envelope"; sigstore "Bundle Format".
"""

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import msgspec

from watcher.inspection.catalogers.sbom import IMAGES, MAX_BYTES, ListedPackages, NoSbomError, listed_packages
from watcher.inspection.image.attached_sboms import FoundSboms
from watcher.model.digest import Digest, short
from watcher.model.errors import TooLargeError, WatcherError
from watcher.model.first_use import known
from watcher.model.image import Descriptor, FetchedManifest, Index, Manifest
from watcher.model.inventory import PackageRecord, SbomDocument
from watcher.model.sbom_types import (
    IN_TOTO_JSON,
    OTHER_TYPES,
    OUR_MARK,
    READABLE_TYPES,
    SBOM_PREDICATES,
    attaches_sbom,
    is_bundle,
)
from watcher.model.verdict import MAX_SKIPPED, Section, SectionState
from watcher.registry.protocol import ImageSource

# A push waits for it.
FIND_SECONDS = 30.0
# One a tool and format; of more than that somebody makes a list. Of as many more it is looked what they are.
MAX_DOCUMENTS = 8
MAX_LOOKS = 32
# Of all documents of an image: reading 16 MiB takes the daemon more than a second of its processor.
MAX_READ_BYTES = 32 * 1024 * 1024
# Each is held whole while it is read, for all images at once.
READ_AT_ONCE = 2

_ATTESTATION_TYPE = "application/vnd.docker.attestation.manifest.v1+json"
_REFERENCE_TYPE, _REFERENCE_DIGEST = "vnd.docker.reference.type", "vnd.docker.reference.digest"
_PREDICATE_TYPE = "in-toto.io/predicate-type"


class _Envelope(msgspec.Struct, frozen=True):
    """Of DSSE; whose signatures they are is not asked."""

    payload: str = ""


class _Statement(msgspec.Struct, rename="camel"):
    """Of in-toto, or what it is wrapped in: an envelope, and that in a bundle of sigstore."""

    predicate_type: str = ""
    predicate: msgspec.Raw = msgspec.Raw(b"")
    payload: str = ""
    dsse_envelope: _Envelope = _Envelope()


_STATEMENT = msgspec.json.Decoder(known(_Statement))


@dataclass(frozen=True, slots=True)
class SbomFinder:
    """Made on the loop that it is used on."""

    _reading: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(READ_AT_ONCE))

    async def find(self, source: ImageSource, image: Digest, index: FetchedManifest | None) -> FoundSboms:
        """Those of an image, and of the index that lists it. What could not be asked for, or read, is said, not raised."""
        search = _Search(source=source, reading=self._reading)
        try:
            async with asyncio.timeout(FIND_SECONDS):
                async for where, subject, descriptor in search.attached(image, index):
                    await search.look(where, subject, descriptor)
        except TimeoutError:
            search.shortfalls.append(f"what is attached could not be read within {FIND_SECONDS:.0f} s")
        return FoundSboms(documents=tuple(search.documents), packages=tuple(search.packages), section=search.section())


def read_document(content: bytes, media_type: str) -> ListedPackages | None:
    """What a document lists; None of a statement about something else, as how the image was built.

    Raises:
        NoSbomError, DatabaseTooLargeError
    """
    try:
        statement = _STATEMENT.decode(content)
        if payload := statement.payload or statement.dsse_envelope.payload:
            statement = _STATEMENT.decode(b64decode(payload))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise NoSbomError("no JSON object") from error
    if statement.predicate_type and statement.predicate:
        if not statement.predicate_type.startswith(SBOM_PREDICATES):
            return None
        content = bytes(statement.predicate)
    return listed_packages(content, media_type, IMAGES)


@dataclass(slots=True, kw_only=True)
class _Search:
    source: ImageSource
    reading: asyncio.Semaphore
    documents: list[SbomDocument] = field(default_factory=list)
    packages: list[PackageRecord] = field(default_factory=list)
    shortfalls: list[str] = field(default_factory=list)
    looked_at: set[Digest] = field(default_factory=set)
    read_bytes: int = 0

    def section(self) -> Section:
        """Missing where nothing is known, not even that there is nothing."""
        if not self.shortfalls:
            return Section()
        more = f" (and {len(self.shortfalls) - 1} more)" if len(self.shortfalls) > 1 else ""
        return Section(
            state=SectionState.PARTIAL if self.documents else SectionState.MISSING,
            reason=self.shortfalls[0] + more,
            skipped=tuple(self.shortfalls[:MAX_SKIPPED]),
        )

    async def attached(self, image: Digest, index: FetchedManifest | None) -> AsyncIterator[tuple[str, Digest | None, Descriptor]]:
        """Where each may be an SBOM by what is said of it, what its manifest must then be attached to, and the artefact."""
        for each in await self._referrers(image):
            yield "referrer", image, each
        if index is None or not isinstance(index.content, Index):
            return
        for each in await self._referrers(index.digest):
            yield "index", index.digest, each
        for each in index.content.manifests:
            said = each.annotations
            if said.get(_REFERENCE_TYPE) == "attestation-manifest" and said.get(_REFERENCE_DIGEST) == image:
                yield "attestation", None, each

    async def _referrers(self, digest: Digest) -> list[Descriptor]:
        try:
            found = await self.source.referrers(digest)
        except WatcherError as error:
            self.shortfalls.append(f"what is attached to {short(digest)} could not be asked for ({error.reason})")
            return []
        return [each for each in found if _may_be_sbom(each.artifact_type, each.annotations)]

    async def look(self, where: str, subject: Digest | None, descriptor: Descriptor) -> None:
        """Read what documents an artefact has. One that is attached to something else is none of this image."""
        if descriptor.digest in self.looked_at:
            return
        if len(self.looked_at) == MAX_LOOKS:
            self._fall_short(descriptor, f"more than {MAX_LOOKS} artefacts are attached")
            return
        self.looked_at.add(descriptor.digest)
        try:
            manifest = (await self.source.manifest(descriptor.digest)).content
        except WatcherError as error:
            self._fall_short(descriptor, error.reason)
            return
        if not isinstance(manifest, Manifest) or OUR_MARK in manifest.annotations:
            return
        if subject is not None and (manifest.subject != subject or not _may_be_sbom(manifest.kind, manifest.annotations)):
            return
        if manifest.kind in OTHER_TYPES:
            self._fall_short(descriptor, f"{manifest.kind} is not read")
            return
        for layer in manifest.layers:
            if _is_document(manifest.kind, layer):
                await self._read(where, descriptor, layer)

    async def _read(self, where: str, artefact: Descriptor, layer: Descriptor) -> None:
        if len(self.documents) == MAX_DOCUMENTS:
            self._fall_short(artefact, f"more than {MAX_DOCUMENTS} documents are attached")
            return
        try:
            if layer.size > min(MAX_BYTES, MAX_READ_BYTES - self.read_bytes):
                raise TooLargeError(f"{layer.size} bytes")
            self.read_bytes += layer.size
            async with self.reading:
                content = await self.source.blob(layer, limit_bytes=MAX_BYTES)
                listed = await asyncio.to_thread(read_document, content, layer.media_type)
        except WatcherError as error:
            self._fall_short(artefact, error.reason)
            return
        if listed is not None:
            self.packages += listed.packages
            self.documents.append(
                SbomDocument(
                    source=where, digest=artefact.digest, format=listed.format, tool=listed.tool, packages=len(listed.packages)
                )
            )

    def _fall_short(self, artefact: Descriptor, reason: str) -> None:
        self.shortfalls.append(f"the SBOM {short(artefact.digest)} that is attached could not be read ({reason})")


def _may_be_sbom(kind: str | None, annotations: Mapping[str, str]) -> bool:
    """Whether what is called this may have one. Older clients call an artefact nothing."""
    return (not kind or kind == _ATTESTATION_TYPE or attaches_sbom(kind, annotations)) and OUR_MARK not in annotations


def _is_document(kind: str, layer: Descriptor) -> bool:
    """Whether a layer is an SBOM, by its own type or by that of its artefact."""
    if layer.media_type == IN_TOTO_JSON or (kind == IN_TOTO_JSON and layer.media_type not in READABLE_TYPES):
        predicate = layer.annotations.get(_PREDICATE_TYPE, "")
        return not predicate or predicate.startswith(SBOM_PREDICATES)
    return layer.media_type in READABLE_TYPES or kind in READABLE_TYPES or is_bundle(kind)
