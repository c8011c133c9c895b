"""Go: SemVer with a `v`, its pseudo-versions and `+incompatible`, and the releases of Go itself.

A pseudo-version is a pre-release that ends in the time of a commit, so SemVer orders it. Go writes its own releases `go1.21rc2` and
`go1.21`, and records about `stdlib` and `toolchain` have `1.21.0-rc.2` and `1.21.0` for them.

Spec: https://go.dev/ref/mod#versions, https://go.dev/doc/toolchain#version
"""

import re

from watcher.advisories.versions import semver
from watcher.advisories.versions.protocol import LIMIT_CHARACTERS, Key, refusal

# What follows a blank or a hyphen says how it was built: `go1.22.1 X:boringcrypto`, `go1.22.1-bigcorp`.
_RELEASE_OF_GO = re.compile(r"go([0-9]+(?:\.[0-9]+){0,2})(?:(beta|rc)([0-9]+))?(?:[ -].*)?")


def key(version: str) -> Key:
    """Its place among versions of a module, or of Go itself."""
    if not version.startswith("go"):
        return semver.key(version)
    match = _RELEASE_OF_GO.fullmatch(version) if len(version) <= LIMIT_CHARACTERS else None
    if match is None:
        raise refusal("go", version)
    numbers, stage, count = match.groups()
    return semver.key(f"{numbers}-{stage}.{count}" if stage else numbers)
