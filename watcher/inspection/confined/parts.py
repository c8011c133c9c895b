"""Cuts what a worker found into messages that are small enough."""

from collections.abc import Iterator
from dataclasses import replace

import msgspec

from watcher.inspection.catalogers.protocol import Facts
from watcher.inspection.confined import tar
from watcher.inspection.confined.tar import Owner
from watcher.inspection.confined.tar_fields import text, texts
from watcher.inspection.workers.messages import MAX_PART_BYTES, Certificates, Database, Notes, Owned, Programs, Rows, Text
from watcher.model import inventory
from watcher.model.certificates import CertificateFile
from watcher.model.inventory import FileList, Note, PackageDatabase, PackageRecord
from watcher.model.slices import slices

Row = tuple[bytes, int, Owner, int, bytes]
"""path, type in the tar, (mode, uid, gid), size, link target"""

KINDS = {
    tar.REGULAR: inventory.FILE,
    tar.DIRECTORY: inventory.DIRECTORY,
    tar.SYMBOLIC_LINK: inventory.SYMLINK,
    tar.HARD_LINK: inventory.HARDLINK,
    tar.CHARACTER: inventory.DEVICE,
    tar.BLOCK_DEVICE: inventory.DEVICE,
    tar.FIFO: inventory.FIFO,
}

# About 150 KB for ordinary paths; entries of 4 KiB each are cut further.
ROWS = 2048
# Executables, of which a path may have 16 KB.
PROGRAMS = 32
# Certificates, each with three texts of 256 characters.
CERTIFICATES = 128
# Characters of a list of files, each of which may be four bytes.
MAX_LIST = MAX_PART_BYTES // 4

_ENCODER = msgspec.msgpack.Encoder()


def row_parts(rows: list[Row]) -> Iterator[Rows]:
    """The rows column by column, in as few messages as they fit in. Each row's type is one of KINDS."""
    paths, types, owners, sizes, links = zip(*rows, strict=True)
    # A byte that is no UTF-8 is written as four characters.
    if len(rows) > 1 and 4 * (sum(map(len, paths)) + sum(map(len, links))) > MAX_PART_BYTES:
        middle = len(rows) // 2
        yield from row_parts(rows[:middle])
        yield from row_parts(rows[middle:])
        return
    modes, uids, gids = zip(*owners, strict=True)
    yield Rows(
        path=texts(paths),
        kind="".join(map(KINDS.__getitem__, types)),
        mode=list(modes),
        uid=list(uids),
        gid=list(gids),
        size=list(sizes),
        link=texts(links),
    )


def database_parts(database: PackageDatabase) -> Iterator[Database]:
    """At least one; `more` in all but the last."""
    part: list[PackageRecord] = []
    size = 0
    for package in database.packages:
        part.append(package)
        size += len(_ENCODER.encode(package))
        if size >= MAX_PART_BYTES:
            yield _database(database, part, more=True)
            part, size = [], 0
    yield _database(database, part, more=False)


def fact_parts(facts: Facts) -> Iterator[Database | Notes | Owned | Certificates]:
    """What a cataloger found in one file, each database in as many messages as it needs; each note is small."""
    for fact in facts:
        if isinstance(fact, PackageDatabase):
            yield from database_parts(fact)
        elif isinstance(fact, Note):
            yield Notes(notes=(fact,))
        elif isinstance(fact, CertificateFile):
            for some in slices(fact.certificates, CERTIFICATES):
                yield Certificates(file=replace(fact, certificates=tuple(some), keys=()))
            for keys in slices(fact.keys, CERTIFICATES):
                yield Certificates(file=replace(fact, certificates=(), keys=tuple(keys)))
        else:
            yield from _owned_parts(fact)


def program_parts(paths: list[bytes]) -> Iterator[Programs]:
    for some in slices(paths, PROGRAMS):
        yield Programs(paths=[*map(text, some)])


def text_parts(path: str, content: bytes) -> Iterator[Text]:
    for first in range(0, max(1, len(content)), MAX_PART_BYTES):
        last = first + MAX_PART_BYTES
        yield Text(path=path, content=content[first:last], more=last < len(content))


def _owned_parts(files: FileList) -> Iterator[Owned]:
    """Cut between lines; each of them is shorter than a message."""
    rest = files.files
    while len(rest) > MAX_LIST:
        end = rest.rfind("\n", 0, MAX_LIST) + 1 or MAX_LIST
        yield Owned(files=replace(files, files=rest[:end]))
        rest = rest[end:]
    yield Owned(files=replace(files, files=rest))


def _database(database: PackageDatabase, packages: list[PackageRecord], *, more: bool) -> Database:
    return Database(
        path=database.path,
        type=database.type,
        system=database.system,
        packages=tuple(packages),
        more=more,
        declared=database.declared,
    )
