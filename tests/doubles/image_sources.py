"""Images in memory as an `ImageSource`, poured as a registry's are, and tars of whatever shape a test needs."""

import asyncio
import gzip
import io
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from watcher.inspection.workers.messages import Limits
from watcher.model.digest import Digest, digest_of, is_digest
from watcher.model.errors import DigestMismatchError, NotFoundError, TooLargeError
from watcher.model.image import Descriptor, FetchedManifest
from watcher.model.image_json import parse_manifest
from watcher.model.reference import Reference, RepositoryName, Tag
from watcher.registry.pipes import Sink, Stop, run_transfer
from watcher.testing.images import BuiltImage

REPOSITORY = RepositoryName("team/app")
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
LIMITS = Limits(plain_bytes=1 << 30, files=100_000, memory_bytes=1 << 28, cpu_seconds=20)


@dataclass(slots=True)
class MemoryImages:
    """`poured` counts how often each blob was asked for; `lies` replaces the bytes that are really there.

    Nothing is poured while `go` is clear.
    """

    repository: RepositoryName = REPOSITORY
    blobs: dict[Digest, bytes] = field(default_factory=dict)
    media_types: dict[Digest, str] = field(default_factory=dict)
    tags: dict[Tag, Digest] = field(default_factory=dict)
    poured: list[Digest] = field(default_factory=list)
    lies: dict[Digest, bytes] = field(default_factory=dict)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.go.set()

    def add(self, image: BuiltImage, tag: Tag | None = None) -> FetchedManifest:
        if tag is not None:
            self.tags[tag] = image.digest
        self.blobs.update(image.blobs)
        self.blobs[image.digest] = image.raw
        self.media_types[image.digest] = image.media_type
        for child in image.children:
            self.add(child)
        return FetchedManifest(
            digest=image.digest, media_type=image.media_type, raw=image.raw, content=parse_manifest(image.raw, image.media_type)
        )

    def add_layer(self, raw: bytes, media_type: str = LAYER_TYPE) -> Descriptor:
        digest = digest_of(raw)
        self.blobs[digest] = raw
        return Descriptor(media_type=media_type, digest=digest, size=len(raw))

    async def manifest(self, reference: Tag | Digest) -> FetchedManifest:
        digest = Digest(reference) if is_digest(reference) else self.tags.get(Tag(reference))
        if digest not in self.media_types:
            raise NotFoundError(f"{self.repository} {reference}")
        raw, media_type = self.blobs[digest], self.media_types[digest]
        return FetchedManifest(digest=digest, media_type=media_type, raw=raw, content=parse_manifest(raw, media_type))

    async def blob(self, descriptor: Descriptor, *, limit_bytes: int) -> bytes:
        raw = self._stored(descriptor)
        if len(raw) > limit_bytes:
            raise TooLargeError(f"{self.repository} blob {descriptor.digest}: {len(raw)} bytes")
        _verify(raw, descriptor)
        return raw

    async def referrers(self, digest: Digest) -> Sequence[Descriptor]:
        manifests = [await self.manifest(each) for each in self.media_types]
        return [
            Descriptor(
                media_type=each.media_type,
                digest=each.digest,
                size=len(each.raw),
                artifact_type=each.content.artifact_type,
                annotations=each.content.annotations,
            )
            for each in manifests
            if each.content.subject == digest
        ]

    async def pour(self, descriptor: Descriptor, sink: int, *, timeout_seconds: float) -> None:
        self.poured.append(descriptor.digest)
        await self.go.wait()
        raw = self._stored(descriptor)

        def work(stop: Stop, pipe: Sink) -> None:
            for first in range(0, len(raw), 65536):
                stop.check()
                pipe.write(memoryview(raw[first : first + 65536]))
            _verify(raw, descriptor)

        await run_transfer(work, sink, what=descriptor.digest, timeout_seconds=timeout_seconds)

    def _stored(self, descriptor: Descriptor) -> bytes:
        if descriptor.digest not in self.blobs:
            raise NotFoundError(f"{self.repository} blob {descriptor.digest}")
        return self.lies.get(descriptor.digest, self.blobs[descriptor.digest])


def _verify(raw: bytes, descriptor: Descriptor) -> None:
    if len(raw) != descriptor.size or digest_of(raw) != descriptor.digest:
        raise DigestMismatchError(f"{descriptor.digest}: other bytes")


@dataclass(slots=True)
class MemoryBases:
    """`KnownBases`: `seen` are images in the order they were seen, each by its layers."""

    seen: list[tuple[Sequence[Digest], Reference]] = field(default_factory=list)

    async def bases(
        self, layers: Sequence[Digest], of_image: Digest | None = None, *, even_later: bool = False
    ) -> Sequence[tuple[int, Reference]]:
        found: list[tuple[int, Reference]] = []
        before = True
        for own, reference in self.seen:
            before = before and reference.digest != of_image
            counts = of_image is not None and reference.digest != of_image and (before or even_later)
            at_most = len(layers) if counts else len(layers) - 1
            if 0 < len(own) <= at_most and [*own] == [*layers[: len(own)]]:
                found.append((len(own), reference))
        return sorted(found, key=lambda base: -base[0])


def tar_of(*members: tarfile.TarInfo | tuple[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar of `(path, content)` files and of members without content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for each in members:
            if isinstance(each, tarfile.TarInfo):
                archive.addfile(each)
            else:
                member = tarfile.TarInfo(each[0])
                member.size = len(each[1])
                archive.addfile(member, io.BytesIO(each[1]))
    return buffer.getvalue()


def entry(path: str, kind: bytes, link: str = "", mode: int = 0o755) -> tarfile.TarInfo:
    """A member that has no content: a link, a directory, a device."""
    member = tarfile.TarInfo(path)
    member.type, member.linkname, member.mode = kind, link, mode
    return member


def gzipped(plain: bytes) -> bytes:
    return gzip.compress(plain, mtime=0)


def layer_tar(files: Mapping[str, bytes]) -> bytes:
    return gzipped(tar_of(*files.items()))
