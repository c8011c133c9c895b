"""PyPI: PEP 440, read by `packaging`.

Versions from before PEP 440 that it has no place for (`2004d`, `0.1-bulbasaur`) are refused, as pip refuses them: nobody says where
they stand.
"""

import re

from packaging.version import InvalidVersion, Version

from watcher.advisories.versions.protocol import LIMIT_CHARACTERS, Key, refusal

_PLAIN = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_PHASES = {"a": 1, "b": 2, "rc": 3}
_RELEASE = (4, 0)
_ONLY_DEV = (0, 0)
_NO_DEV = (1, 0)
_NO_POST = -1


def key(version: str) -> Key:
    """Its place by PEP 440: `1.0.dev1`, `1.0a1`, `1.0rc1`, `1.0`, `1.0+local`, `1.0.post1`, `1.1`; an epoch before them all."""
    if len(version) > LIMIT_CHARACTERS:
        raise refusal("pypi", version)
    if _PLAIN.fullmatch(version):  # nine of ten are, and what follows takes five times as long
        return (0, _release(tuple(map(int, version.split(".")))), _RELEASE, _NO_POST, _NO_DEV, ())
    try:
        read = Version(version)
    except InvalidVersion as error:
        raise refusal("pypi", version) from error
    pre, post, dev = read.pre, read.post, read.dev
    phase = _RELEASE if pre is None else (_PHASES[pre[0]], pre[1])
    if pre is None and post is None and dev is not None:
        phase = _ONLY_DEV
    return (
        read.epoch,
        _release(read.release),
        phase,
        _NO_POST if post is None else post,
        _NO_DEV if dev is None else (0, dev),
        _local(read.local),
    )


def _release(numbers: tuple[int, ...]) -> tuple[int, ...]:
    end = len(numbers)
    while end > 1 and not numbers[end - 1]:
        end -= 1
    return numbers[:end]


def _local(local: str | None) -> tuple[tuple[int, int, str], ...]:
    """Of two labels, one of digits comes after any other."""
    if local is None:
        return ()
    return tuple((1, int(each), "") if each.isdigit() else (0, 0, each) for each in local.split("."))
