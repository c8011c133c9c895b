"""Where a part of an expression stands in its YAML file: editors jump to `file:line:column`, so it must be the right one."""

import re
from dataclasses import dataclass

from watcher.kit.yaml_source import Path, YamlSource

# What a backslash in a double-quoted scalar takes with it: YAML 1.1, section 5.7.
_ESCAPE = re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """A parsed document with the lines it was parsed from."""

    source: YamlSource
    lines: tuple[str, ...]

    def at(self, path: Path) -> str:
        return self.source.at(path)

    def inside(self, path: Path, line: int, column: int) -> str:
        """`file:line:column` of a place within the text at `path`; `line` and `column` count from 1 in that text as it was read.

        Exact for text on one line and for `|` and `>` blocks; for quoted text over several lines it is in the first of them.
        """
        start = self.source.positions.get(path)
        if start is None or start[0] > len(self.lines):
            return self.at(path)
        row, offset = start[0], start[1] - 1
        raw = self.lines[row - 1][offset:]
        if raw[:1] in ("'", '"'):
            shift = _quoted_offset(raw, column - 1) if line == 1 else 0
            return f"{self.source.file}:{row}:{offset + shift + 1}"
        if raw[:1] == "|":
            indent = self._indent(row)
            return f"{self.source.file}:{row + line}:{indent + column}"
        if raw[:1] == ">":
            return self._folded(row + 1, self._indent(row), column)
        return self._folded(row, offset, column)

    def _indent(self, row: int) -> int:
        """The indentation of a block whose indicator stands in line `row`."""
        first = next((text for text in self.lines[row:] if text.strip()), "")
        return len(first) - len(first.lstrip(" "))

    def _folded(self, row: int, offset: int, column: int) -> str:
        """Lines joined by one space each, beginning at `offset` of line `row`."""
        left = column - 1
        for number in range(row, len(self.lines) + 1):
            text = self.lines[number - 1]
            begin = offset if number == row else len(text) - len(text.lstrip())
            length = len(text.rstrip()) - begin
            if left <= length or not text.strip():
                return f"{self.source.file}:{number}:{begin + left + 1}"
            left -= length + 1
        return f"{self.source.file}:{row}:{offset + 1}"


def _quoted_offset(raw: str, characters: int) -> int:
    """How many columns of a quoted scalar, its quote included, come before character `characters` of its text."""
    quote, index = raw[0], 1
    for _ in range(characters):
        escape = _ESCAPE.match(raw, index) if quote == '"' else None
        if escape is not None:
            index = escape.end()
        elif quote == "'" and raw.startswith("''", index):
            index += 2
        else:
            index += 1
    return min(index, len(raw))
