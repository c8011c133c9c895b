"""The data as one file that can be carried to where there is no network.

It is a skippable frame of Zstandard with a manifest in JSON, and one frame with the file of advisories: whoever has `zstd` can
unpack it. The manifest has the SHA-256 of what is packed, which tells a damaged bundle, not a forged one.

Spec: RFC 8878, section 3.1.2 (skippable frames)
"""

import contextlib
import hashlib
import os
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec
import zstandard

from watcher.advisories.tables import FORMAT, SCHEMA, open_read_only
from watcher.model.errors import ConfigurationError, PermanentError
from watcher.model.first_use import known

KIND = "registry-watcher-advisories"
_SKIPPABLE = 0x184D2A50
_HEAD = struct.Struct("<II")
MAX_MANIFEST_BYTES = 64 * 1024
# All of OSV has about 1.5 GB.
MAX_BYTES = 16 * 2**30
CHUNK_BYTES = 2**20
# 1 GB in twenty seconds; what is slower hardly makes it smaller.
LEVEL = 9


class DamagedBundleError(PermanentError):
    """The bundle is not what its manifest says, or none at all."""

    reason = "damaged-bundle"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What is packed: `bytes` and `sha256` of the file of advisories, in which table format it is, and which revision."""

    kind: str
    format: int
    bytes: int
    sha256: str
    revision: str


def export_bundle(source: Path, target: Path, *, replace: bool = False) -> Manifest:
    """Write the data as they are now to `target`, whole or not at all.

    Raises:
        FileNotFoundError: there are no data.
        ConfigurationError: `target` is there and is not to be replaced, or cannot be written; the data cannot be read.
    """
    connection = open_read_only(source)
    ((revision,),) = connection.execute("SELECT value FROM meta WHERE name = 'revision'")
    connection.close()
    part = target.with_name(f".{target.name}.part")
    try:
        if target.exists() and not replace:
            raise ConfigurationError(f"{target}: is there already; --replace takes its place")
        # The file is never changed in place, so what was opened stays what it is.
        with source.open("rb") as opened, part.open("wb") as packed:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
            size = opened.tell()
            manifest = Manifest(kind=KIND, format=FORMAT, bytes=size, sha256=digest, revision=revision)
            head = msgspec.json.encode(manifest)
            packed.write(_HEAD.pack(_SKIPPABLE, len(head)) + head)
            opened.seek(0)
            zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).copy_stream(opened, packed, size=size)
            packed.flush()
            os.fsync(packed.fileno())
        part.replace(target)
    except OSError as error:
        raise ConfigurationError(f"{target}: cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return manifest


def is_bundle(path: Path) -> bool:
    """Whether it begins as one; what is behind may be damaged."""
    try:
        with path.open("rb") as opened:
            return _manifest(opened) is not None
    except (OSError, DamagedBundleError):
        return False


@contextmanager
def opened_bundle(path: Path, folder: Path) -> Iterator[sqlite3.Connection]:
    """What is packed, unpacked into `folder` for as long as the block lasts, and read-only.

    Raises:
        DamagedBundleError: none of it is to be believed.
        ConfigurationError: it is of another version, or cannot be unpacked here.
    """
    unpacked = folder / f".{path.name}.unpacked"
    try:
        with path.open("rb") as opened:
            manifest = _unpack(opened, unpacked, path)
        connection = open_read_only(unpacked)
        try:
            _require_ours(connection, manifest, path)
            yield connection
        except (sqlite3.DatabaseError, msgspec.MsgspecError) as error:
            raise DamagedBundleError(f"{path}: {error!s:.200}") from error
        finally:
            connection.close()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be unpacked: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            unpacked.unlink(missing_ok=True)


def _manifest(opened: IO[bytes]) -> Manifest | None:
    """The manifest at the beginning; None where there is none of ours."""
    head = opened.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    magic, length = _HEAD.unpack(head)
    if magic != _SKIPPABLE or length > MAX_MANIFEST_BYTES:
        return None
    try:
        manifest = msgspec.json.decode(opened.read(length), type=known(Manifest))
    except (msgspec.DecodeError, UnicodeError):
        return None
    return manifest if manifest.kind == KIND else None


def _unpack(opened: IO[bytes], target: Path, path: Path) -> Manifest:
    manifest = _manifest(opened)
    if manifest is None:
        raise DamagedBundleError(f"{path}: no bundle of advisories")
    if manifest.format != FORMAT:
        raise ConfigurationError(f"{path}: a bundle of another version of the watcher; export it again with this one")
    if manifest.bytes > MAX_BYTES:
        raise DamagedBundleError(f"{path}: {manifest.bytes} bytes, at most {MAX_BYTES} are unpacked")
    digest, size = hashlib.sha256(), 0
    try:
        with target.open("wb") as unpacked:
            for chunk in zstandard.ZstdDecompressor().read_to_iter(opened, read_size=CHUNK_BYTES, write_size=CHUNK_BYTES):
                size += len(chunk)
                if size > manifest.bytes:
                    break
                digest.update(chunk)
                unpacked.write(chunk)
    except zstandard.ZstdError as error:
        raise DamagedBundleError(f"{path}: {error!s:.200}") from error
    if size != manifest.bytes or digest.hexdigest() != manifest.sha256:
        raise DamagedBundleError(f"{path}: what is packed is not what its manifest says")
    return manifest


def _require_ours(connection: sqlite3.Connection, manifest: Manifest, path: Path) -> None:
    """The tables are those that we write, and nothing besides: a view or a trigger would run what somebody else wrote."""
    with contextlib.closing(sqlite3.connect(":memory:")) as fresh:
        fresh.executescript(SCHEMA)
        statement = "SELECT type, name, sql FROM sqlite_master ORDER BY name"
        if connection.execute(statement).fetchall() != fresh.execute(statement).fetchall():
            raise DamagedBundleError(f"{path}: other tables than ours")
    if connection.execute("SELECT value FROM meta WHERE name = 'revision'").fetchone() != (manifest.revision,):
        raise DamagedBundleError(f"{path}: another revision than its manifest says")
