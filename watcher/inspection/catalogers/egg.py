"""Eggs: distributions of Python that setuptools has installed as one zip each, which Python imports from as it is.

Spec: setuptools "The Internal Structure of Python Eggs".
"""

import re
from dataclasses import dataclass, field

from watcher.inspection.catalogers.protocol import Facts, Selection
from watcher.inspection.catalogers.python_metadata import MAX_FIELDS_BYTES, metadata_of
from watcher.inspection.catalogers.stanzas import Unread, complete
from watcher.inspection.catalogers.zip_stream import ENDING_BYTES, Sink, ZipStream
from watcher.model.inventory import PackageRecord

# Nothing of it is held but its metadata.
MAX_BYTES = 1024 * 1024 * 1024
# As many of what could not be read as are kept.
_MAX_UNREAD = 8

_PLACE = re.compile(r"(?:^|/)(?:site|dist)-packages/[^/]+\.egg\Z")
_WRITTEN = re.compile(r"([A-Za-z0-9][\w.]*)-([0-9][\w.+!]*)(?:-py[0-9.]+.*)?", re.ASCII)
_METADATA = b"EGG-INFO/PKG-INFO"
_ENDINGS = frozenset({_METADATA[-ENDING_BYTES:].lower()})


class EggCataloger:
    """`*.egg` where installers put them. One that is a directory has metadata as others have (catalogers/python.py)."""

    type = "egg"
    version = 1
    places: tuple[str, ...] = ()
    selection = Selection(suffixes=frozenset({b".egg"}))

    def wants(self, path: str, size: int) -> bool:
        return size <= MAX_BYTES and _PLACE.search(path) is not None

    def begin(self, path: str, size: int) -> "_Reading":  # noqa: ARG002  nothing grows with it
        return _Reading(path)


@dataclass(slots=True)
class _Reading:
    path: str
    _zip: ZipStream = field(init=False)
    _metadata: "list[_Metadata]" = field(default_factory=list)
    _unread: list[Unread] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._zip = ZipStream(_ENDINGS, self._open, lambda _entries, _inflated: None, self._doubt)

    def feed(self, piece: bytes) -> None:
        self._zip.feed(piece)

    def facts(self) -> Facts:
        """What its metadata say, or else its name; a file that is no zip is of something else."""
        self._zip.finish()
        if not self._zip.is_zip:
            return ()
        content = bytes(self._metadata[0].content) if self._metadata else b""
        written = _WRITTEN.fullmatch(self.path.rpartition("/")[2].removesuffix(".egg"))
        record = metadata_of(content).record(*(written.groups() if written else ("", "")))
        found: tuple[PackageRecord | Unread, ...] = (record or Unread("no name and version"), *self._unread)
        return complete(self.path, EggCataloger.type, found, system=False)

    def _open(self, name: bytes) -> Sink | None:
        if name != _METADATA:
            return None
        if self._metadata:  # one more would be inflated for each time that it is there
            self._doubt("two entries have its metadata")
            return None
        self._metadata.append(_Metadata())
        return self._metadata[0]

    def _doubt(self, what: str) -> None:
        if len(self._unread) < _MAX_UNREAD:
            self._unread.append(Unread(what))


@dataclass(slots=True)
class _Metadata:
    """The beginning of the entry, in which all fields are; nothing of one that is damaged."""

    content: bytearray = field(default_factory=bytearray)

    def feed(self, piece: bytes) -> bool:
        self.content += piece[: MAX_FIELDS_BYTES - len(self.content)]
        return len(self.content) < MAX_FIELDS_BYTES

    def end(self, *, sound: bool) -> None:
        if not sound:
            self.content.clear()
