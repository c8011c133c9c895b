"""Walks a zip as it comes by, entry by entry, and says whether the directory at its end lists the same ones.

Who opens a zip goes by that directory, which comes last. Here nothing is kept until then: entries are walked by their own headers,
and an order-free sum over (name, where, packed size, method) of both must be equal. Where the size of an entry stands behind it
(as Java writes), its end is where such a descriptor says what the distance is; it needs not be inflated to be passed over.

Spec: PKWARE APPNOTE 6.3.10, 4.3 to 4.5; OpenJDK's java.util.zip.ZipFile for what is found where both disagree.
"""

import re
import struct
from collections.abc import Callable
from typing import Protocol, cast

from isal import igzip_lib

# How many bytes at the end of an entry's name are looked up.
ENDING_BYTES = 3

# Of what one step of inflating may give.
_MAX_OUTPUT_BYTES = 256 * 1024
# Most of what is inflated is small: of the rest of a piece not all is copied for each.
_FIRST_STEP_BYTES, _STEP_BYTES = 2 * 1024, 256 * 1024
# What may be the end of an entry, or the beginning of a record, and is none. By chance there is one in a GB; a jar that lies stored
# in another one, its size behind it, has three an entry.
_MAX_MISTAKEN = 1_000_000

_LOCAL, _CENTRAL, _END, _DESCRIPTOR = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"PK\x07\x08"
_END_64, _LOCATOR = b"PK\x06\x06", b"PK\x06\x07"
_LOCAL_HEADER = struct.Struct("<4x2xHH4x4xII2H")
_CENTRAL_HEADER = struct.Struct("<4x4x2xH4x4xII3H8xI")
_END_HEADER = struct.Struct("<4x4x2xHIIH")
_END_64_HEADER = struct.Struct("<4x8x12x8xQQQ")
_END_SIZES = {_END: _END_HEADER.size, _END_64: _END_64_HEADER.size, _LOCATOR: 20}
_MARKS = frozenset({_LOCAL, _CENTRAL, _END, _END_64, _LOCATOR})
_RECORD = re.compile(rb"PK(?:\x03\x04|\x01\x02|\x05\x06|\x06[\x06\x07])")
_BEHIND = re.compile(rb"PK(?:\x07\x08|\x03\x04|\x01\x02)")
# What is behind an entry, without its signature: a checksum, two sizes. The longest one with that, and the signature that follows.
_SHORT, _LONG, _LOOK_AHEAD = 12, 20, 28

_ENCRYPTED, _SIZES_BEHIND = 1, 8
_STORED, _DEFLATED = 0, 8
_MAX_16, _MAX_32 = 0xFFFF, 0xFFFFFFFF
_SUM = (1 << 64) - 1
# Of a header that was searched for: what real ones have.
_MAX_NAME_BYTES, _MAX_METHOD = 4096, 99

# Its stubs take the exception class for an exception.
_IGZIP_ERROR = cast("type[Exception]", igzip_lib.error)


class Sink(Protocol):
    """Who wants the content of an entry."""

    def feed(self, piece: bytes) -> bool:
        """The next bytes; whether more are wanted."""
        ...

    def end(self, *, sound: bool) -> None:
        """No more are to come. Unless `sound`, how many of them came depends on how the pieces were cut."""
        ...


class ZipStream:
    """One zip, fed piece by piece.

    `open_entry` is asked about each entry whose name ends with one of `endings`, in lower case, of ENDING_BYTES. `spend` hears of
    how many headers were read and how many bytes inflated, and may raise; `doubt` of what could not be read of what was wanted.
    """

    def __init__(
        self,
        endings: frozenset[bytes],
        open_entry: Callable[[bytes], Sink | None],
        spend: Callable[[int, int], None],
        doubt: Callable[[str], None],
    ) -> None:
        self._endings, self._open_entry, self._spend, self._doubt = endings, open_entry, spend, doubt
        self._data = b""
        self._at = self._base = 0
        self._step: Callable[[], bool] = self._between
        # The entry at hand: where it and its content begin, how long that is, how much is left of it if that is known.
        self._name = b""
        self._header_at = self._content_at = self._packed = self._left = self._method = self._bite = 0
        self._sized = self._has_descriptor = False
        self._searched_to = 0
        self._sink: Sink | None = None
        self._inflater: igzip_lib.IgzipDecompressor | None = None
        # What is compared. Offsets of the directory may begin at the first entry, not at the first byte.
        self._first = -1
        self._entries = self._listed_entries = 0
        self._walked = self._listed = self._listed_moved = 0
        self._directory_at = self._directory_end = self._end_at = -1
        self._end_64: tuple[int, int, int] | None = None
        self._ended = self._goes_on = self._agrees = False
        self._after_search = False
        self._mistaken = 0

    @property
    def is_zip(self) -> bool:
        """Whether anything was like one up to here."""
        return self._ended or self._entries > 0 or self._first >= 0 or self._listed_entries > 0

    def feed(self, piece: bytes) -> None:
        """The next bytes, as many as there are."""
        self._data = self._data[self._at :] + piece if self._at < len(self._data) else piece
        self._base += self._at
        self._searched_to -= self._at
        self._at = 0
        headers = self._entries + self._listed_entries
        while self._step():
            pass
        self._spend(self._entries + self._listed_entries - headers, 0)

    def finish(self) -> None:
        """All was fed: say what is missing, or does not agree."""
        self._close()
        if not self.is_zip:
            return
        if not self._ended:
            self._doubt("it ends before the directory of its entries does")
        elif self._goes_on:
            self._doubt("there are further entries behind its end")
        elif not self._agrees:
            self._doubt("the directory at its end does not list the entries that it has")

    def _between(self) -> bool:
        """Where a record should be. What is none is passed over: what stands before the first one, or pads."""
        mark = self._data[self._at : self._at + 4]
        if len(mark) < 4:
            return False
        if mark in _MARKS:
            self._goes_on = self._goes_on or self._ended
            self._step = self._local if mark == _LOCAL else self._central if mark == _CENTRAL else self._end
            return True
        self._after_search = True
        found = _RECORD.search(self._data, self._at + 1)
        self._at = max(self._at, len(self._data) - 3) if found is None else found.start()
        return found is not None

    def _local(self) -> bool:
        data, at = self._data, self._at
        if len(data) - at < _LOCAL_HEADER.size:
            return False
        flags, method, packed, plain, name_bytes, extra_bytes = _LOCAL_HEADER.unpack_from(data, at)
        if self._after_search and not (0 < name_bytes <= _MAX_NAME_BYTES and method <= _MAX_METHOD):
            self._at, self._step = at + 4, self._between
            return self._mistake()
        names_at = at + _LOCAL_HEADER.size
        content_at = names_at + name_bytes + extra_bytes
        if content_at > len(data):
            return False
        self._after_search = False
        self._name = name = data[names_at : names_at + name_bytes]
        if packed == _MAX_32:
            _, packed = _wide(data[names_at + name_bytes : content_at], plain, packed)
        self._header_at, self._content_at = self._base + at, self._base + content_at
        if self._first < 0:
            self._first = self._header_at
        self._method, self._packed, self._left = method, packed, packed
        self._has_descriptor = bool(flags & _SIZES_BEHIND)
        self._sized = packed > 0 or not self._has_descriptor
        self._at = self._searched_to = content_at
        self._step = self._known if self._sized else self._scan
        if name[-ENDING_BYTES:].lower() in self._endings and (sink := self._open_entry(name)) is not None:
            if flags & _ENCRYPTED or method not in (_STORED, _DEFLATED):
                self._doubt(f"{shown(name)} is {'encrypted' if flags & _ENCRYPTED else f'packed by method {method}'}")
                return True
            self._sink = sink
            if method == _DEFLATED:
                self._inflater = igzip_lib.IgzipDecompressor(igzip_lib.DECOMP_DEFLATE)
                self._bite = _FIRST_STEP_BYTES
                self._step = self._inflate
        elif self._sized and content_at + packed <= len(data):
            self._at = content_at + packed
            return self._entry_ends()
        return True

    def _known(self) -> bool:
        """In an entry of known size, which is passed over or handed on as it is."""
        taken = min(self._left, len(self._data) - self._at)
        if self._sink is not None and taken:
            self._hand_on(self._data[self._at : self._at + taken])
        self._at += taken
        self._left -= taken
        return not self._left and self._entry_ends()

    def _scan(self) -> bool:
        """In an entry of which only what stands behind it says how long it was."""
        data = self._data
        for found in _BEHIND.finditer(data, self._searched_to):
            at = found.start()
            length = self._base + at - self._content_at
            if data[at + 2] == _DESCRIPTOR[2]:
                if at + 12 > len(data):
                    self._searched_to = at
                    self._pass(at - _LONG)
                    return False
                ends: tuple[int, ...] = (length,) if _number(data, at + 8) == length & _MAX_32 else ()
            else:  # one without a signature, before the next record
                ends = tuple(
                    length - size
                    for size in (_SHORT, _LONG)
                    if length >= size and _number(data, at - size + 4) == length - size & _MAX_32
                )
            if ends:
                self._pass(self._content_at + ends[0] - self._base)
                self._packed = ends[0]
                return self._entry_ends()
            if not self._mistake():
                return False
        self._searched_to = max(self._searched_to, len(data) - 3)
        self._pass(self._searched_to - _LONG)
        return False

    def _inflate(self) -> bool:
        inflater, sink = self._inflater, self._sink
        assert inflater is not None and sink is not None  # noqa: PT018
        taken = b""
        if inflater.needs_input:
            taken = self._data[self._at : self._at + (min(self._left, self._bite) if self._sized else self._bite)]
            if not taken:
                if not self._sized or self._left:
                    return False
                self._doubt(f"{shown(self._name)} ends before what is packed in it does")
                self._close(sound=False)
                return self._entry_ends()
            self._bite = _STEP_BYTES
            self._at += len(taken)
            self._left -= len(taken)
        try:
            piece = inflater.decompress(taken, _MAX_OUTPUT_BYTES)
        except _IGZIP_ERROR:
            self._close(sound=False)
            self._doubt(f"what is packed in {shown(self._name)} is damaged")
            return self._give_up()
        self._spend(0, len(piece))
        is_wanted = not piece or sink.feed(piece)
        if inflater.eof:
            self._at -= len(inflater.unused_data)
            self._left += len(inflater.unused_data)
            self._close()
            if self._sized:
                self._step = self._known
                return True
            self._packed = self._base + self._at - self._content_at
            return self._entry_ends()
        return is_wanted or self._give_up()

    def _give_up(self) -> bool:
        """No more of this entry can be, or has to be handed on."""
        self._close()
        self._searched_to = self._at
        self._step = self._known if self._sized else self._scan
        return True

    def _pass(self, until: int) -> None:
        if until > self._at:
            if self._sink is not None:
                self._hand_on(self._data[self._at : until])
            self._at = until

    def _hand_on(self, piece: bytes) -> None:
        if self._sink is not None and not self._sink.feed(piece):
            self._close()

    def _close(self, *, sound: bool = True) -> None:
        sink, self._sink, self._inflater = self._sink, None, None
        if sink is not None:
            sink.end(sound=sound)

    def _entry_ends(self) -> bool:
        self._entries += 1
        self._walked = self._walked + hash((self._name, self._header_at, self._packed, self._method)) & _SUM
        if self._sink is not None:
            self._close()
        self._step = self._behind if self._has_descriptor else self._between
        return True

    def _behind(self) -> bool:
        """At the descriptor of an entry, whose form only the next record tells."""
        data, at = self._data, self._at
        if len(data) - at < _LOOK_AHEAD:
            return False
        signature = 4 if data[at : at + 4] == _DESCRIPTOR else 0
        for size in (signature + _SHORT, signature + _LONG):
            mark = data[at + size : at + size + 4]
            if mark in _MARKS:
                self._at = at + size
                if mark == _LOCAL and not self._ended:
                    self._step = self._local
                    return True
                break
        self._step = self._between
        return True

    def _central(self) -> bool:
        data, at = self._data, self._at
        if len(data) - at < _CENTRAL_HEADER.size:
            return False
        method, packed, plain, name_bytes, extra_bytes, comment_bytes, offset = _CENTRAL_HEADER.unpack_from(data, at)
        names_at = at + _CENTRAL_HEADER.size
        end = names_at + name_bytes + extra_bytes + comment_bytes
        if end > len(data):
            return False
        name = data[names_at : names_at + name_bytes]
        if _MAX_32 in (packed, offset):
            _, packed, offset = _wide(data[names_at + name_bytes : end - comment_bytes], plain, packed, offset)
        if self._directory_at < 0:
            self._directory_at = self._base + at
        self._listed_entries += 1
        self._listed = self._listed + hash((name, offset, packed, method)) & _SUM
        if self._first > 0:
            self._listed_moved = self._listed_moved + hash((name, offset + self._first, packed, method)) & _SUM
        self._at = end
        self._directory_end = self._base + end
        if data[end : end + 4] != _CENTRAL:
            self._step = self._between
        return True

    def _end(self) -> bool:
        """At one of the three records of an end."""
        data, at = self._data, self._at
        mark = data[at : at + 4]
        if len(data) - at < _END_SIZES[mark]:
            return False
        if self._end_at < 0:
            self._end_at = self._base + at
        if mark == _END_64:
            self._end_64 = _END_64_HEADER.unpack_from(data, at)
        elif mark == _END:
            self._ended = True
            self._agrees = self._compared(*_END_HEADER.unpack_from(data, at)[:3])
        self._at = at + _END_SIZES[mark]
        self._step = self._between
        return True

    def _compared(self, count: int, size: int, offset: int) -> bool:
        """Whether who goes by the directory, which has its place and that of the entries from its own size, reads what we did."""
        if self._end_64 is not None:
            count, size, offset = (
                large if small == limit else small
                for small, large, limit in zip((count, size, offset), self._end_64, (_MAX_16, _MAX_32, _MAX_32), strict=True)
            )
        if not self._entries:
            return not self._listed_entries and not count
        moved = self._directory_at - offset
        listed = self._listed if moved == 0 else self._listed_moved if moved == self._first else None
        return (
            self._directory_end == self._end_at
            and self._directory_end - self._directory_at == size
            and self._entries == self._listed_entries == count
            and self._walked == listed
        )

    def _mistake(self) -> bool:
        """What looked like a record is none. Whether to go on."""
        self._mistaken += 1
        if self._mistaken <= _MAX_MISTAKEN:
            return True
        self._doubt("too much in it looks like an entry and is none")
        self._step = self._nothing_more
        return False

    def _nothing_more(self) -> bool:
        self._at = len(self._data)
        return False


def shown(name: bytes) -> str:
    """The name of an entry, for people."""
    return repr(name[:100].decode("utf-8", "replace"))


def _number(data: bytes, at: int) -> int:
    """Four bytes; -1 where they are not at hand any more."""
    return int.from_bytes(data[at : at + 4], "little") if at >= 0 else -1


def _wide(extra: bytes, *values: int) -> tuple[int, ...]:
    """The values with those of the field for zip64 in place of those that are too large for four bytes."""
    at = 0
    while at + 4 <= len(extra):
        kind, size = extra[at] | extra[at + 1] << 8, extra[at + 2] | extra[at + 3] << 8
        at += 4
        if kind == 1:
            wide = iter(range(at, min(at + size, len(extra)) - 7, 8))
            return tuple(
                int.from_bytes(extra[where : where + 8], "little") if value == _MAX_32 and (where := next(wide, -1)) >= 0 else value
                for value in values
            )
        at += size
    return values
