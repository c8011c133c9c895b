"""Images in files: OCI layouts as directories or archives, and `docker save` archives, for `watcher scan`.

Nothing is unpacked; blobs are read where they lie. Everything is verified as if it came from a registry.

Spec: OCI image-spec v1.1 "Image Layout Specification"; names after the colon as in containers-transports(5).
"""

import asyncio
import contextlib
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from watcher.kit.counted import counted
from watcher.model.digest import Digest, digest_as, is_digest
from watcher.model.errors import (
    ConfigurationError,
    DigestMismatchError,
    InvalidManifestError,
    NotAManifestError,
    NotFoundError,
    PermanentError,
    TooLargeError,
)
from watcher.model.image import (
    MANIFEST_TYPES,
    MAX_MANIFEST_BYTES,
    OCI_INDEX,
    Descriptor,
    FetchedManifest,
    Index,
    Manifest,
)
from watcher.model.image_json import parse_manifest
from watcher.model.reference import RepositoryName, Tag, parse_repository
from watcher.registry.archives import Archive, Files, Folder, Region, synthesize
from watcher.registry.pipes import CHUNK_BYTES, Sink, Stop, run_transfer

LocalKind = Literal["oci", "oci-archive", "docker-archive"]
_KINDS: tuple[LocalKind, ...] = ("oci", "oci-archive", "docker-archive")
REF_NAME = "org.opencontainers.image.ref.name"
# Of so many entries of a layout it is looked whether they are attached to another.
MAX_LISTED = 100
# So many names are shown when one has to be chosen.
NAMES_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalImage:
    """`oci:DIR[:NAME]`, `oci-archive:FILE[:NAME]` or `docker-archive:FILE[:NAME]`."""

    kind: LocalKind
    path: Path
    name: str | None = None

    @property
    def repository(self) -> RepositoryName:
        """A valid name made from that of the file or directory."""
        name = self.path.resolve().name.lower()
        if self.kind != "oci":
            name = re.sub(r"\.(tar|tar\.gz|tgz)$", "", name)
        words = re.findall(r"[a-z0-9]+", name)
        return parse_repository("-".join(words)[:200].strip("-") or "image")

    def __str__(self) -> str:
        return f"{self.kind}:{self.path}" + (f":{self.name}" if self.name else "")


def parse_local(text: str) -> LocalImage | None:
    """None when `text` is no local image but a reference. The path ends at the first colon, as with skopeo.

    Raises:
        ConfigurationError: no path.
    """
    kind, colon, rest = text.partition(":")
    matched = next((known for known in _KINDS if known == kind), None)
    if not colon or matched is None:
        return None
    path, _, name = rest.partition(":")
    if not path:
        raise ConfigurationError(f"{text}: expected {matched}:PATH[:NAME]")
    return LocalImage(kind=matched, path=Path(path), name=name or None)


async def open_local(image: LocalImage) -> "LocalImages":
    """Find the image and read what says where its parts lie.

    Raises:
        ConfigurationError: nothing there, not of that kind, or several images and none named; the text lists the names.
        NotFoundError: no image of that name. InvalidManifestError: damaged.
    """
    return await asyncio.to_thread(_open, image)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalImages:
    """`ImageSource` over one local image; `root` is the manifest or index that was named, `listed` is everything beside it."""

    root: Digest
    repository: RepositoryName
    where: str
    files: Files
    listed: Sequence[Descriptor] = ()
    paths: Mapping[Digest, str] = field(default_factory=dict)
    synthesized: FetchedManifest | None = None

    async def manifest(self, reference: Tag | Digest) -> FetchedManifest:
        """A tag means `root`, whatever it says. See `ImageSource.manifest`."""
        digest = Digest(reference) if is_digest(reference) else self.root
        if self.synthesized is not None and digest == self.synthesized.digest:
            return self.synthesized
        try:
            raw = await asyncio.to_thread(self._read, digest, MAX_MANIFEST_BYTES)
        except TooLargeError as error:
            raise NotAManifestError(str(error)) from error
        content = parse_manifest(raw, next((each.media_type for each in self.listed if each.digest == digest), ""))
        return FetchedManifest(digest=digest, media_type=content.media_type, raw=raw, content=content)

    async def blob(self, descriptor: Descriptor, *, limit_bytes: int) -> bytes:
        """See `ImageSource.blob`."""
        raw = await asyncio.to_thread(self._read, descriptor.digest, limit_bytes)
        if len(raw) != descriptor.size:
            raise self._wrong_size(descriptor, len(raw))
        return raw

    async def referrers(self, digest: Digest) -> Sequence[Descriptor]:
        """Those that the layout lists beside the image, as tools write them that copy an image with all that is attached to it."""
        found = []
        for entry in self.listed[:MAX_LISTED]:
            if entry.digest == digest or entry.media_type not in MANIFEST_TYPES:
                continue
            with contextlib.suppress(PermanentError):  # what is damaged, or was left out, says nothing of others
                manifest = (await self.manifest(entry.digest)).content
                if isinstance(manifest, Manifest) and manifest.subject == digest:
                    found.append(replace(entry, artifact_type=manifest.kind, annotations=manifest.annotations))
        return found

    async def pour(self, descriptor: Descriptor, sink: int, *, timeout_seconds: float) -> None:
        """See `ImageSource.pour`."""

        def work(stop: Stop, pipe: Sink) -> None:
            digest = hashlib.new(descriptor.digest.partition(":")[0])
            with self._region(descriptor.digest) as region:
                if region.size != descriptor.size:
                    raise self._wrong_size(descriptor, region.size)
                buffer, position = memoryview(bytearray(CHUNK_BYTES)), 0
                while count := region.read_into(buffer, position):
                    stop.check()
                    digest.update(buffer[:count])
                    pipe.write(buffer[:count])
                    position += count
            if f"{digest.name}:{digest.hexdigest()}" != descriptor.digest:
                raise DigestMismatchError(f"{self.where} blob {descriptor.digest}: it holds {digest.name}:{digest.hexdigest()}")

        await run_transfer(work, sink, what=f"{self.where} blob {descriptor.digest}", timeout_seconds=timeout_seconds)

    def _region(self, digest: Digest) -> Region:
        algorithm, _, encoded = digest.partition(":")
        region = self.files.open(self.paths.get(digest) or f"blobs/{algorithm}/{encoded}")
        if region is None:
            raise NotFoundError(f"{self.where}: has no blob {digest}")
        return region

    def _read(self, digest: Digest, limit_bytes: int) -> bytes:
        with self._region(digest) as region:
            if region.size > limit_bytes:
                raise TooLargeError(f"{self.where} blob {digest}: {region.size} bytes, at most {limit_bytes} are read")
            raw = region.read()
        if digest_as(raw, digest) != digest:
            raise DigestMismatchError(f"{self.where} blob {digest}: it holds {digest_as(raw, digest)}")
        return raw

    def _wrong_size(self, descriptor: Descriptor, found: int) -> DigestMismatchError:
        return DigestMismatchError(
            f"{self.where} blob {descriptor.digest}: {counted(found, 'byte')}, the manifest says {descriptor.size}"
        )


def _open(image: LocalImage) -> LocalImages:
    where = f"{image.kind}:{image.path}"
    if not image.path.exists():
        raise ConfigurationError(f"{where}: no such {'directory' if image.kind == 'oci' else 'file'}")
    if (image.kind == "oci") != image.path.is_dir():
        expected = "a directory; for a file write oci-archive:" if image.kind == "oci" else "a file; for a directory write oci:"
        raise ConfigurationError(f"{where}: expected {expected}")
    files: Files = Folder(image.path) if image.kind == "oci" else Archive(image.path, where)
    if image.kind == "docker-archive":
        manifest, paths = synthesize(files, image.name, where)
        return LocalImages(
            root=manifest.digest, repository=image.repository, where=where, files=files, paths=paths, synthesized=manifest
        )
    region = files.open("index.json")
    if region is None:
        raise ConfigurationError(f"{where}: has no index.json, so it is no OCI layout")
    with region:
        if region.size > MAX_MANIFEST_BYTES:
            raise InvalidManifestError(f"{where}: index.json has {region.size} bytes, at most {MAX_MANIFEST_BYTES} are read")
        index = parse_manifest(region.read(), OCI_INDEX)
    if not isinstance(index, Index):
        raise InvalidManifestError(f"{where}: index.json is not an image index")
    chosen = _choose(index, image.name, where)
    return LocalImages(root=chosen.digest, repository=image.repository, where=where, files=files, listed=index.manifests)


def _choose(index: Index, name: str | None, where: str) -> Descriptor:
    if name is None:
        digests = {entry.digest for entry in index.manifests}
        if len(digests) == 1:
            return index.manifests[0]
        names = sorted(filter(None, (entry.annotations.get(REF_NAME) for entry in index.manifests)))
        shown = ", ".join(names[:NAMES_SHOWN]) + (", …" if len(names) > NAMES_SHOWN else "")
        raise ConfigurationError(f"{where}: holds {len(digests)} images, name one ({where}:NAME): {shown or 'none has a name'}")
    # A layout may hold one name twice; the last entry is the newest.
    for entry in reversed(index.manifests):
        if name in {entry.annotations.get(REF_NAME), entry.digest}:
            return entry
    raise NotFoundError(f"{where}: has no image named {name!r:.100}")
