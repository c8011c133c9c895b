"""What every store needs of a database, and the little that differs between SQLite and PostgreSQL."""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Protocol, TypeVar

import msgspec
import zstandard
from sqlalchemy import Connection, Table, select
from sqlalchemy.dialects import postgresql, sqlite

from watcher.model.first_use import known
from watcher.model.inventory import FileTable

T = TypeVar("T")

# SQLite's limit of variables in a statement is 32 766, but long lists make it choose scans.
IN_LIST = 500
# What msgpack never begins with, and the length of what comes next.
_IN_TABLES, _LENGTH_BYTES = b"\xc1", 4


class Transactions(Protocol):
    """A database: functions of a connection, run in a thread, each in a transaction of its own."""

    async def write(self, run: Callable[[Connection], T]) -> T:
        """After this returns, what `run` did is on disk. Raises RetryableError when nothing of it was kept."""
        ...

    async def read(self, run: Callable[[Connection], T]) -> T:
        """Sees everything that `write` has returned from."""
        ...

    @property
    def in_trouble(self) -> bool:
        """Whether the last that was written failed. Costs nothing to ask."""
        ...


def insert_new(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows, leaving those alone that any unique constraint says are there already.

    Sort rows that other writers may insert too: PostgreSQL takes their locks in this order.
    """
    if rows:
        insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
        connection.execute(insert(table).on_conflict_do_nothing(), list(rows))


def ids_of(connection: Connection, table: Table, digests: Collection[Any]) -> dict[Any, int]:
    """The ids of those rows of `table` whose `digest` is among `digests`."""
    found: dict[Any, int] = {}
    for part in parts(list(digests)):
        rows = connection.execute(select(table.c.digest, table.c.id).where(table.c.digest.in_(part)))
        found.update((digest, number) for digest, number in rows)
    return found


def parts(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """`values` in lists short enough for IN."""
    for start in range(0, len(values), IN_LIST):
        yield values[start : start + IN_LIST]


def pack(value: Any) -> bytes:
    """Msgpack under zstd."""
    return zstandard.compress(msgspec.msgpack.encode(value))


def pack_files(files: FileTable) -> bytes:
    """In short tables, each behind its length, so that neither this nor `unpack_files` keeps the event loop waiting."""
    content = [_IN_TABLES]
    for each in files.slices():
        table = msgspec.msgpack.encode(each)
        content += [len(table).to_bytes(_LENGTH_BYTES, "big"), table]
    # With its size in the frame, as every other blob: whoever opens the store elsewhere unpacks all of them alike.
    packer = zstandard.ZstdCompressor().compressobj(size=sum(map(len, content)))
    return b"".join([*map(packer.compress, content), packer.flush()])


def unpack_files(blob: bytes) -> FileTable:
    """What `pack_files` made, or `pack` before there was that."""
    content = memoryview(zstandard.ZstdDecompressor().decompressobj().decompress(blob))
    if content[:1] != _IN_TABLES:
        return msgspec.msgpack.decode(content, type=known(FileTable))
    return FileTable.joined(_tables(content[1:]))


def _tables(content: memoryview) -> Iterator[FileTable]:
    while content:
        length = int.from_bytes(content[:_LENGTH_BYTES], "big")
        yield msgspec.msgpack.decode(content[_LENGTH_BYTES : _LENGTH_BYTES + length], type=known(FileTable))
        content = content[_LENGTH_BYTES + length :]


def unpack(blob: bytes, kind: type[T]) -> T:
    return msgspec.msgpack.decode(zstandard.decompress(blob), type=known(kind))
