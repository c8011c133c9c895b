"""Walks a tar as it comes by, header by header, in a few microseconds a member. Nothing is kept but what is asked for.

It takes what Go's archive/tar takes, as that is what unpacks layers, and nothing else: what Go refuses is damaged, and what it
reads in a way of its own (which name counts, which size, where the next header is) is read in that way.

Spec: reader.go of Go's archive/tar; POSIX.1-2017 pax; GNU tar "Basic Tar Format".
"""

from collections.abc import Callable, Iterator
from functools import partial

from isal.isal_zlib import adler32

from watcher.inspection.catalogers.protocol import HEAD_BYTES
from watcher.inspection.confined.capabilities import RECORD as CAPABILITIES
from watcher.inspection.confined.overlay_marks import is_null_device, steering_attribute
from watcher.inspection.confined.tar_fields import (
    BLOCK,
    clean_path,
    decimal,
    has_valid_checksum,
    integer,
    is_only_a_time,
    is_pax_time,
    number,
    octal,
    pax_records,
    signed_number,
    text,
)
from watcher.inspection.confined.tar_pieces import DamagedTarError, TarPieces
from watcher.inspection.confined.tar_sparse import SPARSE, Sparse, SparseMapError, is_sparse, of_header, of_records
from watcher.inspection.problems import ALL, FILES, MERGED, ProblemList

_ZERO_BLOCK = bytes(BLOCK)

# Go's limit for a long name or a pax header.
MAX_EXTENSION_BYTES = 1024 * 1024
# What headers have in common is looked at once: an image has a handful of owners and some thousand times.
MAX_KNOWN = 4096
# Sums of headers lie between 3 000 and 20 000, so that nearly every one has been seen before.
MAX_SUMS = 32768

REGULAR, HARD_LINK, SYMBOLIC_LINK, CHARACTER, BLOCK_DEVICE, DIRECTORY, FIFO = 48, 49, 50, 51, 52, 53, 54
_OLD_REGULAR, GNU_SPARSE = 0, 83
_PAX, PAX_GLOBAL, _LONG_NAME, _LONG_LINK = 120, 103, 76, 75
_HEADER_ONLY = frozenset({HARD_LINK, SYMBOLIC_LINK, CHARACTER, BLOCK_DEVICE, DIRECTORY, FIFO})
_EXTENSIONS = frozenset({_PAX, PAX_GLOBAL, _LONG_NAME, _LONG_LINK})
_PAX_TIMES = frozenset({b"mtime", b"atime", b"ctime"})
# What a header itself can hold of a name.
_MAX_SHORT = 256

# What a header is by its magic. Only the last three have more than the fields of version 7.
_V7, _USTAR, _GNU = range(3)

# The kernel's owners have 32 bits, and the last of them means "as it is".
_NO_OWNER = 2**32 - 1

# As git, Go, GNU tar and Python name their global headers.
_GLOBAL_NAMES = (b"pax_global_header", b"@PaxHeader", b"GlobalHead.")

Owner = tuple[int, int, int]
"""mode (0o7777), uid, gid"""

Member = tuple[bytes | None, int, Owner, int, bytes, int, bytes, bytes | Sparse | None, bytes]
"""path (clean; None: it leads outside), type, owner, size once unpacked, link target, offset of the content in the tar, name as
written, its content where it was asked for (before that, of a sparse file, what is stored of it), and the first HEAD_BYTES of what
is stored. A plain tuple: this is made a hundred thousand times an image."""


class TarReader(TarPieces):
    """The members of one tar, whose bytes come in `pieces` of any size.

    Set `keep` while a member is at hand to get it once more with its whole content, before the next one. Set `feed` as well, for
    one that is not sparse, to be called with its content piece by piece; in the member it is then empty. `capabilities` is the
    attribute of that name of the member at hand. What runtimes may take in another way than it is given here becomes one of
    `problems`.
    """

    def __init__(self, pieces: Iterator[bytes], problems: ProblemList | None = None) -> None:
        self.keep = False
        self.feed: Callable[[bytes], None] | None = None
        self.capabilities = b""
        self.problems = ProblemList() if problems is None else problems
        super().__init__(pieces)
        self._owners: dict[bytes, Owner] = {}
        self._times: set[bytes] = set()
        self._sums: dict[bytes, int] = {}

    def members(self) -> Iterator[Member]:
        """Every member in order, until two zero blocks or the end. What comes after the zero blocks is left unread.

        Raises:
            DamagedTarError: a header that is none, or an end in the middle of a member.
        """
        # Everything per member is in local names on purpose, and what is rare comes last; `_data` and `_at` are brought up to date
        # before anything else of this class is called.
        name = link = b""
        records: dict[bytes, bytes] = {}
        extended = may_be_sparse = False
        # What a header has behind its link is mostly that of the header before: owner, device, prefix.
        known, form, prefix = b"", _V7, b""
        known_extension = known_time = b""
        owners, times, sums = self._owners, self._times, self._sums
        data, at, end = self._data, self._at, len(self._data)
        while True:
            stop = at + BLOCK
            if stop <= end:
                block = data[at:stop]
                at = stop
            else:
                self._at = at
                block = self._take(BLOCK)
                data, at, end = self._data, self._at, len(self._data)
                if len(block) < BLOCK:
                    if block:
                        raise DamagedTarError(self.offset, "the archive ends within a header")
                    return
            field = block[148:156]
            expected = sums.get(field)
            if expected is None:
                expected = self._expected(field)
            # A sum of more than adler32 can tell has bytes beyond ASCII, as has one of signed bytes. isal takes a quarter of zlib's
            # time for it.
            if ((adler32(block) & 0xFFFF) != expected or not block.isascii()) and not has_valid_checksum(block):
                self._at = at
                if block != _ZERO_BLOCK:
                    raise DamagedTarError(self.offset - BLOCK, "a header whose checksum is wrong")
                self._expect_end()
                return
            digits = block[124:135]
            try:
                # As nearly every tar has it: eleven digits and a NUL.
                size = int(digits, 8) if not block[135] and digits.isdigit() else number(block[124:136])
            except ValueError:
                size = None  # 8 or 9
            if size is None:
                self._at = at
                raise DamagedTarError(self.offset - BLOCK, "a header without a valid size")
            owner, time = owners.get(block[100:124]), block[136:148]
            if owner is None or (time != known_time and time not in times):
                self._at = at
                owner = self._common(block)
            known_time = time
            rest = block[257:]
            kind = block[156]
            if kind != REGULAR and kind in _EXTENSIONS:
                if rest != known_extension:
                    known_extension = rest
                    self._at = at
                    self._format(rest)
                stop = at + BLOCK
                # As Python writes one for every file: the time alone, in one block, which mostly is at hand.
                if kind == _PAX and size <= BLOCK and stop <= end and is_only_a_time(data[at : at + size]):
                    at, records = stop, {}
                    continue
                self._at = at
                extension = self._extension(size)
                data, at, end = self._data, self._at, len(self._data)
                extended = True
                if kind == _LONG_NAME:
                    name = extension.partition(b"\0")[0]
                elif kind == _LONG_LINK:
                    link = extension.partition(b"\0")[0]
                else:
                    parsed = pax_records(extension)
                    if parsed is None:
                        raise DamagedTarError(self.offset, "a pax header that is malformed")
                    records, may_be_sparse = parsed, SPARSE in extension
                    if attribute := steering_attribute(extension):
                        self.problems.add(
                            "overlay-attribute", f"an entry has {attribute}, which tells an overlay what is there", MERGED
                        )
                    if kind == PAX_GLOBAL:
                        # To Go it is a member, before which all else that was said of the next one is forgotten.
                        self._global(records.get(b"path") or self._format(rest)[1] + block[:100].partition(b"\0")[0])
                        name, link, records, extended, may_be_sparse = b"", b"", {}, False, False
                continue
            if rest != known:
                known = rest
                self._at = at
                form, prefix = self._format(rest)
            stop = block.find(0)
            written = block[:stop] if 0 <= stop < 100 else block[:100]
            if prefix:
                written = prefix + written
            target, stored, is_long = b"", size, False
            sparse: Sparse | None = None
            if extended or kind != REGULAR:
                if extended:
                    self._at = at
                    written = name or records.get(b"path") or written
                    size, owner = self._overridden(records, size, owner)
                    stored = size
                if kind in (SYMBOLIC_LINK, HARD_LINK):
                    target = link or records.get(b"linkpath") or block[157:257].partition(b"\0")[0]
                elif kind == _OLD_REGULAR:
                    kind = DIRECTORY if written.endswith(b"/") else REGULAR
                elif kind == CHARACTER:
                    self._device(rest if form != _V7 else b"", written)
                if kind in _HEADER_ONLY:
                    stored = 0
                if kind == GNU_SPARSE or (may_be_sparse and is_sparse(records)):
                    self._at = at
                    sparse = self._sparse(block, kind, form, records, size)
                    data, at, end = self._data, self._at, len(self._data)
                    size, stored = sparse.size, sparse.stored
                    if kind == GNU_SPARSE:
                        kind = REGULAR
                    else:
                        written = records.get(b"GNU.sparse.name") or written
                if extended:
                    is_long = len(written) > _MAX_SHORT
                    name, link, records, extended, may_be_sparse = b"", b"", {}, False, False
            # Nearly every name is clean but for a leading `./` and a directory's slash at the end. What begins with less than a
            # digit may begin with a slash, or a dot that is no file's. `in` takes twice the time of `find`: it raises an exception
            # within to see that it is not asked about a number.
            path: bytes | None = written[2:] if written[:2] == b"./" else written
            if kind == DIRECTORY and path and path[-1] == 47:
                path = path[:-1]
            if not path or path[0] < 48 or path[-1] == 47 or path.find(b"/.") >= 0 or path.find(b"//") >= 0 or is_long:
                path = clean_path(written)
            if stored:
                stop = at + HEAD_BYTES
                if stop > end:
                    self._at = at
                    self._join(HEAD_BYTES)
                    data, at, end = self._data, self._at, len(self._data)
                    stop = at + HEAD_BYTES
                head = data[at:stop]
            else:
                head = b""
            member = (path, kind, owner, size, target, self._start + at, written, sparse, head)
            self._at = at
            yield member
            self.capabilities = b""
            if self.keep:
                self.keep = False
                if sparse is not None and not sparse.is_whole:
                    raise DamagedTarError(self.offset, "a sparse file whose map is not that of its content")
                content = self._take(stored) if self.feed is None else self._fed(stored, self.feed)
                data, at, end = self._data, self._at, len(self._data)
                if self.feed is None and len(content) < stored:
                    raise DamagedTarError(self.offset, "the archive ends within a file")
                self.feed = None
                yield (*member[:7], content if sparse is None else sparse.expanded(content), member[8])
                at += -stored % BLOCK
            else:
                at += (stored + 511) & -512
            if at > end:
                self._at = at
                self._skip(-stored % BLOCK)
                data, at, end = self._data, self._at, len(self._data)

    def _expect_end(self) -> None:
        """After one block of zeros: another, or nothing."""
        block = self._take(BLOCK)
        if block and block != _ZERO_BLOCK:
            raise DamagedTarError(self.offset - len(block), "something else than a second block of zeros")

    def _extension(self, size: int) -> bytes:
        if size > MAX_EXTENSION_BYTES:
            raise DamagedTarError(self.offset, f"an extended header of {size} bytes")
        content = self._take(size)
        if len(content) < size:
            raise DamagedTarError(self.offset, "the archive ends within a header")
        self._at += -size % BLOCK
        if self._at > len(self._data):
            self._skip(-size % BLOCK)
        return content

    def _expected(self, field: bytes) -> int:
        """What adler32's low half of a header with this checksum is: one more than the sum of its bytes."""
        if len(self._sums) >= MAX_SUMS:
            self._sums.clear()
        value = octal(field)
        # No sum is negative: without a number none is expected.
        expected = self._sums[field] = -1 if value is None else 1 + value + sum(field) - 8 * 32
        return expected

    def _common(self, block: bytes) -> Owner:
        """Mode, owner and time, of which an archive has few different ones."""
        mode, uid, gid = signed_number(block[100:108]), signed_number(block[108:116]), signed_number(block[116:124])
        if mode is None or uid is None or gid is None:
            raise DamagedTarError(self.offset - BLOCK, "a header without a valid mode or owner")
        if signed_number(block[136:148]) is None:
            raise DamagedTarError(self.offset - BLOCK, "a header without a valid time")
        for known in (self._owners, self._times):
            if len(known) >= MAX_KNOWN:
                known.clear()
        self._times.add(block[136:148])
        owner = self._owners[block[100:124]] = self._owner(mode, uid, gid)
        return owner

    def _owner(self, mode: int, uid: int, gid: int) -> Owner:
        """As runtimes hand it to the kernel, which takes the low 32 bits."""
        if not 0 <= uid < _NO_OWNER or not 0 <= gid < _NO_OWNER:
            self.problems.add("impossible-owner", f"an entry belongs to {uid}:{gid}, which no file can", FILES)
            # Whoever unpacks is the owner of what is left as it is: root.
            uid, gid = (each & _NO_OWNER if each & _NO_OWNER != _NO_OWNER else 0 for each in (uid, gid))
        return mode & 0o7777, uid, gid

    def _format(self, rest: bytes) -> tuple[int, bytes]:
        """What a header is by its magic, with which `rest` begins, and what that puts before the name."""
        form = _USTAR if rest.startswith(b"ustar\0") else _GNU if rest.startswith(b"ustar  \0") else _V7
        prefix = b""
        if form != _V7:
            numbers = [rest[72:80], rest[80:88]]
            prefix = rest[88:243]
            if form == _USTAR and rest.endswith(b"tar\0"):  # of star, whose prefix is shorter and has two times behind it
                prefix = rest[88:219]
                numbers += (rest[219:231], rest[231:243])
            if None in map(signed_number, numbers):
                raise DamagedTarError(self.offset - BLOCK, "a header without a valid device or time")
            prefix = prefix.partition(b"\0")[0]
        if form == _GNU:
            # GNU has times there. What is none was a prefix to Go before 1.8, and so it is to all that came after.
            times = (each for each in (rest[88:100], rest[100:112]) if each[0])
            if None not in map(signed_number, times) or not prefix.isascii():
                prefix = b""
        return form, prefix and prefix + b"/"

    def _overridden(self, records: dict[bytes, bytes], size: int, owner: Owner) -> tuple[int, Owner]:
        """What pax records say instead of the header. Empty ones say nothing."""
        new_size: int | None = size
        uid: int | None = owner[1]
        gid: int | None = owner[2]
        for key, value in records.items():
            if key in _PAX_TIMES:
                if value and not is_pax_time(value):
                    raise DamagedTarError(self.offset, "a pax header whose times are none")
            elif not value:
                continue
            elif key == CAPABILITIES:
                self.capabilities = value
            elif key == b"size":
                new_size = decimal(value)
            elif key == b"uid":
                uid = integer(value)
            elif key == b"gid":
                gid = integer(value)
        if new_size is None or uid is None or gid is None:
            raise DamagedTarError(self.offset, "a pax header whose numbers are none")
        return new_size, owner if (uid, gid) == owner[1:] else self._owner(owner[0], uid, gid)

    def _sparse(self, block: bytes, kind: int, form: int, records: dict[bytes, bytes], size: int) -> Sparse:
        try:
            if kind in _HEADER_ONLY or (kind == GNU_SPARSE and form != _GNU):
                raise SparseMapError
            read = partial(self._take, BLOCK)
            sparse = of_header(block, size, read) if kind == GNU_SPARSE else of_records(records, size, read)
        except SparseMapError as error:
            raise DamagedTarError(self.offset, "a sparse file that cannot be") from error
        if not sparse.is_whole:
            self.problems.add(
                "damaged-sparse-file", f"a sparse file before byte {self.offset} has a map that is not of its content", ALL
            )
        return sparse

    def _device(self, rest: bytes, name: bytes) -> None:
        if is_null_device(rest[72:80], rest[80:88]) and not name.rpartition(b"/")[2].startswith(b".wh."):
            detail = f"{text(name[:200])!r} is the device 0:0, by which an overlay removes what has that name below"
            self.problems.add("null-device", detail, MERGED)

    def _global(self, name: bytes) -> None:
        """Runtimes make no file of it, but take away what has its name, and see a whiteout in one that is called so."""
        path = clean_path(name)
        if path is None or (path and not path.rpartition(b"/")[2].startswith(_GLOBAL_NAMES)):
            detail = f"a global header is called {text(name[:200])!r}, and runtimes remove what has that name"
            self.problems.add("global-header", detail, ALL)
