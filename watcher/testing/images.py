"""Small images built in memory, always with the same digests, and pushed where they are wanted.

Nothing here comes from the network: the demo and the tests build what they judge.
"""

import gzip
import io
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
import zstandard

from watcher.model.digest import Digest, digest_of
from watcher.model.image import DOCKER_CONFIG, DOCKER_LIST, DOCKER_MANIFEST, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST
from watcher.model.reference import RepositoryName, Tag
from watcher.registry.protocol import Uploads
from watcher.testing.registry import MemoryRegistry

Compression = Literal["gzip", "zstd", "none"]
_SUFFIX = {"gzip": "+gzip", "zstd": "+zstd", "none": ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One member of a layer. `link` makes it a symbolic link, `directory` a directory; else it is a file with `content`."""

    content: bytes = b""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    link: str | None = None
    directory: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """`raw` is what a registry stores; `diff_id` the digest of the tar inside it."""

    raw: bytes = field(repr=False)
    diff_id: Digest
    compression: Compression = "gzip"

    @property
    def digest(self) -> Digest:
        return digest_of(self.raw)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltImage:
    """A manifest or an index with everything under it."""

    media_type: str
    raw: bytes = field(repr=False)
    blobs: Mapping[Digest, bytes] = field(default_factory=dict, repr=False)
    children: tuple["BuiltImage", ...] = ()
    platform: str = "linux/amd64"

    @property
    def digest(self) -> Digest:
        return digest_of(self.raw)


def build_layer(files: Mapping[str, bytes | str | Entry], *, compression: Compression = "gzip") -> Layer:
    """A layer of `path: content`, in the order given; parent directories are not invented. Times and owners are zero."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, value in files.items():
            text = value.encode() if isinstance(value, str) else value
            entry = text if isinstance(text, Entry) else Entry(content=text)
            member = tarfile.TarInfo(path.strip("/"))
            member.mode, member.uid, member.gid, member.size = entry.mode, entry.uid, entry.gid, len(entry.content)
            if entry.link is not None:
                member.type, member.linkname, member.size = tarfile.SYMTYPE, entry.link, 0
            elif entry.directory:
                member.type, member.size = tarfile.DIRTYPE, 0
            archive.addfile(member, io.BytesIO(entry.content))
    plain = buffer.getvalue()
    packed = {"gzip": lambda: gzip.compress(plain, mtime=0), "zstd": lambda: zstandard.compress(plain), "none": lambda: plain}
    return Layer(raw=packed[compression](), diff_id=digest_of(plain), compression=compression)


def build_image(
    layers: Sequence[Layer] = (),
    *,
    config: Mapping[str, Any] | None = None,
    history: Sequence[Mapping[str, Any]] = (),
    annotations: Mapping[str, str] | None = None,
    platform: str = "linux/amd64",
    docker: bool = False,
) -> BuiltImage:
    """An image of `layers`, base first. `config` is the runtime part (`User`, `Env`, …); `docker` makes it schema 2."""
    system, architecture = platform.split("/")[:2]
    body: dict[str, Any] = {"architecture": architecture, "os": system, "created": "2026-01-01T00:00:00Z"}
    body["config"] = dict(config or {})
    body["rootfs"] = {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]}
    if history:
        body["history"] = [dict(step) for step in history]
    config_raw = _json(body)
    prefix = "application/vnd.docker.image.rootfs.diff.tar" if docker else "application/vnd.oci.image.layer.v1.tar"
    described = []
    for layer in layers:
        suffix = _SUFFIX[layer.compression].replace("+", ".") if docker else _SUFFIX[layer.compression]
        described.append(_descriptor(prefix + suffix, layer.raw))
    manifest: dict[str, Any] = {"schemaVersion": 2, "mediaType": DOCKER_MANIFEST if docker else OCI_MANIFEST}
    manifest["config"] = _descriptor(DOCKER_CONFIG if docker else OCI_CONFIG, config_raw)
    manifest["layers"] = described
    if annotations:
        manifest["annotations"] = dict(annotations)
    blobs = {digest_of(config_raw): config_raw, **{layer.digest: layer.raw for layer in layers}}
    return BuiltImage(media_type=manifest["mediaType"], raw=_json(manifest), blobs=blobs, platform=platform)


def build_index(images: Sequence[BuiltImage], *, docker: bool = False) -> BuiltImage:
    """An index over `images`, each under its own platform."""
    entries = []
    for image in images:
        names = ("os", "architecture", "variant")
        platform = dict(zip(names, image.platform.split("/"), strict=False))
        entries.append({**_descriptor(image.media_type, image.raw), "platform": platform})
    media_type = DOCKER_LIST if docker else OCI_INDEX
    raw = _json({"schemaVersion": 2, "mediaType": media_type, "manifests": entries})
    return BuiltImage(media_type=media_type, raw=raw, children=tuple(images))


def put_image(registry: MemoryRegistry, repository: str, image: BuiltImage, tag: str | None = None) -> Digest:
    """Put an image straight into a registry in memory: no request, no event."""
    held = registry.content.writable(repository)
    for child in image.children:
        put_image(registry, repository, child)
    for digest, content in image.blobs.items():
        held.put_blob(content, digest)
    return held.put_manifest(image.raw, image.media_type, tag or image.digest).digest


async def push_image(uploads: Uploads, repository: RepositoryName, image: BuiltImage, tag: Tag | None = None) -> Digest:
    """Push over HTTP as any client does: blobs, children by digest, then the manifest under `tag`, or its digest without one."""
    for child in image.children:
        await push_image(uploads, repository, child)
    for content in image.blobs.values():
        await uploads.put_blob(repository, content)
    await uploads.put_manifest(repository, tag or image.digest, image.raw, image.media_type)
    return image.digest


def _descriptor(media_type: str, raw: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(raw), "size": len(raw)}


def _json(body: object) -> bytes:
    return msgspec.json.encode(body)
