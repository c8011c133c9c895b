"""The bytes of a tar as they come, in pieces of any size: taken, handed on, passed over."""

from collections.abc import Callable, Iterator


class DamagedTarError(Exception):
    """From `offset` on it is no tar; what was yielded before stands."""

    def __init__(self, offset: int, what: str) -> None:
        super().__init__(f"{what} at byte {offset} of the unpacked layer")
        self.offset = offset


class TarPieces:
    """Where in the tar its reader is. That one may take from the piece at hand what it needs: `_data`, read up to `_at`."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._data = b""
        self._at = 0
        self._start = 0

    @property
    def offset(self) -> int:
        """How far the tar has been read."""
        return self._start + self._at

    def _take(self, count: int) -> bytes:
        """The next `count` bytes, fewer only at the end."""
        parts: list[bytes] = []
        missing = count
        while True:
            part = self._data[self._at : self._at + missing]
            self._at += len(part)
            missing -= len(part)
            parts.append(part)
            if not missing or not self._next():
                return parts[0] if len(parts) == 1 else b"".join(parts)

    def _fed(self, count: int, feed: Callable[[bytes], None]) -> bytes:
        """Hand on the next `count` bytes, as they come."""
        while count:
            part = self._data[self._at : self._at + count]
            if part:
                feed(part)
            self._at += len(part)
            count -= len(part)
            if count and not self._next():
                raise DamagedTarError(self.offset, "the archive ends within a file")
        return b""

    def _join(self, count: int) -> None:
        """Put what is left of the piece at hand before the next ones, until they have `count` bytes, fewer only at the end."""
        while len(self._data) - self._at < count and (piece := next(self._pieces, None)) is not None:
            self._start += self._at
            self._data, self._at = self._data[self._at :] + piece, 0

    def _skip(self, padding: int = 0) -> None:
        """Bring `_at`, which lies beyond the piece at hand, into the piece where it belongs.

        The last `padding` bytes may be missing: no content is, and to Go that is the end. `umoci insert` writes such layers.

        Raises:
            DamagedTarError: more is missing.
        """
        while self._at > len(self._data):
            beyond = self._at - len(self._data)
            self._at = len(self._data)
            if not self._next():
                if beyond <= padding:
                    return
                raise DamagedTarError(self.offset, "the archive ends within a file")
            self._at = beyond

    def _next(self) -> bool:
        """Go on to the next piece, the one at hand having been read."""
        piece = next(self._pieces, None)
        if piece is None:
            return False
        self._start += len(self._data)
        self._data, self._at = piece, 0
        return True
