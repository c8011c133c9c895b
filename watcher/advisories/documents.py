"""Folders, archives and compressed files, taken apart into documents that each hold the content of one format."""

import gzip
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, cast

from watcher.model.errors import PermanentError

# Unpacked bytes of one document. The largest real ones, the tracker of Debian and lists of lines, have about 100 MB.
MAX_BYTES = 512 * 2**20
# Documents of one archive or folder: all of OSV has 700 000.
MAX_DOCUMENTS = 5_000_000
SUFFIXES = frozenset({".json", ".jsonl", ".ndjson", ".yaml", ".yml", ".toml", ".md", ".csv", ".zip", ".gz"})
_LINES = frozenset({".jsonl", ".ndjson"})


class UnreadableError(PermanentError):
    """A file that cannot be read, or is not what its name says."""

    reason = "unreadable-file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """`name` says where it is from, `as_of` of when it is. `whole`: it is part of an archive that holds all there is."""

    name: str
    content: bytes
    as_of: datetime
    whole: bool = False


def documents(paths: Iterable[Path]) -> Iterator[Document]:
    """All documents below `paths`, in the order of their names.

    Raises:
        UnreadableError: one that was named is not there, or is damaged.
    """
    for path in paths:
        if path.is_dir():
            for file in _files(path):
                yield from _of_file(file)
        else:
            yield from _of_file(path)


def _files(folder: Path) -> Iterator[Path]:
    count = 0
    for parent, folders, names in os.walk(folder):
        # What is hidden is the version control's, not the author's.
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith("."):
                count += 1
                if count > MAX_DOCUMENTS:
                    raise UnreadableError(f"{folder}: more than {MAX_DOCUMENTS} files")
                yield Path(parent, name)


def _of_file(path: Path) -> Iterator[Document]:
    try:
        as_of = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        if path.suffix.lower() == ".zip":
            yield from _of_archive(path, as_of)
            return
        with path.open("rb") as opened:
            packed = opened.read(2) == b"\x1f\x8b"
        with cast("IO[bytes]", gzip.open(path) if packed else path.open("rb")) as opened:
            name = path.with_suffix("") if packed and path.suffix.lower() == ".gz" else path
            if name.suffix.lower() in _LINES:
                yield from _of_lines(opened, str(path), as_of)
            else:
                yield Document(name=str(name), content=_bounded(opened, path), as_of=as_of)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        # zipfile raises the last two for methods it does not know and for what is encrypted.
        raise UnreadableError(f"{path}: {getattr(error, 'strerror', None) or error}") from error


def _of_archive(path: Path, as_of: datetime) -> Iterator[Document]:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) > MAX_DOCUMENTS:
            raise UnreadableError(f"{path}: more than {MAX_DOCUMENTS} members")
        # OSV calls the archive of a whole ecosystem so.
        whole = path.name == "all.zip"
        for member in members:
            if member.is_dir() or Path(member.filename).suffix.lower() not in SUFFIXES - {".zip", ".gz"}:
                continue
            with archive.open(member) as opened:
                yield Document(name=f"{path}/{member.filename}", content=_bounded(opened, path), as_of=as_of, whole=whole)


def _of_lines(opened: IO[bytes], name: str, as_of: datetime) -> Iterator[Document]:
    number = 0
    while line := opened.readline(MAX_BYTES + 1):
        number += 1
        if len(line) > MAX_BYTES:
            raise UnreadableError(f"{name}:{number}: a line of more than {MAX_BYTES} bytes")
        if line.strip():
            yield Document(name=f"{name}:{number}", content=line, as_of=as_of)


def _bounded(opened: IO[bytes], path: Path) -> bytes:
    content = opened.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise UnreadableError(f"{path}: more than {MAX_BYTES} bytes of one document")
    return content
