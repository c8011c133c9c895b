"""Databases of hyperscan: compiled once, then read back from where Python keeps byte code.

Compiling all that a layer is searched for takes a fifth of a second, a third of what it takes until a first layer can be read;
reading it back takes less than a millisecond. What is kept is trusted as byte code is: whoever may write the one may write the
other. Where Python writes no byte code, or cannot, it is compiled every time.
"""

import contextlib
import hashlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import hyperscan

Expression = tuple[int, bytes, int]
"""What a match is told by, the expression, flags (HS_FLAG_…)"""


def compiled(mode: int, expressions: Sequence[Expression]) -> hyperscan.Database:
    """A database of all of them. `mode` is HS_MODE_STREAM or HS_MODE_BLOCK."""
    ids, patterns, flags = zip(*expressions, strict=True)
    database = hyperscan.Database(mode=mode)
    database.compile(expressions=patterns, ids=ids, elements=len(ids), flags=flags)
    return database


def kept(name: str, mode: int, expressions: Sequence[Expression]) -> hyperscan.Database:
    """As `compiled`; the next process that asks for the same under this name reads it back."""
    path = Path(importlib.util.cache_from_source(__file__)).with_name(f"{name}.hsdb")
    key = hashlib.sha256(f"{mode} {expressions!r}".encode()).digest()
    with contextlib.suppress(OSError, hyperscan.error):  # none there; or damaged, or made for another processor
        raw = path.read_bytes()
        if raw.startswith(key):
            database = hyperscan.loadb(raw[len(key) :], mode)
            database.scratch = hyperscan.Scratch(database)
            return database
    database = compiled(mode, expressions)
    if not sys.dont_write_bytecode:
        with contextlib.suppress(OSError):  # only the next start is slower for it
            _write(path, key + hyperscan.dumpb(database))
    return database


def _write(path: Path, raw: bytes) -> None:
    """All of it or nothing, whoever else writes there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}-{uuid4().hex[:8]}")
    try:
        beside.write_bytes(raw)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
