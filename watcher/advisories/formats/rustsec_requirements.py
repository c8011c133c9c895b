"""Cargo's version requirements, and what is left between those that are safe.

RustSec names the versions that are safe; every other one is affected. Versions are taken to be on one line, pre-releases
included, as RustSec itself does since it exports to OSV: what Cargo would resolve to is another question.

Spec: Semantic Versioning 2.0.0, section 11; The Cargo Book, "Version requirement syntax".
"""

import re
from collections.abc import Iterable

from watcher.advisories.record import Interval

# The most real ones have three comparators; the longest advisory lists about twenty requirements.
MAX_REQUIREMENT = 256
MAX_REQUIREMENTS = 500

_COMPARATOR = re.compile(
    r"(?P<operator>>=|<=|>|<|=|\^|~|)\s*"
    r"(?P<major>\d{1,19})(?:\.(?P<minor>\d{1,19}|[*xX]))?(?:\.(?P<patch>\d{1,19}|[*xX]))?"
    r"(?:-(?P<pre>[0-9A-Za-z.-]{1,100}))?(?:\+[0-9A-Za-z.-]{1,100})?",
    re.ASCII,
)

# A pre-release is before its release: identifiers in their order, numbers before words; none at all is behind all of them.
_Pre = tuple[tuple[int, int, str], ...]
_RELEASED: _Pre = ((2, 0, ""),)
_Key = tuple[int, int, int, _Pre]
# A place between versions: directly before one (0), or directly behind it (1).
_Edge = tuple[_Key, int]
_BEGIN: _Edge = ((-1, 0, 0, ()), 0)
_Span = tuple[_Edge, _Edge | None]


class RequirementError(ValueError):
    """Not a requirement that Cargo would take."""


def affected_between(safe: Iterable[str]) -> tuple[Interval, ...]:
    """Every version that no requirement of `safe` allows, in order; each interval ends where the next safe one begins.

    Raises:
        RequirementError: which requirement cannot be read.
    """
    requirements = list(safe)
    if len(requirements) > MAX_REQUIREMENTS:
        raise RequirementError(f"more than {MAX_REQUIREMENTS} requirements")
    intervals: list[Interval] = []
    reached: _Edge | None = _BEGIN
    for begin, end in sorted((span for span in map(_span, requirements) if span), key=lambda span: span[0]):
        if reached is None:
            break
        if begin > reached:
            intervals.append(Interval(introduced=_introduced(reached), fixed=_fixed(begin)))
        reached = None if end is None else max(reached, end)
    if reached is not None:
        intervals.append(Interval(introduced=_introduced(reached)))
    return tuple(intervals)


def _span(requirement: str) -> _Span | None:
    """What one requirement allows: all of its comparators at once. None where that is nothing."""
    if len(requirement) > MAX_REQUIREMENT:
        raise RequirementError(f"a requirement of {len(requirement)} characters")
    begin, end = _BEGIN, None
    for comparator in requirement.split(","):
        low, high = _comparator(comparator.strip())
        begin = max(begin, low)
        if high is not None:
            end = high if end is None else min(end, high)
    return None if end is not None and begin >= end else (begin, end)


def _comparator(text: str) -> _Span:
    if text == "*":
        return (_BEGIN, None)
    match = _COMPARATOR.fullmatch(text)
    if not match:
        raise RequirementError(f"{text[:80]!r} is no version requirement")
    major = int(match["major"])
    minor, patch = (int(part) if part and part.isdigit() else None for part in (match["minor"], match["patch"]))
    operator = match["operator"]
    if not operator and "*" in text:
        operator = "~"
    exact: _Key = (major, minor or 0, patch or 0, _pre(match["pre"] or ""))
    at, after = (exact, 0), (exact, 1)
    match operator:
        case "" | "^":
            return (at, _caret(major, minor, patch))
        case "~":
            return (at, _first(major + 1, 0, 0) if minor is None else _first(major, minor + 1, 0))
        case ">=":
            return (at, None)
        case "<":
            return (_BEGIN, at)
        # RustSec reads `> 0` as `> 0.0.0`, where Cargo would read it as `>= 1.0.0`; so with `<=` and `=`.
        case ">":
            return (after, None)
        case "<=":
            return (_BEGIN, after)
        case _:
            return (at, after)


def _caret(major: int, minor: int | None, patch: int | None) -> _Edge:
    """Up to a change of the leftmost number that is not zero."""
    if major > 0 or minor is None:
        return _first(major + 1, 0, 0)
    if minor > 0 or patch is None:
        return _first(0, minor + 1, 0)
    return _first(0, 0, patch + 1)


def _first(major: int, minor: int, patch: int) -> _Edge:
    return ((major, minor, patch, _pre("0")), 0)


def _pre(text: str) -> _Pre:
    if not text:
        return _RELEASED
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in text.split("."))


def _written(key: _Key) -> str:
    major, minor, patch, pre = key
    release = f"{major}.{minor}.{patch}"
    return (
        release if pre == _RELEASED else f"{release}-{'.'.join(str(number) if kind == 0 else word for kind, number, word in pre)}"
    )


def _introduced(edge: _Edge) -> str:
    """The first version at or behind `edge`; what comes directly behind 1.2.3 is 1.2.4-0."""
    if edge == _BEGIN:
        return "0"
    key, behind = edge
    if not behind:
        return _written(key)
    major, minor, patch, pre = key
    return _written((major, minor, patch + 1, _pre("0"))) if pre == _RELEASED else f"{_written(key)}.0"


def _fixed(edge: _Edge) -> str:
    """What people are told to upgrade to: the release behind 1.2.3 is 1.2.4."""
    key, behind = edge
    if not behind:
        return _written(key)
    major, minor, patch, pre = key
    return _written((major, minor, patch + 1, _RELEASED)) if pre == _RELEASED else f"{_written(key)}.0"
