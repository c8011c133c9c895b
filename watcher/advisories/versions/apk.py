"""Alpine, Wolfi and others with apk: `number{.number}{letter}{_suffix{number}}{~hash}{-rN}`.

Of two that are alike up to where one has another kind of part, the kind decides: it is one character, and so the whole is one text.
A number after a dot that begins with 0 is compared as text, which puts it before all that do not: 1.05 is before 1.1. The first
number is a number.

What no tool builds, `1.0bc` or `1-ruff`, is refused: apk 2 and apk 3 order such texts in opposite ways.

Spec: apk-package(5), "Package version"
"""

import re

from watcher.advisories.versions.protocol import LIMIT_CHARACTERS, Key, number, refusal

# A number after the letter is of old packages: 6.6.2p1.
_VERSION = re.compile(
    r"([0-9]+(?:\.[0-9]+)*)(?:([a-z])([0-9]*))?((?:_(?:alpha|beta|pre|rc|cvs|svn|git|hg|p)[0-9]*)*)(~[0-9a-f]+)?(?:-r([0-9]*))?"
)
_SUFFIX = re.compile(r"_([a-z]+)([0-9]*)")

# From the lowest: what comes before a release, the release itself, and what comes after it.
_PLACES = {"alpha": "\x01", "beta": "\x02", "pre": "\x03", "rc": "\x04"}
_END, _BUILD, _HASH, _SUFFIX_NUMBER = "\x05", "\x06", "\x07", "\x08"
_PLACES |= {"cvs": "\x09", "svn": "\x0a", "git": "\x0b", "hg": "\x0c", "p": "\x0d"}
_LETTER, _NUMBER = "\x0e", "\x0f"


def key(version: str) -> Key:
    """Its place among versions of apk packages; one without a build (`-rN`) comes before the same with any."""
    match = _VERSION.fullmatch(version) if len(version) <= LIMIT_CHARACTERS else None
    if match is None:
        raise refusal("apk", version)
    numbers, letter, after_letter, suffixes, commit, build = match.groups()
    first, *others = numbers.split(".")
    parts = [number(first), *[_NUMBER + (each if each[0] == "0" else number(each)) for each in others]]
    if letter:
        parts += (_LETTER, letter)
        if after_letter:
            parts += (_NUMBER, number(after_letter))
    if suffixes:
        for name, count in _SUFFIX.findall(suffixes):
            parts.append(_PLACES[name])
            if count:
                parts += (_SUFFIX_NUMBER, number(count))
    if commit:
        parts += (_HASH, commit)
    if build is not None:
        parts += (_BUILD, number(build))
    parts.append(_END)
    return ("".join(parts),)
