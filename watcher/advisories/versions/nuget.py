"""NuGet: SemVer with up to four numbers, its pre-release compared without regard to case.

Spec: https://learn.microsoft.com/nuget/concepts/package-versioning
"""

import re

from watcher.advisories.versions.protocol import LIMIT_CHARACTERS, Key, refusal
from watcher.advisories.versions.semver import pre_release_text

_VERSION = re.compile(r"([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?(?:\.([0-9]+))?(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]*)?")
_RELEASE = "\x03"


def key(version: str) -> Key:
    """Its place among versions of NuGet packages; a number that is left out is 0."""
    match = _VERSION.fullmatch(version) if len(version) <= LIMIT_CHARACTERS else None
    if match is None:
        raise refusal("nuget", version)
    major, minor, patch, revision, pre_release = match.groups("")
    text = pre_release_text(pre_release.lower(), version) if pre_release else _RELEASE
    return (int(major), int(minor or 0), int(patch or 0), int(revision or 0), text)
