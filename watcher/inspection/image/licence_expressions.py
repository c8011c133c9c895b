"""Licences as people write them as SPDX licence expressions. Pure.

Spec: SPDX 2.3, Annex D "SPDX license expressions".
"""

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import NamedTuple

from watcher.inspection.image.licence_names import key, spdx_of

_OPERATORS = {
    ",": "AND",
    ";": "AND",
    "&": "AND",
    "and": "AND",
    "|": "OR",
    "or": "OR",
    "and/or": "OR",
    "with": "WITH",
    "(": "(",
    ")": ")",
}
_BETWEEN = frozenset({"AND", "OR"})
_AFTER_A_TERM, _BEFORE_A_TERM = frozenset({"AND", "OR", "WITH", ")"}), frozenset({"AND", "OR", "WITH", "("})
_SPLIT = re.compile(r"(\band/or\b|[(),;&|]|\b(?:and|or|with)\b(?![-.+]))", re.IGNORECASE)
_NO_IDENTIFIER = re.compile(r"[^A-Za-z0-9.]+")
# R's ways: `GPL (>= 2)`, and the file in the package that has the rest of it, which for these is only who holds the rights.
_RELEASE = re.compile(r"(Apache License|[A-Za-z][\w.-]{0,40}) ?\( ?(>=|==) ?([0-9.]{1,12}) ?\)")
_TEMPLATE = re.compile(r"\b(MIT|BSD_[23]_clause) ?\+ ?file LICEN[CS]E\b")
_BESIDES = re.compile(r" ?\+ ?(?=file LICEN[CS]E\b)")

# As much of a licence's name as is shown of one that nobody knows.
MAX_REFERENCE = 60


class _Listed(NamedTuple):
    """The identifiers of SPDX, by their keys."""

    licences: Mapping[str, str]
    exceptions: Mapping[str, str]


@cache
def _known() -> _Listed:
    """All that SPDX lists. The list is read when the first licence is."""
    from license_expression import get_spdx_licensing

    licences: dict[str, str] = {}
    exceptions: dict[str, str] = {}
    for identifier, symbol in get_spdx_licensing().known_symbols.items():
        (exceptions if symbol.is_exception else licences)[key(identifier)] = identifier
    return _Listed(licences, exceptions)


def expressions(stated: tuple[str, ...]) -> tuple[str, ...]:
    """Each of what a package says of its licences as an expression, in their order, each once."""
    return _expressions(stated) if stated else stated


@lru_cache(maxsize=8192)
def _expressions(stated: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found for each in stated if (found := expression(each))))


def expression(stated: str) -> str:
    """A valid expression. A licence that nobody knows is `LicenseRef-NAME`; of a text without any word nothing is left.

    A comma means AND, as do spaces between identifiers: whoever forbids one of them hears of it. An exception that SPDX does not
    list is left away, which claims no right that is not given.
    """
    text = _without_ways_of_r(" ".join(stated.split()))
    if known := _identifier(text):
        return known
    parts: list[str] = []
    before = ""
    for part in _SPLIT.split(text):
        word = part.strip()
        if not word:
            continue
        operator = _OPERATORS.get(word.casefold(), "")
        if operator in _BETWEEN and parts and parts[-1] in _BETWEEN:
            parts[-1] = operator
            if before == "," and parts.count("(") == parts.count(")"):
                parts = ["(", *parts[:-1], ")", operator]  # Debian's `A or B, and C`
        else:
            parts += [operator] if operator else _term(word)
        before = word
    return _joined(_without_unknown_exceptions(parts)) or _reference(text)


def _without_ways_of_r(text: str) -> str:
    if "(" not in text and "+" not in text:
        return text
    return _BESIDES.sub(" and ", _TEMPLATE.sub(r"\1", _RELEASE.sub(_released, text)))


def _released(match: re.Match[str]) -> str:
    """`GPL-2+`; of a licence that has no such name the release itself, which claims no right that is not given."""
    name, comparison, release = match.groups()
    later = f"{name}-{release}+"
    return later if comparison == ">=" and _identifier(later) else f"{name}-{release}"


def _identifier(name: str) -> str:
    """The SPDX identifier of one licence, empty when it is none that is known."""
    # Those that SPDX has given up, as `GPL-2.0+`, have a name as well.
    return spdx_of(name) or _known().licences.get(key(name), "")


def _term(name: str) -> list[str]:
    """One licence between operators, or several without any."""
    if known := _identifier(name):
        return [known]
    for between, operator in (("/", "OR"), (" ", "AND")):
        several = [_identifier(each.strip()) for each in name.split(between)]
        if len(several) > 1 and all(several):
            joined = [part for each in several for part in (operator, each)]
            return ["(", *joined[1:], ")"]
    return [found] if (found := _reference(name)) else []


def _reference(name: str) -> str:
    word = _NO_IDENTIFIER.sub("-", name.removeprefix("LicenseRef-"))[:MAX_REFERENCE].strip("-.")
    return f"LicenseRef-{word}" if word else ""


def _without_unknown_exceptions(parts: list[str]) -> list[str]:
    kept: list[str] = []
    for part in parts:
        if kept and kept[-1] == "WITH":
            exception = _known().exceptions.get(key(part.removeprefix("LicenseRef-")))
            if exception is None:
                kept.pop()
                continue
            kept.append(exception)
            continue
        kept.append(part)
    return kept


def _joined(parts: list[str]) -> str:
    """The expression that the parts make; nothing when they make none."""
    depth, is_term_next = 0, True
    for part in parts:
        if (part in _AFTER_A_TERM) is is_term_next:
            return ""
        depth += (part == "(") - (part == ")")
        if depth < 0:
            return ""
        is_term_next = part in _BEFORE_A_TERM
    if depth or is_term_next:
        return ""
    return " ".join(_unwrapped(parts)).replace("( ", "(").replace(" )", ")")


def _unwrapped(parts: list[str]) -> list[str]:
    """Without parentheses around the whole."""
    depth = 0
    for at, part in enumerate(parts):
        depth += (part == "(") - (part == ")")
        if not depth:
            return _unwrapped(parts[1:-1]) if part == ")" and at == len(parts) - 1 else parts
    return parts
