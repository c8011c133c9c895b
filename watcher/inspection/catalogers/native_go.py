"""Where Go's linker says of what an executable was built: the build information, in both of its forms.

Since Go 1.18 its texts follow the mark. Before, pointers do, to texts that lie before it in the file: what may be the release of Go
is noted as it comes by, and what modules it is made of has marks of its own.

Spec: debug/buildinfo and cmd/go/internal/modload of Go.
"""

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Literal

from watcher.inspection.catalogers.native_go_addresses import offset_of
from watcher.inspection.catalogers.native_go_modules import packages_of
from watcher.inspection.catalogers.native_passages import Passage
from watcher.inspection.catalogers.stanzas import Unread
from watcher.model.inventory import PackageRecord

BUILD_INFO = b"\xff Go buildinf:"
# What the list of modules is framed by, infoStart and infoEnd of Go's own loader.
MODULES = bytes.fromhex("3077af0c9274080241e1c107e6d618e6")
_MODULES_END = bytes.fromhex("f932433186182072008242104116d8f2")
# How the release of Go begins: `go1.16.5`, `devel +1a2b3c4`.
RELEASES = (b"go1.", b"devel ")

_HEADER_BYTES = 32
_INLINE, _BIG_ENDIAN = 2, 1
_RELEASE = re.compile(rb"(?:go[0-9]|devel )[ -~]*")
# Whole, whatever text lies behind it.
_PATCHED = re.compile(rb"go1\.[0-9]{1,3}\.[0-9]{1,3}(?![0-9])")
_MAX_RELEASE_BYTES = 256
# As long as releases were when there were pointers to them.
_NOTED_BYTES = 96

# Kubernetes has some 60 KB.
_MAX_MODULES_BYTES = 512 * 1024
_PART_BYTES = 4096
# Since Go 1.18 a list is there twice; an executable that has others in it as its data has more. As many fill 24 MiB.
_MAX_LISTS = 48
# Some hundred are in an executable of old Go that has all of Go's sources' names in it.
_MAX_NOTED = 8192


@dataclass(slots=True, kw_only=True)
class GoBuilds:
    """What was seen of builds in one executable, of which `start` are the first bytes.

    `_releases` are texts that may be a release, by where they are; `_pointed` where a build information of the old form says that
    its release is, and how long; `_inline` are lists of modules with their release, `_framed` lists that were found by their frame.
    """

    start: bytearray
    _releases: dict[int, bytes] = field(default_factory=dict)
    _pointed: list[tuple[int, int]] = field(default_factory=list)
    _inline: dict[tuple[bytes, bytes], None] = field(default_factory=dict)
    _framed: dict[bytes, None] = field(default_factory=dict)
    _lists: int = 0
    _unread: list[str] = field(default_factory=list)

    def build_info(self, at: int) -> Passage:
        """A build information, or the mark in the code of a program that looks for it."""
        header = yield _HEADER_BYTES
        if len(header) < _HEADER_BYTES:
            return
        if header[15] & _INLINE:
            yield from self._texts()
            return
        size = header[14]
        if size not in (4, 8):
            return
        order: Literal["big", "little"] = "big" if header[15] & _BIG_ENDIAN else "little"
        release = offset_of(self.start, int.from_bytes(header[16 : 16 + size], order))
        if release is None:
            return
        between = release - at - _HEADER_BYTES
        if between < 0:
            self._unread.append("the release of Go")
            return
        if between:
            yield -between
        text = yield 2 * size
        if len(text) == 2 * size:
            first = offset_of(self.start, int.from_bytes(text[:size], order))
            length = int.from_bytes(text[size:], order)
            if first is not None and len(self._pointed) < _MAX_LISTS:
                self._pointed.append((first, length))

    def modules(self, at: int) -> Passage:  # noqa: ARG002 - as every passage begins
        """A list of modules, by its frame."""
        if not self._has_room():
            return
        yield -len(MODULES)
        text = bytearray()
        while len(text) < _MAX_MODULES_BYTES:
            searched = max(0, len(text) - len(_MODULES_END))
            part = yield _PART_BYTES
            text += part
            end = text.find(_MODULES_END, searched)
            if end >= 0:
                self._framed[bytes(text[:end])] = None
                return
            if len(part) < _PART_BYTES:
                return  # the mark alone, as in a program that looks for it
        self._unread.append("a list of modules")

    def release(self, at: int) -> Passage:
        """What may be a release of Go."""
        if len(self._releases) < _MAX_NOTED:
            self._releases[at] = b""
            self._releases[at] = yield _NOTED_BYTES

    def records(self) -> Iterator[PackageRecord | Unread]:
        """What all builds are made of, each package once."""
        builds = list(self._inline)
        listed = {modules for _, modules in builds}
        framed = [modules for modules in self._framed if modules not in listed]
        # A list without a release belongs to the one that is pointed to; of several builds it is not known which to which.
        pointed = [text for first, length in self._pointed if (text := self._noted(first, length))]
        if framed and not pointed and not builds:
            pointed = self._lone_release()
            if not pointed:
                self._unread.append("the release of Go")
        builds += [(pointed[0] if len(pointed) == 1 else b"", modules) for modules in framed]
        builds += [(release, b"") for release in pointed]
        found = dict.fromkeys(package for release, modules in builds for package in packages_of(release, modules))
        yield from found
        yield from (Unread(f"{what} of a Go program was not read") for what in dict.fromkeys(self._unread))

    def _texts(self) -> Passage:
        """Release and modules, each after its length."""
        length = yield from _length(_MAX_RELEASE_BYTES)
        release = (yield length) if length else b""
        if length is None or len(release) < length or not _RELEASE.fullmatch(release):
            return
        length = yield from _length(_MAX_MODULES_BYTES)
        if length is None or not self._has_room():
            self._unread.append("a list of modules")
            self._inline[release, b""] = None
            return
        modules = (yield length) if length else b""
        if len(modules) < length:
            self._unread.append("a list of modules")
        framed = modules.startswith(MODULES) and modules.endswith(_MODULES_END)
        self._inline[release, modules[len(MODULES) : -len(_MODULES_END)] if framed else b""] = None

    def _has_room(self) -> bool:
        self._lists += 1
        if self._lists > _MAX_LISTS:
            self._unread.append("one more list of modules than is looked at")
            return False
        return True

    def _lone_release(self) -> list[bytes]:
        """That of a program without a build information, as some are linked: the only text in it that is one."""
        found = {patched[0] for text in self._releases.values() if (patched := _PATCHED.match(text))}
        return [*found] if len(found) == 1 else []

    def _noted(self, first: int, length: int) -> bytes:
        text = self._releases.get(first, b"")[:length]
        if len(text) == length and _RELEASE.fullmatch(text):
            return text
        self._unread.append("the release of Go")
        return b""


def _length(most: int) -> Generator[int, bytes, int | None]:
    """An unsigned number of seven bits a byte; None when it is larger than `most`, or the file ends in it."""
    value = 0
    for number in range(5):
        byte = yield 1
        if not byte:
            return None
        value |= (byte[0] & 0x7F) << 7 * number
        if byte[0] < 0x80:
            return value if value <= most else None
    return None
