r"""SemVer 2, which crates.io keeps to the letter, and Go and npm with liberties of their own.

A pre-release is one text: an identifier of digits is \x01 and its number, any other \x02 and itself, and no pre-release is \x03,
after them all.

Spec: https://semver.org, clause 11
"""

import re

from watcher.advisories.versions.protocol import LIMIT_CHARACTERS, Key, number, refusal

_VERSION = re.compile(r"v?([0-9]+)(?:\.([0-9]+)(?:\.([0-9]+))?)?(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]*)?")
_RELEASE = "\x03"


def key(version: str) -> Key:
    """Its place by SemVer; build metadata count for nothing, a number that is left out is 0, and a `v` before it is nothing."""
    match = _VERSION.fullmatch(version) if len(version) <= LIMIT_CHARACTERS else None
    if match is None:
        raise refusal("semver", version)
    major, minor, patch, pre_release = match.groups("")
    if not pre_release:
        return (int(major), int(minor or 0), int(patch or 0), _RELEASE)
    return (int(major), int(minor or 0), int(patch or 0), pre_release_text(pre_release, version))


def pre_release_text(pre_release: str, version: str) -> str:
    """The identifiers of a pre-release as one text that compares as they do.

    Raises:
        VersionError: one of them is empty.
    """
    identifiers = pre_release.split(".")
    if "" in identifiers:
        raise refusal("semver", version)
    return "".join([f"\x01{number(each)}" if each.isdigit() else f"\x02{each}\x00" for each in identifiers])
