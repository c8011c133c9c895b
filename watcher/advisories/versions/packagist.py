"""Packagist: PHP's `version_compare`, after a `v` and with Composer's reading of `1.x-dev`.

`-`, `_`, `+` and any change between digits and letters separate parts. A part of letters is known by how it begins: anything else,
dev, alpha, beta, RC, the release, patch level. A part more is later (`1.0` < `1.0.0`) unless it says that it is earlier. Branches
(`dev-main`) are refused: no order holds between them and releases.

Spec: https://www.php.net/version_compare, https://getcomposer.org/doc/articles/versions.md
"""

import re

from watcher.advisories.versions.protocol import LIMIT_CHARACTERS, Key, refusal

_VERSION = re.compile(r"[vV]?[0-9](?:[0-9A-Za-z._+-]*[0-9A-Za-z])?")
_PART = re.compile(r"[0-9]+|[A-Za-z]+")
_WILD = re.compile(r"(?<=\.)[xX](?=-dev$|\.)")
_UNBOUNDED = "9999999"  # Composer's own for the `x` of 1.x-dev

# Of letters and what stands for the end, from the lowest.
_UNKNOWN, _DEV, _ALPHA, _BETA, _CANDIDATE, _END, _NUMBER, _PATCH_LEVEL = range(8)
_BEGINNINGS = (("dev", _DEV), ("a", _ALPHA), ("b", _BETA), ("RC", _CANDIDATE), ("rc", _CANDIDATE), ("p", _PATCH_LEVEL))


def key(version: str) -> Key:
    """Its place among versions of Composer packages."""
    match = _VERSION.fullmatch(version) if len(version) <= LIMIT_CHARACTERS else None
    if match is None:
        raise refusal("packagist", version)
    text = version.removeprefix("v").removeprefix("V")
    if text.endswith("-dev"):
        text = _WILD.sub(_UNBOUNDED, text)
    parts = [(_NUMBER, int(part)) if part[0] <= "9" else (_place(part), 0) for part in _PART.findall(text)]
    parts.append((_END, 0))
    return tuple(parts)


def _place(letters: str) -> int:
    for beginning, place in _BEGINNINGS:
        if letters.startswith(beginning):
            return place
    return _UNKNOWN
