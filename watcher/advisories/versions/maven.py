"""Maven: `ComparableVersion`, as the reference of the POM describes it.

A version is split at dots, at hyphens, and between digits and letters, which counts as a hyphen. A number after a dot is above one
after a hyphen, and that above any word; words are below the release (alpha to snapshot) or above it, and of each kind those after
a dot are the lower.

A part that is missing counts as 0 or as no word. Zeros between dots are therefore before or after the end by what follows them, and
the key has a run of them as one part that says which. `ComparableVersion` itself goes in circles there: `1.0.rc` < `1` < `1-1` <
`1.0.rc`. Of these the last does not hold here.

Spec: https://maven.apache.org/pom.html#version-order-specification
"""

import re

from watcher.advisories.versions.protocol import LIMIT_CHARACTERS, Key, refusal

_PIECE = re.compile(r"[0-9]+|[^0-9.-]+|[.-]")
_EARLY = {"alpha": 1, "beta": 2, "milestone": 3, "rc": 4, "cr": 4, "snapshot": 5}
_LATE = {"": 0, "ga": 0, "final": 0, "release": 0, "sp": 1}
_UNKNOWN = 2
_DIGITS = frozenset("0123456789")
_SHORT = {"a": "alpha", "b": "beta", "m": "milestone"}  # only right before a digit

# The kinds of parts, from the lowest.
(
    _DOT_EARLY,
    _EARLY_WORD,
    _ZEROS_BEFORE_EARLY,
    _END,
    _DOT_WORD,
    _WORD,
    _NUMBER,
    _ZEROS_BEFORE_WORD,
    _ZEROS_BEFORE_NUMBER,
    _DOT_NUMBER,
) = range(10)

_Part = tuple[int, int, str]
_ZERO: _Part = (_DOT_NUMBER, 0, "")
_NOTHING: frozenset[_Part] = frozenset({_ZERO, (_NUMBER, 0, ""), (_DOT_WORD, 0, ""), (_WORD, 0, "")})


def key(version: str) -> Key:
    """Its place among versions of Maven artifacts; any text that is not empty has one."""
    if not 0 < len(version) <= LIMIT_CHARACTERS:
        raise refusal("maven", version)
    parts = _parts(version.lower())
    placed = parts[:1]
    zeros = 0
    for part in parts[1:]:
        if part == _ZERO:
            zeros += 1
            continue
        if zeros:
            placed.append(_run_of_zeros(zeros, part[0]))
            zeros = 0
        placed.append(part)
    placed.append((_END, 0, ""))
    return tuple(placed)


def _parts(version: str) -> list[_Part]:
    """The parts in order, without those at the end and before a hyphen that say nothing; the first is always there."""
    parts: list[_Part] = []
    dot, complete, before = True, False, ""
    for piece in _PIECE.findall(version):
        if piece in ".-":
            if not complete:
                parts.append((_DOT_NUMBER if dot else _NUMBER, 0, ""))
            dot, complete, before = piece == ".", False, ""
            if not dot:
                _trim(parts)
            continue
        if complete:  # digits after letters, or letters after digits
            if before in _SHORT:
                parts[-1] = _word(_SHORT[before], dot=dot)
            dot = False
            _trim(parts)
        parts.append((_DOT_NUMBER if dot else _NUMBER, int(piece), "") if piece[0] in _DIGITS else _word(piece, dot=dot))
        complete, before = True, piece
    _trim(parts)
    return parts


def _trim(parts: list[_Part]) -> None:
    while len(parts) > 1 and parts[-1] in _NOTHING:
        parts.pop()


def _word(text: str, *, dot: bool) -> _Part:
    if place := _EARLY.get(text):
        return (_DOT_EARLY if dot else _EARLY_WORD, place, "")
    kind = _DOT_WORD if dot else _WORD
    place = _LATE.get(text)
    return (kind, _UNKNOWN, text) if place is None else (kind, place, "")


def _run_of_zeros(zeros: int, before: int) -> _Part:
    """The more zeros, the later what is less than a zero comes, and the earlier what is more."""
    if before == _DOT_EARLY:
        return (_ZEROS_BEFORE_EARLY, zeros, "")
    if before == _DOT_NUMBER:
        return (_ZEROS_BEFORE_NUMBER, -zeros, "")
    return (_ZEROS_BEFORE_WORD, zeros, "")
