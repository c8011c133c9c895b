"""Searches an unpacked layer for credentials as it comes by: hyperscan over the raw tar, then each hit within its own file.

What others look for (marks of packages in executables) is found in the same pass, and judged by whoever reads those.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import hyperscan

from watcher.inspection.expressions import Expression
from watcher.inspection.secrets.rules import WINDOW_AFTER_BYTES, WINDOW_BEFORE_BYTES
from watcher.inspection.workers.messages import MAX_SECRETS
from watcher.model.inventory import SecretHit

# Of what hyperscan finds most is judged to be nothing. A hit costs about 20 us, so that a layer made of them costs 2 s.
MAX_HITS = 100_000
# A mark costs half a microsecond; of bytes by chance a gigabyte has ten thousand.
MAX_MARKS = 2_000_000
_FIRST_MARK = 1 << 20
# Git's rule: a file with a zero among its first bytes has no lines.
_TEXT_PROBE_BYTES = 8000
_HISTORY_BYTES = WINDOW_BEFORE_BYTES + WINDOW_AFTER_BYTES

# As much around a hit in a header as shows all of the name it is in, but for those that are there to be long.
_NAME_BYTES = 1024

_ONE_BLOCK = bytes(128)

# What of an unfinished text file is kept to count its lines if it comes to that; beyond it they are counted anyway.
KEPT_BYTES = 8 * 1024 * 1024

# Where what has no end would end; such a thing has no lines either.
ENDLESS = 2**63

Judge = Callable[[int, str, bytes, int, int | None], SecretHit | None]
"""(rule, path, window, end of the hit within it, line of that end) → the secret, if it is one."""


Outside = Callable[[int, bytes, int], None]
"""Told of a hit in no file, as in the name of one: (rule, window, end of the hit within it)."""


class Rules(Protocol):
    """What is needed of `secrets.SecretRules`."""

    def patterns(self) -> list[tuple[int, bytes, int]]: ...

    def judge(self, rule_id: int, path: str, window: bytes, match_end: int, line: int | None) -> SecretHit | None: ...


def expressions_of(rules: Rules, marks: Sequence[bytes] = ()) -> list[Expression]:
    """What a database must have that finds the hits of the rules, and `marks`, in a stream."""
    return [*rules.patterns(), *((_FIRST_MARK + number, mark, hyperscan.HS_FLAG_DOTALL) for number, mark in enumerate(marks))]


def clear_vector_registers() -> None:
    """Make hyperscan nearly twice as fast after isal, on processors with AVX.

    isal's checksum leaves the upper halves of the vector registers in use, and with those every SSE instruction of hyperscan's
    portable build waits for the one before: 2.2 GB/s instead of 3.9. OpenSSL's SHA-512 of a whole block ends with the instruction
    that clears them (vzeroupper), which Python has no other way to. It takes a microsecond, and elsewhere it does no harm.
    """
    hashlib.sha512(_ONE_BLOCK)


@dataclass(slots=True, eq=False)
class _File:
    """A file within the unpacked layer, from offset `begins` to before `ends`; without a `path` what is around a hit in none.

    `lines` are the line breaks before `counted`, without those in `kept`: parts that nobody has asked about yet.
    """

    begins: int
    ends: int
    path: bytes | None
    is_text: bool
    counted: int
    most_kept: int = KEPT_BYTES
    lines: int = 0
    kept: list[tuple[bytes, int, int]] = field(default_factory=list)
    kept_bytes: int = 0

    def keep(self, piece: bytes, low: int, high: int) -> None:
        """Put off counting `piece[low:high]`: most files never have a hit, and the pieces are in memory anyway."""
        self.kept.append((piece, low, high))
        self.kept_bytes += len(piece)
        if self.kept_bytes > self.most_kept:
            self.settle()

    def settle(self) -> None:
        self.lines += sum(piece.count(b"\n", low, high) for piece, low, high in self.kept)
        self.kept.clear()
        self.kept_bytes = 0


@dataclass(slots=True)
class SecretStream:
    """One layer's search. Whoever walks the tar appends every regular file to `files` before it asks for the next piece, and at the
    end what is left: from there on, ENDLESS, and without a path.

    `found` has each secret once, in the order of the layer; `overflow` says that there were more hits than are looked at, or more
    marks. `marks` are those that end in the piece at hand, where in the layer they do, and the number of each.
    """

    judge: Judge
    database: hyperscan.Database
    decode: Callable[[bytes], str]
    outside: Outside | None = None
    max_hits: int = MAX_HITS
    max_secrets: int = MAX_SECRETS
    kept_bytes: int = KEPT_BYTES
    files: list[tuple[int, int, bytes]] = field(default_factory=list)
    found: dict[SecretHit, None] = field(default_factory=dict)
    overflow: bool = False
    marks: list[tuple[int, int]] = field(default_factory=list)
    _hits: list[tuple[int, int]] = field(default_factory=list)
    _judged: int = 0
    _history: bytes = b""
    _start: int = 0
    _open: _File | None = None
    _waiting: list[tuple[int, int, _File]] = field(default_factory=list)

    def pieces(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """The same pieces, each searched before it is handed on, and its hits judged before the next."""
        hits, max_hits = self._hits, self.max_hits
        marks, marks_left = self.marks, MAX_MARKS

        def matched(rule: int, _begin: int, end: int, _flags: int, _context: object) -> bool:
            if rule >= _FIRST_MARK:
                marks.append((end, rule - _FIRST_MARK))
                return len(marks) > marks_left
            hits.append((rule, end))
            return len(hits) > max_hits

        # The binding borrows the handler: `matched` must live as long as the stream, which this frame sees to.
        with self.database.stream(match_event_handler=matched) as stream:
            for piece in pieces:
                if not self.overflow:
                    clear_vector_registers()
                    try:
                        stream.scan(piece)
                    except hyperscan.ScanTerminated:
                        self.overflow = True
                if self._waiting:
                    self._judge_waiting(piece)
                yield piece
                marks_left -= len(marks)
                marks.clear()
                self._judge_hits(piece)
                self._history = (
                    piece[-_HISTORY_BYTES:] if len(piece) >= _HISTORY_BYTES else (self._history + piece)[-_HISTORY_BYTES:]
                )
                self._start += len(piece)
        self._judge_waiting(b"")

    def _judge_hits(self, piece: bytes) -> None:
        """Assign the piece's hits to its files; one whose window reaches into the next piece waits for it."""
        stop = self._start + len(piece)
        if self._open is not None and self._open.begins == self._open.counted >= self._start:
            # Its header ended the last piece: only now is there something to see of it.
            self._open = self._opened((self._open.begins, self._open.ends, self._open.path or b""), piece)
        if self._hits:
            spans = self.files
            offsets = [span[0] for span in spans]
            current: tuple[int, _File] | None = None
            for rule, end in self._hits:
                index = bisect_right(offsets, end - 1) - 1
                if index < 0:
                    holder = self._open
                elif current is not None and current[0] == index:
                    holder = current[1]
                else:
                    holder = self._opened(spans[index], piece)
                    current = index, holder
                if holder is None or end > holder.ends:  # in a header, or in the padding of a file
                    if self.outside is None:
                        continue
                    begins, ends = max(0, end - _NAME_BYTES), end + _NAME_BYTES
                    holder = _File(begins=begins, ends=ends, path=None, is_text=False, counted=0)
                if end + WINDOW_AFTER_BYTES > stop and holder.ends > stop:
                    self._waiting.append((rule, end, holder))
                else:
                    self._judge_one(rule, end, holder, piece)
            self._hits.clear()
            if current is not None and current[0] == len(spans) - 1:
                self._open = current[1]
            elif spans:
                self._open = None
        if self.files:
            last = self.files[-1]
            if last[1] <= stop:
                self._open = None
            elif self._open is None or self._open.begins != last[0]:
                self._open = self._opened(last, piece)
            self.files.clear()
        still_open = self._open
        if still_open is not None and still_open.is_text and still_open.ends > stop:
            still_open.keep(piece, max(0, still_open.counted - self._start), len(piece))
            still_open.counted = max(stop, still_open.begins)

    def _judge_waiting(self, piece: bytes) -> None:
        for rule, end, holder in self._waiting:
            self._judge_one(rule, end, holder, piece)
        self._waiting.clear()

    def _judge_one(self, rule: int, end: int, holder: _File, piece: bytes) -> None:
        if self._judged >= self.max_hits or len(self.found) >= self.max_secrets:
            self.overflow = True
            return
        self._judged += 1
        low = max(holder.begins, end - WINDOW_BEFORE_BYTES)
        window = self._bytes(low, min(holder.ends, end + WINDOW_AFTER_BYTES), piece)
        if holder.path is None:
            if self.outside is not None:
                self.outside(rule, window, end - low)
            return
        line = self._line(holder, end, piece) if holder.is_text else None
        hit = self.judge(rule, self.decode(holder.path), window, end - low, line)
        if hit is not None:
            self.found[hit] = None

    def _opened(self, span: tuple[int, int, bytes], piece: bytes) -> _File:
        begins, ends, path = span
        probe = begins - self._start
        is_text = (
            ends < ENDLESS and piece.find(b"\0", max(probe, 0), min(max(probe, 0) + _TEXT_PROBE_BYTES, ends - self._start)) < 0
        )
        return _File(begins=begins, ends=ends, path=path, is_text=is_text, counted=begins, most_kept=self.kept_bytes)

    def _line(self, holder: _File, end: int, piece: bytes) -> int:
        """The line that ends with or behind `end`, counted from 1."""
        holder.settle()
        if end < holder.counted:
            # A hit that waited for this piece: all of the pieces before have been counted since.
            return 1 + holder.lines - self._bytes(end, holder.counted, piece).count(b"\n")
        holder.lines += piece.count(b"\n", holder.counted - self._start, end - self._start)
        holder.counted = end
        return 1 + holder.lines

    def _bytes(self, low: int, high: int, piece: bytes) -> bytes:
        """The bytes from offset `low` to before `high`, as far as they are still at hand."""
        if low >= self._start:
            return piece[low - self._start : high - self._start]
        begins = self._start - len(self._history)
        return self._history[max(0, low - begins) : max(0, high - begins)] + piece[: max(0, high - self._start)]
