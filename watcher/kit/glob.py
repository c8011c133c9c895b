"""Globs over slash-separated names: `*` and `?` stay within a component, `**` crosses them."""

import re
from collections.abc import Iterable
from functools import lru_cache


@lru_cache(maxsize=4096)
def glob_expression(pattern: str) -> str:
    """The anchored regular expression of a glob, valid in both `re` and RE2.

    `a/**` matches everything below `a`, `**/b` matches `b` at any depth, top included.
    """
    built: list[str] = []
    index = 0
    while index < len(pattern):
        if pattern.startswith("**/", index):
            built.append("(?:.*/)?")
            index += 3
        elif pattern.startswith("**", index):
            built.append(".*")
            index += 2
        elif pattern[index] == "*":
            built.append("[^/]*")
            index += 1
        elif pattern[index] == "?":
            built.append("[^/]")
            index += 1
        else:
            built.append(re.escape(pattern[index]))
            index += 1
    return "^" + "".join(built) + "$"


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(glob_expression(pattern), re.DOTALL)


def glob_match(name: str, pattern: str) -> bool:
    return _compiled(pattern).match(name) is not None


def glob_any(name: str, patterns: Iterable[str]) -> bool:
    """Whether any of the patterns matches the whole of `name`."""
    return any(glob_match(name, pattern) for pattern in patterns)
