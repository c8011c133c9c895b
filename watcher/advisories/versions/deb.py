"""Debian and Ubuntu: `[epoch:]upstream[-revision]`, compared by runs of digits and of anything else.

A run of anything else is compared character by character: `~` before the end of the run, letters after it, all others last. That
becomes one text by giving each character a place (`_PLACES`), and the end of every run _END.

Spec: deb-version(7), Debian Policy 5.6.12
"""

import re
from functools import lru_cache
from itertools import cycle

from watcher.advisories.versions.protocol import LIMIT_CHARACTERS, Key, number, refusal

_MAX_EPOCH = 2**31 - 1  # dpkg's own

_PRINTABLE = re.compile(r"[!-~]+")
_EPOCH = re.compile(r"[0-9]{1,10}")
_PARTS = re.compile(r"([0-9]+)")
_END = "\x02"
_PLACES = {ord("~"): "\x01"} | {code: chr(0x100 + code) for code in map(ord, "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}")}


def key(version: str) -> Key:
    """Its place among versions of Debian packages; a missing epoch or revision is 0, as dpkg has it."""
    if len(version) > LIMIT_CHARACTERS or not _PRINTABLE.fullmatch(version):
        raise refusal("deb", version)
    before, colon, rest = version.partition(":")
    if not colon:
        before, rest = "0", version
    upstream, hyphen, revision = rest.rpartition("-")
    if not hyphen:
        upstream, revision = rest, "0"
    epoch = int(before) if _EPOCH.fullmatch(before) else -1
    if not upstream or not revision or not 0 <= epoch <= _MAX_EPOCH:
        raise refusal("deb", version)
    return (epoch, _runs(upstream), _runs(revision))


def _runs(text: str) -> str:
    parts = _PARTS.split(text)  # anything else, digits, anything else, …, digits, anything else
    places = [number(part) if turn else _others(part) for part, turn in zip(parts, cycle((0, 1)), strict=False)]
    if parts[-1]:
        places += (number(""), _END)  # a number that is not there is 0
    return "".join(places)


@lru_cache(maxsize=2048)  # mostly dots and a few letters
def _others(text: str) -> str:
    return text.translate(_PLACES) + _END
