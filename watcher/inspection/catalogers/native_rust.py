"""Where a Rust program says of what crates it was built: the section that cargo-auditable has the linker add.

What is in it is found by itself, as in ELF the table of sections is at the end of the file: JSON, compressed by zlib.

Spec: https://github.com/rust-secure-code/cargo-auditable/blob/master/PARSING.md
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from watcher.inspection.catalogers.native_passages import Mark, Passage
from watcher.inspection.catalogers.purl import package_url
from watcher.inspection.catalogers.stanzas import Unread, bounded_text
from watcher.model.inventory import PackageRecord

TYPE = "cargo"

# A header of zlib, and a first block that is stored and has an object, or is compressed: by the usual codes and begins with `{`, or
# by its own, of which there are at most 30 of each kind. In other content one of 70 000 positions looks like it.
COMPRESSED = (
    Mark(rb"x[\x01\x5e\x9c\xda][\x00\x01].{4}\{", 8),
    Mark(rb"x[\x01\x5e\x9c\xda][\xaa\xab].", 4),
    Mark(
        b"x[\\x01\\x5e\\x9c\\xda]["
        + b"".join(b"\\x%02x" % each for each in range(256) if each & 6 == 4 and each >> 3 < 30)
        + b"]["
        + b"".join(b"\\x%02x" % each for each in range(256) if each & 31 < 30)
        + b"]",
        4,
    ),
)

# As many as the codes of a block and its first letters need.
_FIRST_BYTES = 512
_PART_BYTES = 4096
_BEGINS = (b'{"packages":', b'{"format":')
# The largest known program has some 1 500 crates in 200 KB.
_MAX_LIST_BYTES = 4 * 1024 * 1024
_MAX_LISTS = 4


class _Crate(msgspec.Struct):
    name: str
    version: str
    source: str = ""
    kind: str = "runtime"


class _List(msgspec.Struct):
    packages: list[_Crate]


_DECODER = msgspec.json.Decoder(_List)


@dataclass(slots=True)
class RustBuilds:
    """The crates of one executable, and why there may be more."""

    _crates: dict[PackageRecord, None] = field(default_factory=dict)
    _unread: dict[str, None] = field(default_factory=dict)
    _lists: int = 0

    def compressed(self, at: int) -> Passage:  # noqa: ARG002 - as every passage begins
        """What may be a list of crates."""
        stream = zlib.decompressobj()
        part = yield _FIRST_BYTES
        try:
            text = stream.decompress(part, 2 * len(max(_BEGINS)))
            if not text.startswith(_BEGINS):
                return
            self._lists += 1
            if self._lists > _MAX_LISTS:
                self._unread["another list of crates"] = None
                return
            parts = bytearray(text)
            while not stream.eof and len(parts) <= _MAX_LIST_BYTES:
                rest = stream.unconsumed_tail
                if not rest:
                    rest = yield _PART_BYTES
                    if not rest:
                        break
                parts += stream.decompress(rest, 1 + _MAX_LIST_BYTES - len(parts))
        except zlib.error:
            if self._lists:
                self._unread["a list of crates"] = None
            return
        if stream.eof and len(parts) <= _MAX_LIST_BYTES:
            self._listed(bytes(parts))
        else:
            self._unread["a list of crates"] = None

    def records(self) -> Iterator[PackageRecord | Unread]:
        """Each crate once."""
        yield from self._crates
        yield from (Unread(f"{what} of a Rust program was not read") for what in self._unread)

    def _listed(self, text: bytes) -> None:
        try:
            crates = _DECODER.decode(text).packages
        except (msgspec.MsgspecError, ValueError, RecursionError):
            self._unread["a list of crates"] = None
            return
        for crate in crates:
            # What only the build needed is not in the program.
            if crate.kind != "runtime":
                continue
            name, version = bounded_text(crate.name), bounded_text(crate.version)
            if not name or not version:
                self._unread["a crate without a name or a version"] = None
                continue
            record = PackageRecord(
                type=TYPE,
                name=name,
                version=version,
                source=name,
                source_version=version,
                purl=package_url(TYPE, name, version),
            )
            self._crates[record] = None
