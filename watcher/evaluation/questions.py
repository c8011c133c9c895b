"""A case on its way to the process that evaluates it: in pieces, since encoding all of a large one holds the interpreter."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import msgspec

from watcher.evaluation.protocol import Case
from watcher.model.first_use import known
from watcher.model.inventory import FileTable, Package
from watcher.model.slices import slices

_LENGTH_BYTES = 8
_CASE = msgspec.msgpack.Decoder(known(Case))
_FILES = msgspec.msgpack.Decoder(known(FileTable))
_PACKAGES = msgspec.msgpack.Decoder(known(list[Package]))


def encoded(case: Case) -> Sequence[bytes]:
    """The case without its files and packages, then tables of these, then lists of those, and of what is declared; each behind its
    length, and the tables and the first lists behind how many they are.
    """
    return [piece for part in _parts(case) for piece in (len(part).to_bytes(_LENGTH_BYTES, "big"), part)]


def decoded(question: bytes) -> Case:
    """Raises msgspec.MsgspecError for what is no case."""
    parts = _split(memoryview(question))
    case = _CASE.decode(next(parts))
    if case.inventory is None:
        return case
    tables = int.from_bytes(next(parts), "big")
    files = FileTable.joined(_FILES.decode(next(parts)) for _ in range(tables))
    lists = int.from_bytes(next(parts), "big")
    packages = tuple(package for _ in range(lists) for package in _PACKAGES.decode(next(parts)))
    declared = tuple(package for part in parts for package in _PACKAGES.decode(part))
    return replace(case, inventory=replace(case.inventory, files=files, packages=packages, declared=declared))


def _parts(case: Case) -> Iterator[bytes]:
    encode, inventory = msgspec.msgpack.Encoder().encode, case.inventory
    if inventory is None:
        yield encode(case)
        return
    yield encode(replace(case, inventory=replace(inventory, files=FileTable(), packages=(), declared=())))
    tables = list(inventory.files.slices())
    yield len(tables).to_bytes(_LENGTH_BYTES, "big")
    yield from map(encode, tables)
    lists = list(slices(inventory.packages))
    yield len(lists).to_bytes(_LENGTH_BYTES, "big")
    yield from map(encode, lists)
    yield from map(encode, slices(inventory.declared))


def _split(content: memoryview) -> Iterator[memoryview]:
    while content:
        end = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "big")
        yield content[_LENGTH_BYTES:end]
        content = content[end:]
