"""One layer from compressed bytes to facts, as a stream: unpack, search, walk, collect. Runs in the confined worker.

Nothing grows with the layer: entries are sent off in chunks, and the content of a file is joined only where a cataloger asked.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from stat import S_IFREG

import hyperscan

from watcher.inspection.catalogers.catalog import CATALOGERS
from watcher.inspection.catalogers.native import MARKS
from watcher.inspection.catalogers.protocol import ENDING_BYTES, AnyCataloger, Selection
from watcher.inspection.confined.capabilities import capabilities_of
from watcher.inspection.confined.content_digests import ContentDigests
from watcher.inspection.confined.decompress import DamagedLayerError, Input, TrailingBytesError, is_compressed, plain_pieces
from watcher.inspection.confined.file_contents import FileContents
from watcher.inspection.confined.found_values import FoundValues
from watcher.inspection.confined.parts import KINDS, ROWS, Row, row_parts
from watcher.inspection.confined.secret_stream import (
    ENDLESS,
    MAX_HITS,
    MAX_MARKS,
    SecretStream,
    clear_vector_registers,
    expressions_of,
)
from watcher.inspection.confined.tar import DIRECTORY, HARD_LINK, REGULAR, Member, TarReader
from watcher.inspection.confined.tar_fields import BLOCK, clean_path, has_valid_checksum, text
from watcher.inspection.confined.tar_pieces import DamagedTarError
from watcher.inspection.confined.tar_sparse import Sparse
from watcher.inspection.expressions import kept
from watcher.inspection.file_digests import hashed_bits
from watcher.inspection.problems import (
    ALL,
    DECLARED,
    FILES,
    MERGED,
    OVER_BUDGET,
    PACKAGES,
    SECRETS,
    TOO_MANY_SECRETS,
    USERS_AND_DISTRO,
    ProblemList,
)
from watcher.inspection.secrets.rules import WINDOW_BEFORE_BYTES, SecretRules
from watcher.inspection.workers.messages import MAX_PATH, MAX_SECRETS, Capabilities, Done, Limits, Message, Removals, Secrets
from watcher.inspection.workers.messages import Problems as ProblemsMessage

# OCI image-spec v1.1 "Whiteouts". What else begins with `.wh..wh.` is of AUFS itself.
_WHITEOUT, _OPAQUE, _AUFS = b".wh.", b".wh..wh..opq", b".wh..wh."
# Of no name, of the directory itself and of the one above.
_NOTHING = frozenset({b".wh.", b".wh..", b".wh..."})

# Of 4 KiB each, written as `\xNN` at worst, they fill half a message.
_REMOVALS = 32

Emit = Callable[[Message], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """The rules and the database of all that a layer is searched for, made once and shared by all workers of a zygote."""

    rules: SecretRules
    database: hyperscan.Database

    @classmethod
    def load(cls, salt: bytes) -> "Search":
        """That of the rules that come with the package, whose fingerprints `salt` keys."""
        return cls.of(SecretRules.load(salt))

    @classmethod
    def of(cls, rules: SecretRules) -> "Search":
        """What an earlier process has compiled is read back."""
        # OpenSSL looks for an algorithm at its first use, when a confined worker no longer could.
        clear_vector_registers()
        searched = expressions_of(rules, [mark.pattern for mark in MARKS])
        return cls(rules=rules, database=kept("layers", hyperscan.HS_MODE_STREAM, searched))


class _TooLargeError(Exception):
    """The layer is beyond a limit; what was seen so far stands."""


@dataclass(slots=True, kw_only=True)
class LayerReader:
    """Reads one layer. Use once."""

    limits: Limits
    search: Search
    emit: Emit
    problems: ProblemList = field(default_factory=ProblemList)
    catalogers: Collection[AnyCataloger] = tuple(CATALOGERS.values())
    _plain: int = 0
    _rows: list[Row] = field(default_factory=list)
    _listed: int = 0
    # Each with the number of rows before it.
    _whiteouts: list[tuple[str, int]] = field(default_factory=list)
    _opaque: list[tuple[str, int]] = field(default_factory=list)

    def read(self, source: Input) -> None:
        """Send everything there is to know about the layer, `Done` last. Every byte of the input has then been read.

        What is wrong with the layer becomes a problem; what is raised is a fault of ours, or of the pipe.
        """
        values = FoundValues(self.search.rules)
        secrets = SecretStream(judge=values.in_file, outside=values.outside, database=self.search.database, decode=text)
        contents = FileContents(emit=self.emit, problems=self.problems, catalogers=self.catalogers, searched=secrets)
        digests = ContentDigests(self.emit)
        self._ambiguous(source.peek(BLOCK))
        unpacked = _Unpacked(plain_pieces(source))
        pieces = secrets.pieces(self._counted(iter(unpacked)))
        tar = TarReader(pieces, self.problems)
        try:
            try:
                self._walk(tar, secrets, contents, digests)
                behind = tar.offset
            except DamagedTarError as error:
                self._damaged(error, unpacked)
                behind = error.offset
            # What lies behind the archive is of no file, but whoever pulls the layer has it.
            secrets.files.append((behind, ENDLESS, b""))
            for _ in pieces:
                pass
        except _TooLargeError as error:
            self.problems.add(OVER_BUDGET, str(error), ALL)
        self._compression(unpacked.failure)
        source.drain()
        self._send_rows()
        self._send_removals()
        contents.send_programs()
        digests.send()
        if secrets.overflow:
            found = len(secrets.found)
            detail = (
                f"stopped after {found} secrets: {MAX_SECRETS} are listed, {MAX_HITS} candidates and {MAX_MARKS} marks looked at"
            )
            self.problems.add(TOO_MANY_SECRETS, detail, SECRETS)
        hits = tuple(secrets.found)
        for first in range(0, len(hits), 100):
            self.emit(Secrets(hits=hits[first : first + 100]))
        for hidden in values.messages():
            self.emit(hidden)
        if self.problems:
            self.emit(ProblemsMessage(problems=self.problems.all()))
        self.emit(Done(compressed_bytes=source.taken, plain_bytes=self._plain))

    def _ambiguous(self, head: bytes) -> None:
        """Some unpack nothing whose type is that of a plain archive, some no zstd behind a frame to be skipped."""
        if len(head) == BLOCK and is_compressed(head) and has_valid_checksum(head):
            detail = "the layer is a compressed archive to some runtimes, and to others one that is not compressed"
            self.problems.add("two-archives", detail, ALL)

    def _counted(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._plain += len(piece)
            if self._plain > self.limits.plain_bytes:
                raise _TooLargeError(f"the unpacked layer has more than {self.limits.plain_bytes} bytes")
            yield piece

    def _walk(self, tar: TarReader, secrets: SecretStream, contents: FileContents, digests: ContentDigests) -> None:
        # The loop of the whole room: everything in it is paid a hundred thousand times an image.
        limit, hashed = self.limits.files, hashed_bits(self.limits.file_digests)
        files, rows = secrets.files, self._rows
        members = 0
        last_directory, any_name = b"", False
        selection = contents.selection
        names, directories, endings, heads = selection.names, selection.directories, selection.endings, selection.heads
        known = contents.known
        for member in tar.members():
            path, kind, owner, size, link, begins, written, content, head = member
            if content is not None and isinstance(content, bytes):
                if not digests.end(content):
                    contents.read(content)
                continue
            members += 1
            if members > limit:
                raise _TooLargeError(f"the layer has more than {limit} entries")
            if kind == REGULAR:
                if content is None:
                    files.append((begins, begins + size, written if path is None else path))
                else:
                    files += self._pieces(content, begins, written if path is None else path)
            elif kind not in KINDS:
                # No runtime makes a file of it, but all of them take a whiteout for one whatever its type.
                files.append((begins, begins + (size if content is None else content.stored), b""))
                if not path or not (name := path[path.rfind(b"/") + 1 :]).startswith(_WHITEOUT):
                    self._odd(member, selection)
                    continue
            else:
                size = 0
                if not path or len(link) > MAX_PATH:
                    self._odd(member, selection)
                    continue
                if kind == HARD_LINK:
                    # Its target is a path of the archive; a symbolic link's is for the file system to follow.
                    link = clean_path(link) or link
            if not path:
                self._odd(member, selection)
                continue
            slash = path.rfind(b"/")
            name = path[slash + 1 :]
            if name[0] == 46 and name.startswith(_WHITEOUT):
                self._removal(path[: slash + 1], name)
                continue
            if path in known:
                contents.replaced(path)
            rows.append((path, kind, owner, size, link))
            if tar.capabilities and kind in (REGULAR, HARD_LINK):
                self._capable(tar.capabilities, path)
            if len(rows) >= ROWS:
                self._send_rows()
            directory = path[:slash] if slash > 0 else b""
            if directory != last_directory:
                last_directory, any_name = directory, directory[directory.rfind(b"/") + 1 :] in directories
            if kind == REGULAR:
                if any_name or name in names or name[-ENDING_BYTES:] in endings or head in heads:
                    row = self._listed + len(rows) - 1
                    tar.keep, tar.feed = contents.wanted(row, path, owner[0], size, head, begins if content is None else None)
                # A sparse file is put together in memory, for nothing less than a cataloger.
                if hashed and (owner[0] | S_IFREG) & hashed and (content is None or tar.keep):
                    row = self._listed + len(rows) - 1
                    tar.keep, tar.feed = True, digests.begin(row, is_kept=tar.keep, feed=tar.feed)
            elif kind == HARD_LINK:
                contents.linked(path, link)

    def _odd(self, member: Member, selection: Selection) -> None:
        """An entry that is not listed: the root itself, or one that nothing can be made of."""
        path, kind, _, _, link, _, written, _, head = member
        if path is None:
            self.problems.add("unsafe-path", f"an entry leads outside of the image: {text(written[:200])!r}", FILES)
            # One runtime refuses it, the next takes it for one of the root, where it may be what catalogers read, or hide that.
            *_, parent, name = b"", *written.rstrip(b"/").split(b"/")
            if kind not in (REGULAR, DIRECTORY) or name.startswith(_WHITEOUT) or selection.takes(name, parent, head):
                detail = f"to some runtimes {text(written[:200])!r} is in the image, where it was not read"
                self.problems.add("unsafe-path-unread", detail, (*PACKAGES, *USERS_AND_DISTRO, *DECLARED))
        elif kind not in KINDS:
            self.problems.add("unknown-entry", f"an entry of the unknown type {kind}: {text(path[:200])!r}", FILES)
        elif len(link) > MAX_PATH:
            self.problems.add("unsafe-path", f"a link with a target of {len(link)} bytes: {text(path[:200])!r}", FILES)

    def _pieces(self, sparse: Sparse, begins: int, path: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Where the tar has what a sparse file has in several places."""
        spans = sparse.spans(begins, WINDOW_BEFORE_BYTES)
        if spans is None:
            self.problems.add("sparse-file", f"{text(path[:200])!r} is a sparse file and was searched without its holes", SECRETS)
            spans = [(begins, begins + sparse.stored)]
        return ((first, last, path) for first, last in spans)

    def _capable(self, attribute: bytes, path: bytes) -> None:
        """The entry that was listed last has capabilities."""
        capabilities = capabilities_of(attribute)
        if capabilities is None:
            self.problems.add("damaged-capabilities", f"{text(path[:200])!r} has capabilities that the kernel refuses", FILES)
        elif capabilities:
            self.emit(Capabilities(row=self._listed + len(self._rows) - 1, text=capabilities))

    def _send_rows(self) -> None:
        if self._rows:
            self._listed += len(self._rows)
            for part in row_parts(self._rows):
                self.emit(part)
            self._rows.clear()

    def _removal(self, parent: bytes, name: bytes) -> None:
        behind = self._listed + len(self._rows)
        if name == _OPAQUE:
            self._opaque.append((text(parent.rstrip(b"/")), behind))
        elif name in _NOTHING:
            detail = f"{text(parent + name)[:200]!r} removes nothing, or all of its directory, or cannot be unpacked"
            self.problems.add("odd-whiteout", detail, MERGED)
        elif not name.startswith(_AUFS):
            self._whiteouts.append((text(parent + name.removeprefix(_WHITEOUT)), behind))
        if len(self._opaque) + len(self._whiteouts) >= _REMOVALS:
            self._send_removals()

    def _send_removals(self) -> None:
        if self._opaque or self._whiteouts:
            removals = (*self._whiteouts, *self._opaque)
            self.emit(
                Removals(
                    whiteouts=[path for path, _ in self._whiteouts],
                    opaque=[path for path, _ in self._opaque],
                    behind=[behind for _, behind in removals],
                )
            )
            self._whiteouts, self._opaque = [], []

    def _damaged(self, error: DamagedTarError, unpacked: "_Unpacked") -> None:
        if unpacked.failure is not None and not isinstance(unpacked.failure, TrailingBytesError):
            return  # the archive ends early because its compression does
        if error.offset == 0:
            self.problems.add("not-a-tar", f"the layer is no tar archive: {error}", ALL, fatal=True)
        else:
            self.problems.add("damaged-tar", f"the archive is damaged: {error}; what follows was searched for secrets only", ALL)

    def _compression(self, failure: DamagedLayerError | None) -> None:
        if isinstance(failure, TrailingBytesError):
            self.problems.add(failure.reason, str(failure), SECRETS)
        elif failure is not None:
            self.problems.add(failure.reason, str(failure), ALL, fatal=self._plain < BLOCK)


@dataclass(slots=True)
class _Unpacked:
    """Pieces that end where unpacking fails, and the failure."""

    pieces: Iterator[bytes]
    failure: DamagedLayerError | None = None

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self.pieces
        except DamagedLayerError as error:
            self.failure = error
