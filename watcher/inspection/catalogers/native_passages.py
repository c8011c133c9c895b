"""What follows a mark in a file that comes by piece by piece."""

from collections.abc import Generator
from dataclasses import dataclass, field

# An executable has some dozens; one made of them costs half a second.
MAX_MARKS = 65_536


@dataclass(frozen=True, slots=True)
class Mark:
    """A pattern of hyperscan's, all of whose matches are `length` bytes long."""

    pattern: bytes
    length: int

    @classmethod
    def of(cls, text: bytes) -> "Mark":
        """These very bytes."""
        return cls("".join(f"\\x{each:02x}" for each in text).encode(), len(text))


Passage = Generator[int, bytes, None]
"""Asks for the next bytes, from the first of its mark on, and is sent as many, fewer only where the file ends.

Of a negative number of bytes it is sent none: it passes over so many.
"""


@dataclass(slots=True, kw_only=True)
class OpenPassage:
    """A passage and where in the file its next bytes are. What it asked for is kept until it is all there."""

    passage: Passage
    at: int
    _wanted: int = 0
    _parts: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self._wanted = next(self.passage, 0)

    def goes_on(self, data: bytes, begins: int) -> bool:
        """Take from `data`, which is at `begins` of the file and of which nothing before `at` is needed; whether it wants more."""
        while self._wanted:
            if self._wanted < 0:
                self.at -= self._wanted
            else:
                first = self.at - begins
                part = data[first : first + self._wanted - len(self._parts)]
                self._parts += part
                self.at += len(part)
                if len(self._parts) < self._wanted:
                    return True
            self._send()
        return False

    def ends(self) -> None:
        """The file ends here."""
        while self._wanted:
            self._send()

    def _send(self) -> None:
        parts, self._parts = bytes(self._parts), bytearray()
        try:
            self._wanted = self.passage.send(parts)
        except StopIteration:
            self._wanted = 0
