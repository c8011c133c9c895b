"""RubyGems: runs of digits and of letters, a run of letters before any number, as it makes a pre-release.

A part that is missing is 0, however many are: a run of zeros is therefore before or after the end by what follows it, and the key
has it as one part that says which.

Spec: Gem::Version, https://docs.ruby-lang.org/en/master/Gem/Version.html
"""

import re

from watcher.advisories.versions.protocol import LIMIT_CHARACTERS, Key, refusal

_VERSION = re.compile(r"[0-9][0-9A-Za-z.-]*")
_PART = re.compile(r"[0-9]+|[a-zA-Z]+")

# The kinds of parts, from the lowest.
_LETTERS, _ZEROS_BEFORE_LETTERS, _END, _ZEROS_BEFORE_NUMBER, _NUMBER = range(5)


def key(version: str) -> Key:
    """Its place among versions of gems; `1.0.0` is `1`, `1.0-x` is `1.0.pre.x`, and `1beta`, which no gem may have, is `1.beta`."""
    match = _VERSION.fullmatch(version.strip()) if len(version) <= LIMIT_CHARACTERS else None
    if match is None:
        raise refusal("gem", version)
    parts: list[tuple[int, int, str]] = []
    zeros = 0
    in_numbers = True
    for part in _PART.findall(version.replace("-", ".pre.")):
        if part[0] > "9":
            # Zeros right before the first letters are none: 1.0.a is 1.a.
            if zeros and not in_numbers:
                parts.append((_ZEROS_BEFORE_LETTERS, zeros, ""))
            parts.append((_LETTERS, 0, part))
            zeros, in_numbers = 0, False
        elif value := int(part):
            if zeros:
                parts.append((_ZEROS_BEFORE_NUMBER, -zeros, ""))
            parts.append((_NUMBER, value, ""))
            zeros = 0
        else:
            zeros += 1
    parts.append((_END, 0, ""))
    return tuple(parts)
