r"""RPM: `[epoch:]version[-release]`, each compared by its runs of digits and of letters; anything else only separates them.

A tilde comes before the end, a caret after it and before anything else, letters before digits. That becomes one text: `~` is \x01,
the end \x02, `^` \x03, letters stand for themselves, and a number is beyond U+00FF.

Spec: rpm-version(7), and rpmvercmp.c for what it leaves open
"""

import re
from functools import lru_cache

from watcher.advisories.versions.protocol import LIMIT_CHARACTERS, Key, number, refusal

_EVR = re.compile(r"(?:([0-9]*):)?([^-]*)(?:-(.*))?", re.DOTALL)
_RUN = re.compile(r"[0-9]+|[A-Za-z]+|[~^]")
_LETTERS_END = "\x00"
_END = "\x02"
_MARKS = {"~": "\x01", "^": "\x03"}


def key(version: str) -> Key:
    """Its place among versions of RPM packages; one without a release comes before the same with any.

    A colon after anything but digits is a part of the version: rpm reads no epoch there.
    """
    match = _EVR.fullmatch(version) if 0 < len(version) <= LIMIT_CHARACTERS else None
    if match is None or version.isspace():
        raise refusal("rpm", version)
    epoch, upstream, release = match.groups()
    return (number(epoch or ""), _runs(upstream), "" if release is None else _runs(release))


def _runs(text: str) -> str:
    return "".join(map(_run, _RUN.findall(text))) + _END


@lru_cache(maxsize=2048)
def _run(run: str) -> str:
    if run[0] <= "9":
        return number(run)
    return _MARKS.get(run) or run + _LETTERS_END
