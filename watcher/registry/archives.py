"""Files of a layout, in a directory or inside a tar, and the manifest that a `docker save` archive does not have.

Blocking; runs in threads. Archives come from anywhere: members are counted, links stay inside, nothing is unpacked.
"""

import hashlib
import os
import posixpath
import stat
import tarfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import msgspec

from watcher.kit.counted import counted
from watcher.model.digest import Digest, digest_of, parse_digest
from watcher.model.errors import ConfigurationError, InvalidManifestError, InvalidReferenceError, NotFoundError, TooLargeError
from watcher.model.image import (
    DOCKER_CONFIG,
    DOCKER_MANIFEST,
    MAX_CONFIG_BYTES,
    MAX_LAYERS,
    FetchedManifest,
)
from watcher.model.image_json import parse_config, parse_manifest
from watcher.model.one_reading import LISTING, read_value
from watcher.model.reference import parse_reference

# An image of 512 layers has three members a layer; this leaves room for a dozen such images in one archive.
MAX_MEMBERS = 20_000
MAX_LINKS = 4
MAX_LISTING_BYTES = 4 * 1024 * 1024
READ_BYTES = 1024 * 1024

_MAGIC = ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"BZh", "bzip2"), (b"\xfd7zXZ", "xz"))
_LAYER_TYPE = "application/vnd.docker.image.rootfs.diff.tar"


class Region:
    """A part of an open file: close it, or use it as a context manager."""

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor, self._offset, self.size = descriptor, 0, size

    def narrow(self, offset: int, size: int) -> None:
        self._offset, self.size = offset, size

    def read_into(self, buffer: memoryview, position: int) -> int:
        """Fill `buffer` from `position` of the region; how many bytes that was, 0 at its end or the file's."""
        left = min(len(buffer), self.size - position)
        return os.preadv(self._descriptor, [buffer[:left]], self._offset + position) if left > 0 else 0

    def read(self) -> bytes:
        return os.pread(self._descriptor, self.size, self._offset)

    def close(self) -> None:
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class Files(Protocol):
    """Where the files of a layout are."""

    def open(self, path: str) -> Region | None:
        """None when there is no such regular file. Raises InvalidManifestError when it is there and cannot be read."""
        ...


class Folder:
    """A directory. Links are followed: what they lead to is verified by its digest like everything else."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def open(self, path: str) -> Region | None:
        return _open_file(self._root / path)


class Archive:
    """An uncompressed tar, indexed once. The last member of a name counts, as tar has it."""

    def __init__(self, path: Path, where: str) -> None:
        self._path = path
        self._members: dict[str, tarfile.TarInfo] = {}
        try:
            with tarfile.open(path, "r:") as archive:
                for member in archive:
                    if len(self._members) >= MAX_MEMBERS:
                        raise InvalidManifestError(f"{where}: more than {MAX_MEMBERS} members")
                    self._members[posixpath.normpath(member.name)] = member
        except OSError as error:
            raise ConfigurationError(f"{where}: cannot be read: {error.strerror}") from error
        except (tarfile.TarError, ValueError, OverflowError) as error:
            packing = _sniff_file(path)
            found = f"it is compressed with {packing}; unpack that first" if packing else "it is no tar, or damaged"
            raise InvalidManifestError(f"{where}: {found}") from error

    def open(self, path: str) -> Region | None:
        member = self._members.get(posixpath.normpath(path))
        for _ in range(MAX_LINKS):
            if member is None or not (member.issym() or member.islnk()):
                break
            folder = posixpath.dirname(member.name) if member.issym() else ""
            member = self._members.get(posixpath.normpath(posixpath.join(folder, member.linkname)))
        if member is None or not member.isreg() or member.issparse():
            return None
        region = _open_file(self._path)
        if region is None:
            raise NotFoundError(f"{self._path}: is gone")
        if region.size < member.offset_data + member.size:
            region.close()
            raise InvalidManifestError(f"{self._path}: ends inside {path}")
        region.narrow(member.offset_data, member.size)
        return region


def synthesize(files: Files, name: str | None, where: str) -> tuple[FetchedManifest, Mapping[Digest, str]]:
    """The schema 2 manifest that the image of a `docker save` archive would have, and where its blobs lie.

    Layers of such archives are plain tars, so their digests are the configuration's diff ids, and verified as such when they
    are read; layers that are compressed are hashed here.

    Raises:
        ConfigurationError, NotFoundError: as `open_local`. InvalidManifestError: damaged.
    """
    listing = _json(files, "manifest.json", where)
    try:
        chosen = _choose(listing, name, where)
        config_path, layer_paths = str(chosen["Config"]), [str(path) for path in chosen.get("Layers") or []]
    except (KeyError, TypeError, AttributeError) as error:
        raise InvalidManifestError(f"{where}: manifest.json is not docker's") from error
    config_raw = _read(files, config_path, MAX_CONFIG_BYTES, where)
    diff_ids = parse_config(config_raw).diff_ids
    if len(diff_ids) != len(layer_paths) or len(layer_paths) > MAX_LAYERS:
        found = f"{counted(len(layer_paths), 'layer')} and {counted(len(diff_ids), 'diff id')}"
        raise InvalidManifestError(f"{where}: {found}; expected as many of one as of the other, at most {MAX_LAYERS}")
    config_digest = digest_of(config_raw)
    paths, layers = {config_digest: config_path}, []
    for path, diff_id in zip(layer_paths, diff_ids, strict=True):
        digest, size, packing = _layer(files, path, diff_id, where)
        paths[digest] = path
        layers.append({"mediaType": f"{_LAYER_TYPE}.{packing}" if packing else _LAYER_TYPE, "size": size, "digest": digest})
    config = {"mediaType": DOCKER_CONFIG, "size": len(config_raw), "digest": config_digest}
    raw = msgspec.json.encode({"schemaVersion": 2, "mediaType": DOCKER_MANIFEST, "config": config, "layers": layers})
    content = parse_manifest(raw, DOCKER_MANIFEST)
    return FetchedManifest(digest=digest_of(raw), media_type=DOCKER_MANIFEST, raw=raw, content=content), paths


def _layer(files: Files, path: str, diff_id: str, where: str) -> tuple[Digest, int, str]:
    region = files.open(path)
    if region is None:
        raise NotFoundError(f"{where}: has no {path}")
    with region:
        buffer = memoryview(bytearray(READ_BYTES))
        packing = _sniff(bytes(buffer[: region.read_into(buffer[:8], 0)]))
        if not packing:
            try:
                return parse_digest(diff_id), region.size, ""
            except InvalidReferenceError as error:
                raise InvalidManifestError(f"{where}: diff id {diff_id!r:.100} is no digest") from error
        digest, position = hashlib.sha256(), 0
        while count := region.read_into(buffer, position):
            digest.update(buffer[:count])
            position += count
        return Digest(f"sha256:{digest.hexdigest()}"), region.size, packing


def _choose(listing: Any, name: str | None, where: str) -> Mapping[str, Any]:
    names = [tag for entry in listing for tag in entry.get("RepoTags") or []]
    if name is None:
        if len(listing) == 1:
            only: Mapping[str, Any] = listing[0]
            return only
        shown = ", ".join(str(tag) for tag in names[:10]) or "none has a name"
        raise ConfigurationError(f"{where}: holds {len(listing)} images, name one ({where}:NAME): {shown}")
    for entry in listing:
        if any(_same(name, tag) for tag in entry.get("RepoTags") or []):
            found: Mapping[str, Any] = entry
            return found
    raise NotFoundError(f"{where}: has no image named {name!r:.100}")


def _same(asked: str, tag: str) -> bool:
    """Whether two names mean one image: `alpine` is `docker.io/library/alpine:latest`."""
    try:
        return asked == tag or parse_reference(asked) == parse_reference(tag)
    except InvalidReferenceError:
        return False


def _json(files: Files, path: str, where: str) -> Any:
    return read_value(_read(files, path, MAX_LISTING_BYTES, where), f"{where}: {path}", LISTING)


def _read(files: Files, path: str, limit_bytes: int, where: str) -> bytes:
    region = files.open(path)
    if region is None:
        raise InvalidManifestError(f"{where}: has no {path}")
    with region:
        if region.size > limit_bytes:
            raise TooLargeError(f"{where}: {path} has {region.size} bytes, at most {limit_bytes} are read")
        return region.read()


def _sniff(start: bytes) -> str:
    return next((packing for magic, packing in _MAGIC if start.startswith(magic)), "")


def _sniff_file(path: Path) -> str:
    with path.open("rb") as file:
        return _sniff(file.read(8))


def _open_file(path: Path) -> Region | None:
    """None for what is not there and for what is no regular file: a FIFO would never end."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise InvalidManifestError(f"{path}: cannot be read: {error.strerror}") from error
    state = os.fstat(descriptor)
    if not stat.S_ISREG(state.st_mode):
        os.close(descriptor)
        return None
    return Region(descriptor, state.st_size)
