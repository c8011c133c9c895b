"""Arrays as PHP's `serialize` writes them, of which only some members are built.

Spec: php-src ext/standard/var_unserializer.re
"""

import re
from typing import Any

# Filelists are nested as directories are; PHP's own limit is 4096.
MAX_DEPTH = 64

_HEAD = re.compile(rb"([saO]):([0-9]{1,9}):|([ibdrR]):([^;]{1,40});|(N);")
_COUNT = re.compile(rb"([0-9]{1,9}):")


class NotSerializedError(ValueError):
    """Not what `serialize` writes, or deeper than anyone nests it."""


def unserialized(content: bytes, wanted: frozenset[bytes]) -> dict[Any, Any]:
    """The `wanted` members of the array that `content` is, by their keys: texts are bytes, arrays are dicts, all else is None.

    Keys are bytes or numbers. What follows the array is not looked at, as PHP does not.

    Raises:
        NotSerializedError: it is no array, or is not whole.
    """
    if not content.startswith(b"a:"):
        raise NotSerializedError("no serialized array")
    value, _ = _Reader(content, wanted).value(0, 0, is_kept=True)
    return value if isinstance(value, dict) else {}


class _Reader:
    def __init__(self, content: bytes, wanted: frozenset[bytes]) -> None:
        self._content = content
        self._wanted = wanted

    def value(self, at: int, depth: int, *, is_kept: bool) -> tuple[Any, int]:
        """The value that begins here, if it is kept, and where it ends."""
        head = _HEAD.match(self._content, at)
        if head is None:
            raise NotSerializedError(f"no value at byte {at}")
        kind, end = head[1], head.end()
        if kind is None:
            return (int(head[4]) if head[3] == b"i" and head[4].lstrip(b"-").isdigit() else None), end
        number = int(head[2])
        if kind == b"s":
            return self._text(end, number)
        if kind == b"O":  # of a class, whose name is next
            _, end = self._text(end, number, closed_by=b'":')
            count = _COUNT.match(self._content, end)
            if count is None:
                raise NotSerializedError(f"no object at byte {at}")
            number, end = int(count[1]), count.end()
        return self._members(end, number, depth + 1, is_kept=is_kept)

    def _text(self, at: int, length: int, closed_by: bytes = b'";') -> tuple[bytes, int]:
        first, last = at + 1, at + 1 + length
        if self._content[at:first] != b'"' or self._content[last : last + 2] != closed_by:
            raise NotSerializedError(f"no text at byte {at}")
        return self._content[first:last], last + 2

    def _members(self, at: int, count: int, depth: int, *, is_kept: bool) -> tuple[dict[Any, Any], int]:
        if depth > MAX_DEPTH:
            raise NotSerializedError(f"nested deeper than {MAX_DEPTH}")
        if self._content[at : at + 1] != b"{":
            raise NotSerializedError(f"no array at byte {at}")
        at += 1
        members: dict[Any, Any] = {}
        for _ in range(count):
            key, at = self.value(at, depth, is_kept=False)
            if not isinstance(key, bytes | int):
                raise NotSerializedError(f"no key before byte {at}")
            is_wanted = is_kept and (depth > 1 or key in self._wanted)
            member, at = self.value(at, depth, is_kept=is_wanted)
            if is_wanted:
                members[key] = member
        if self._content[at : at + 1] != b"}":
            raise NotSerializedError(f"no end of an array at byte {at}")
        return members, at + 1
