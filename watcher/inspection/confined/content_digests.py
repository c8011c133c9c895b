"""The sha256 of files as they come by, beside whoever else needs their content. Runs in the confined worker."""

from collections.abc import Callable
from hashlib import sha256

from watcher.inspection.workers.messages import Digests, Message

# So many are told together: 64 KiB of them.
TOGETHER = 2048

Feed = Callable[[bytes], None]


class ContentDigests:
    """The files of one layer, one after another: `begin`, and `end` once the content of the file came by."""

    def __init__(self, emit: Callable[[Message], None]) -> None:
        self._emit = emit
        self._hash = sha256()
        self._row: int | None = None
        self._other: Feed | None = None
        self._is_alone = self._is_fed = False
        self._rows: list[int] = []
        self._digests: list[bytes] = []

    def begin(self, row: int, *, is_kept: bool, feed: Feed | None) -> Feed | None:
        """Who is to be fed with the entry of this number, which others want fed to `feed`, whole (`is_kept`), or not at all."""
        self._row, self._hash, self._other = row, sha256(), feed
        self._is_alone = not is_kept
        self._is_fed = not is_kept or feed is not None
        if not is_kept:
            return self._hash.update
        return None if feed is None else self._feed

    def end(self, content: bytes) -> bool:
        """Whether nobody else needed the content that came by: `content` is all of it, unless it was fed."""
        if self._row is None:
            return False
        if not self._is_fed:
            self._hash.update(content)
        self._rows.append(self._row)
        self._digests.append(self._hash.digest())
        self._row = None
        if len(self._rows) >= TOGETHER:
            self.send()
        return self._is_alone

    def send(self) -> None:
        """Tell those that were not told yet."""
        if self._rows:
            self._emit(Digests(rows=self._rows, sha256=b"".join(self._digests)))
            self._rows, self._digests = [], []

    def _feed(self, piece: bytes) -> None:
        self._hash.update(piece)
        if self._other is not None:
            self._other(piece)
