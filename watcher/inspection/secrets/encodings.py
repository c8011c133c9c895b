"""Credentials that are written in another encoding than their rule: UTF-16, and base64 of the text that holds them. Pure.

Both are found as they lie there, by expressions made from those of the rule, and only what was found is decoded.
"""

import base64
import binascii
import re
from dataclasses import dataclass

# One atom of an expression, or what stands between atoms. Our expressions have no others.
_TOKEN = re.compile(
    r"(?P<atom>\\x[0-9a-f]{2}|\\[^x]|\[(?:\\.|[^\]\\])*\]|[^\\\[(){}|?*+])|(?P<open>\(\?:)|(?P<close>\))|(?P<or>\|)"
    r"|(?P<times>[?*+]|\{[0-9]+(?:,[0-9]*)?\})"
)
_WIDE = b"\0"
# What stands for a character beside a wide text, or in it when it is no ASCII.
_OTHER = 0

_BREAK = rb"\r?\n[ \t]{0,60}|(?:\\+r)?\\+n"
_BEHIND = re.compile(rb"(?:" + _BREAK + rb"|[A-Za-z0-9+/_-])*")
_BEFORE = re.compile(rb"(?:n\\+(?:r\\+)?|[ \t]{0,60}\n\r?|[A-Za-z0-9+/_-])*")
_BREAKS = re.compile(_BREAK)
# A marker may be broken by the end of a line, but not each half of it.
_WHOLE_BELOW = 14


def wide_expression(expression: str) -> str:
    """An expression that finds in UTF-16, of either byte order, what this one finds in ASCII. It ends with the same character.

    The first character has no zero before it where the order is little-endian, and the last none behind it where it is not.
    """
    wide: list[str] = []
    first, opened = True, [True]
    tokens = list(_TOKEN.finditer(expression))
    for token, behind in zip(tokens, [*tokens[1:], None], strict=True):
        kind, text = token.lastgroup, token[0]
        if kind == "atom":
            times = behind[0] if behind is not None and behind.lastgroup == "times" else ""
            zero = "\\x00?" if first else "\\x00"
            wide.append(f"(?:{zero}{text})" if times else text if first else zero + text)
            first = first and times.startswith(("?", "*", "{0"))
            continue
        wide.append(text)
        if kind == "open":
            opened.append(first)
        elif kind == "or":
            first = opened[-1]
        elif kind == "close":
            began = opened.pop()
            optional = behind is not None and behind[0].startswith(("?", "*", "{0"))
            first = began and optional
    return "".join(wide)


def narrowed(window: bytes, match_end: int) -> tuple[bytes, int]:
    """A window around a wide text as ASCII, and where the match ends in it."""
    parity = (match_end - 1) % 2
    letters = window[parity::2]
    # The zeros of a character stand behind it or before it; in the middle of a text that looks the same.
    little, big = window[parity + 1 :: 2], (window[parity - 1 :: 2] if parity else _WIDE + window[1::2])
    highs = little if little.count(0) >= big[: len(little)].count(0) else big
    narrow = bytes(letter if high == 0 else _OTHER for letter, high in zip(letters, highs.ljust(len(letters), _WIDE), strict=False))
    return narrow, (match_end + 1) // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """What base64 makes of a marker, wherever it stands: the same characters, that begin `offset` behind a group of four."""

    text: bytes
    offset: int


def fragments_of(marker: str) -> tuple[Fragment, ...]:
    """For each of the three ways a text can lie in base64, the characters that are the marker's alone; in halves if it is long."""
    found = []
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + marker.encode())
        first, last = -(-before * 8 // 6), (before + len(marker)) * 8 // 6
        middle = (first + last) // 2
        parts = ((first, last),) if last - first < _WHOLE_BELOW else ((first, middle), (middle, last))
        found += [Fragment(text=encoded[begin:end], offset=begin % 4) for begin, end in parts]
    return tuple(found)


def decoded(window: bytes, end: int, fragment: Fragment) -> bytes:
    """The text around a fragment that ends at `end`, as far as the window has it."""
    before = _BEFORE.match(window[:end][::-1])
    behind = _BEHIND.match(window, end)
    left = _BREAKS.sub(b"", before[0][::-1] if before else b"")
    text = left + _BREAKS.sub(b"", behind[0] if behind else b"")
    begin = (len(left) - len(fragment.text) - fragment.offset) % 4
    body = text[begin:].replace(b"-", b"+").replace(b"_", b"/")
    if len(body) % 4 == 1:
        body = body[:-1]
    try:
        return base64.b64decode(body + b"=" * (-len(body) % 4), validate=True)
    except binascii.Error:
        return b""
